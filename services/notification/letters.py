"""The text of a message: a template for its kind and language, filled with a reference and a link, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notification.channels.channel import Letter
from services.notification.domain.message import TO_CAREGIVERS, Message

TEMPLATES = Path(__file__).parent / "templates"
FALL_BACK = "en"
LONGEST_SUBJECT = 200

_REFERENCE, _LINK = "\ue000", "\ue001"
"""Marks from Unicode's private use area: no text has them."""

_PLACE = {
    "urgent_concern": "screenings",
    "certificate_lapsed": "screenings",
    "recertification_due": "practitioners",
    "supervision_overdue": "practitioners",
}
"""Where the console shows what a message is about; everything else is a case."""


class UnreadableTemplate(Exception):
    """The text cannot be made from its template; the message is not sent, not even in part."""


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    body: str
    language: str


def reference(about_id: UUID) -> str:
    """Short name of a case for people: the last eight digits of its id."""
    return about_id.hex[-8:].upper()


class Letters:
    """The templates of one folder: `<kind>.<language>.txt`, the subject in the first line, then an empty line."""

    def __init__(self, case_link: str, folder: Path = TEMPLATES, *, caregiver_link: str | None = None) -> None:
        self._link, self._caregiver_link = case_link.rstrip("/"), caregiver_link
        self._ready: dict[tuple[str, str], Text] = {}
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=select_autoescape(enabled_extensions=()),
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def write(self, message: Message, language: str) -> Text:
        """The text in `language`, else in its base language, else in English. Raises UnreadableTemplate."""
        text = self._ready.get((message.kind, language))
        if text is None:
            text = self._ready[message.kind, language] = self._fill(message.kind, language)
        if message.kind in TO_CAREGIVERS:
            return self._neutral(text)
        name = reference(message.about_id)
        about = _PLACE.get(message.kind, "cases")
        body = text.body.replace(_REFERENCE, name).replace(_LINK, f"{self._link}/{about}/{message.about_id}")
        return Text(text.subject.replace(_REFERENCE, name), body, text.language)

    def _neutral(self, text: Text) -> Text:
        """To a caregiver: nothing that could be looked up, and the one link that gives nothing away."""
        if _REFERENCE in text.subject + text.body:
            raise UnreadableTemplate("Reference")
        if _LINK in text.body and self._caregiver_link is None:
            raise UnreadableTemplate("CaregiverLink")
        return Text(text.subject, text.body.replace(_LINK, self._caregiver_link or ""), text.language)

    def gather(self, first: Letter, following: Letter) -> Letter:
        """One letter that tells what both tell: the texts below each other, under a subject of its own."""
        body = first.body if first.also else _part(first)
        subject = self._fill("digest", first.language).subject
        return replace(
            first,
            kind="digest",
            subject=subject,
            body=f"{body}\n{_part(following)}",
            also=(*first.also, following.message_id),
        )

    def _fill(self, kind: str, language: str) -> Text:
        """The text with marks for what differs from one message to the next, so that each template is filled once."""
        for candidate in dict.fromkeys((language, language.partition("-")[0], FALL_BACK)):
            try:
                template = self._environment.get_template(f"{kind}.{candidate}.txt")
                whole = template.render(reference=_REFERENCE, link=_LINK)
            except TemplateNotFound:
                continue
            except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
                raise UnreadableTemplate(type(error).__name__) from error
            return _parted(whole, candidate)
        raise UnreadableTemplate("TemplateNotFound")


def _part(letter: Letter) -> str:
    return f"{letter.subject}\n\n{letter.body.strip()}\n"


def _parted(whole: str, language: str) -> Text:
    subject, _, rest = whole.partition("\n")
    empty, _, body = rest.partition("\n")
    if not subject.strip() or _LINK in subject or len(subject) > LONGEST_SUBJECT:
        raise UnreadableTemplate("Subject")
    if empty.strip() or not body.strip():
        raise UnreadableTemplate("Layout")
    return Text(subject.strip(), body, language)
