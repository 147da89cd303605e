"""The text of a message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from attune_contracts.notification import MessageKind
from services.notification.domain.message import TO_CAREGIVERS
from services.notification.letters import TEMPLATES, Letters, UnreadableTemplate, reference
from services.notification.settings import REVEALING
from tests.notification.examples import CASE, CHILD, SCREENING, SPECIALIST, a_letter, a_message

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


PLACES = {
    "urgent_concern": "screenings",
    "certificate_lapsed": "screenings",
    "recertification_due": "practitioners",
    "supervision_overdue": "practitioners",
}
TO_STAFF = sorted(set(get_args(MessageKind)) - TO_CAREGIVERS)
TEMPLATE_FILES = sorted(TEMPLATES.glob("*.txt"))
NEUTRAL_LINK = "https://read.example.org/k7"
TOPICS = REVEALING.pattern + (
    r"|screen|referr|consult|assess|treat|therap|clinic|doctor|nurse|visitor|midwi|pregnan|loss|died|case|urgent"
    r"|dzieck|niemowl|ciąż|poród|porod|matk|rodzic|zdrow|strat|położn|przychod"
    r"|copil|bebe|sarcin|naștere|nastere|mam[ăe]|părin|parin|sănăt|sanat|pierder|clinic"
    r"|crian|beb[éeê]|gravid|parto|nascim|m[ãa]e\\b|pais\\b|saúde|saude|perda|consult"
)
"""Whatever would tell a stranger what service it is, that there is a child, how it is, or what it is about."""


def to_caregivers() -> list[tuple[str, str]]:
    parts = [path.stem.split(".") for path in TEMPLATE_FILES]
    return [(kind, language) for kind, language in parts if kind in TO_CAREGIVERS]


def test_there_is_a_neutral_text_in_several_languages() -> None:
    assert {language for _, language in to_caregivers()} >= {"en", "pl", "pt", "ro"}
    assert {kind for kind, language in to_caregivers() if language == "en"} == TO_CAREGIVERS


@pytest.mark.parametrize(("kind", "language"), to_caregivers())
def test_what_a_caregiver_gets_names_no_service_child_outcome_or_topic(kind: Any, language: str) -> None:
    message = a_message(kind=kind, recipient_kind="caregiver")
    text = Letters(LINK, caregiver_link=NEUTRAL_LINK).write(message, language)
    whole = f"{text.subject}\n{text.body}"
    assert text.language == language
    assert re.findall(TOPICS, whole, re.IGNORECASE) == []
    assert re.findall(r"[0-9]", whole.replace(NEUTRAL_LINK, "")) == []
    for id_ in (message.about_id, message.child_id, message.message_id, message.recipient_id):
        assert str(id_) not in whole
        assert reference(id_) not in whole


@pytest.mark.parametrize("revealing", ["Hello {{ reference }}\n\nText\n", "Hello\n\n{{ reference }}\n"])
def test_a_text_to_a_caregiver_cannot_have_a_reference(tmp_path: Path, revealing: str) -> None:
    (tmp_path / "please_call.en.txt").write_text(revealing)
    with pytest.raises(UnreadableTemplate):
        Letters(LINK, tmp_path).write(a_message(kind="please_call"), "en")


def test_without_a_neutral_link_nothing_is_sent_that_needs_one() -> None:
    with pytest.raises(UnreadableTemplate):
        Letters(LINK).write(a_message(kind="booklet"), "en")


def test_a_digest_tells_each_message_once_under_a_subject_of_its_own() -> None:
    letters = Letters(LINK)
    first, second, third = (a_letter(f"letter {n}", subject=f"Case {n}", body=f"Text {n}\n") for n in range(3))
    both = letters.gather(letters.gather(first, second), third)
    assert both.message_id == first.message_id
    assert both.also == (second.message_id, third.message_id)
    assert (both.kind, both.subject) == ("digest", "Several messages for you")
    assert [both.body.count(f"Case {n}\n\nText {n}\n") for n in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("kind", TO_STAFF)
def test_every_kind_says_a_reference_and_a_link_and_nothing_clinical(kind: MessageKind) -> None:
    part = PLACES.get(kind, "cases")
    about = SCREENING if part == "screenings" else CASE
    text = Letters(LINK).write(a_message(kind=kind, about_id=about), "en")
    whole = f"{text.subject}\n{text.body}"
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
