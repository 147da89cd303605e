"""The text of a message."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from attune_contracts.notification import MessageKind
from services.notification.letters import Letters, UnreadableTemplate, reference
from tests.notification.examples import CASE, CHILD, SCREENING, SPECIALIST, a_message

LINK = "https://console.example.org/"
CLINICAL = (
    "child",
    "baby",
    "screening result",
    "concern",
    "attachment",
    "score",
    "parent",
    "mother",
    "family",
    "outcome",
)


@pytest.mark.parametrize("kind", get_args(MessageKind))
def test_every_kind_says_a_reference_and_a_link_and_nothing_clinical(kind: MessageKind) -> None:
    about = SCREENING if kind in ("urgent_concern", "certificate_lapsed") else CASE
    text = Letters(LINK).write(a_message(kind=kind, about_id=about), "en")
    whole = f"{text.subject}\n{text.body}"
    part = "cases" if about == CASE else "screenings"
    assert reference(about) in text.subject
    assert f"https://console.example.org/{part}/{about}" in text.body
    assert not [word for word in CLINICAL if word in whole.lower()]
    assert str(CHILD) not in whole
    assert str(SPECIALIST) not in whole


def test_the_safeguarding_lead_is_told_urgent_and_nothing_more() -> None:
    text = Letters(LINK).write(a_message(kind="urgent_concern", about_id=SCREENING), "en")
    assert text.subject == f"Urgent: {reference(SCREENING)}"


def written(folder: Path, language: str = "en", **files: str) -> str:
    for name, content in files.items():
        (folder / f"case_assigned.{name}.txt").write_text(content)
    text = Letters(LINK, folder).write(a_message(kind="case_assigned"), language)
    return f"{text.language}: {text.subject}"


@pytest.mark.parametrize(
    ("language", "used"), [("pl", "pl: Sprawa"), ("pl-PL", "pl: Sprawa"), ("cy", "en: Case"), ("en", "en: Case")]
)
def test_a_language_without_a_text_falls_back_to_english(tmp_path: Path, language: str, used: str) -> None:
    assert written(tmp_path, language, en="Case\n\nText\n", pl="Sprawa\n\nTekst\n") == used


@pytest.mark.parametrize(
    "content",
    [
        "Case {{ outcome }}\n\nText\n",
        "Case\n\n{{ reference.__class__.__mro__ }}\n",
        "Case\n\n{% for x in range(10**9) %}{% endfor %}x\n",
        "Case\n\n{{ 1 // 0 }}\n",
        "Case\n\n{% if %}\n",
        "Case\nwithout an empty line\n",
        "\n\nno subject\n",
        "Case\n\n",
        "x" * 300 + "\n\nText\n",
        "Case {{ link }}\n\nText\n",
    ],
)
def test_a_template_that_cannot_be_filled_gives_no_text_at_all(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnreadableTemplate):
        written(tmp_path, en=content)


def test_a_kind_without_a_template_gives_no_text_at_all(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTemplate):
        written(tmp_path)
