"""The text of a message: a template for its kind and language, filled with a reference and a link, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notification.domain.message import Message

TEMPLATES = Path(__file__).parent / "templates"
FALL_BACK = "en"
LONGEST_SUBJECT = 200

_ABOUT_A_SCREENING = frozenset({"urgent_concern", "certificate_lapsed"})


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

    def __init__(self, case_link: str, folder: Path = TEMPLATES) -> None:
        self._link = case_link.rstrip("/")
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=select_autoescape(enabled_extensions=()),
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def write(self, message: Message, language: str) -> Text:
        """The text in `language`, else in its base language, else in English. Raises UnreadableTemplate."""
        about = "screenings" if message.kind in _ABOUT_A_SCREENING else "cases"
        facts = {"reference": reference(message.about_id), "link": f"{self._link}/{about}/{message.about_id}"}
        for candidate in dict.fromkeys((language, language.partition("-")[0], FALL_BACK)):
            try:
                template = self._environment.get_template(f"{message.kind}.{candidate}.txt")
                whole = template.render(facts)
            except TemplateNotFound:
                continue
            except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
                raise UnreadableTemplate(type(error).__name__) from error
            return _parted(whole, candidate)
        raise UnreadableTemplate("TemplateNotFound")


def _parted(whole: str, language: str) -> Text:
    subject, _, rest = whole.partition("\n")
    empty, _, body = rest.partition("\n")
    if not subject.strip() or len(subject) > LONGEST_SUBJECT or empty.strip() or not body.strip():
        raise UnreadableTemplate("Layout")
    return Text(subject.strip(), body, language)
