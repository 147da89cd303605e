"""Whatever is sent to a command by mistake or in malice is refused: field and rule, no value, no effect."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import pytest
from uuid_utils.compat import uuid7

from chassis.inputs import CommandIntake
from services.notification import main as notification
from services.referral import main as referral
from services.screening import main as screening
from services.workforce import main as workforce
from tests.support.field import Baby, Field, Person, Team, eventually

CANARY = "Marigold Quillfeather"
"""Stands in every bad input where a value can stand, and must come out nowhere."""
BAD_NUMBER = "9434765918"
"""Ten digits whose last is not the check digit."""

SERVICES = (screening.SERVICE, referral.SERVICE, workforce.SERVICE, notification.SERVICE)


class Route(NamedTuple):
    """One command as it is reached from outside."""

    service: str
    intake: CommandIntake
    role: str
    """One that may give this command."""

    @property
    def label(self) -> str:
        return f"{self.intake.method} {self.intake.path}"


ROUTES = [
    Route(s.name, intake, next(role for role, granted in s.roles.items() if intake.may in granted))
    for s in SERVICES
    for intake in s.commands
]
every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.label)


@pytest.fixture(scope="module")
async def before(field: Field) -> dict[str, str]:
    """What all databases held before the first bad input, once nothing moved any more."""

    team = await field.team()
    await field.baby(team)

    async def quiet() -> dict[str, str] | None:
        one = await digest(field)
        await asyncio.sleep(2.5)  # longer than any clock sleeps
        other = await digest(field)
        return one if one == other else None

    found: dict[str, str] = await eventually(quiet, "nothing moves any more")
    return found


@pytest.fixture(autouse=True)
def _looked_at_before(before: dict[str, str]) -> None:
    """Every test of this module runs after the databases were looked at."""


async def digest(field: Field) -> dict[str, str]:
    """A fingerprint of every table of every service, but for what housekeeping notes of itself."""
    found = {}
    for s in SERVICES:
        connection = await asyncpg.connect(field.stack.dsn(s.name))
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND relname <> 'kept' ORDER BY 1"
        )
        for (table,) in tables:
            query = f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) FROM {table} t"  # noqa: S608
            found[f"{s.name}.{table}"] = await connection.fetchval(query)
        await connection.close()
    return found


def path_of(route: Route) -> str:
    """The path with ids that nobody has."""

    def filled(match: re.Match[str]) -> str:
        annotation = route.intake.model.model_fields[match[1]].annotation
        return str(uuid7()) if annotation is UUID else "7" if annotation is int else _word(match[1])

    return re.sub(r"\{(\w+)\}", filled, route.intake.path)


def _word(parameter: str) -> str:
    return "team_lead" if parameter == "duty" else "made-up"


async def send(field: Field, route: Route, content: bytes, *, who: Person | None = None, **more: Any) -> httpx.Response:
    who = who or field.somebody(route.role)
    return await field.asks(who, f"{route.intake.method} {path_of(route)}", content=content, at=route.service, **more)


def refused(
    answer: httpx.Response, status: int | set[int], *, field: str | None = None, rule: str | None = None
) -> None:
    """A problem with this status, this field and this rule, and without what was sent."""
    assert answer.status_code in ({status} if isinstance(status, int) else status), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"].startswith("urn:attune:problem:")
    assert problem["status"] == answer.status_code
    errors = problem.get("errors", [])
    if field is not None:
        assert field in {e["field"] for e in errors}, problem
    if rule is not None:
        assert rule in {e["rule"] for e in errors} | {problem["type"].rpartition(":")[2]}, problem
    for value in (CANARY, BAD_NUMBER):
        assert value not in answer.text
        assert value not in str(answer.headers)


# --- who asks ---------------------------------------------------------------------------------------------------------


@every_route
async def test_without_a_valid_token_nobody_gets_in(route: Route, field: Field) -> None:
    body = json.dumps({"x": CANARY}).encode()
    call = f"{route.intake.method} {path_of(route)}"
    good = field.somebody(route.role).token
    expired = field.stack_issuer().token(route.role, lifetime=timedelta(hours=-1))
    bad = {
        "token_missing": None,
        "token_malformed": f"Bearer {CANARY}",
        "signature_invalid": f"Bearer {good[:-6]}AAAAAA",
        "token_expired": f"Bearer {expired}",
    }
    for rule, header in bad.items():
        headers = {"authorization": header} if header else {}
        answer = await field.asks(None, call, content=body, at=route.service, headers=headers)
        refused(answer, 401, field="authorization", rule=rule)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@every_route
async def test_a_role_without_the_permission_is_not_enough(route: Route, field: Field) -> None:
    for role in ("subscriber", "nobody", route.intake.may):
        refused(await send(field, route, b"{}", who=field.somebody(role)), 403, rule="forbidden")


# --- what is sent -----------------------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b'{"x":' + b"[" * depth + b"]" * depth + b"}"


UNREADABLE: dict[str, tuple[bytes, int | set[int], str]] = {
    "half an object": (f'{{"x": "{CANARY}"'.encode(), 400, "json_invalid"),
    "text": (CANARY.encode(), 400, "not_an_object"),
    "a list": (json.dumps([CANARY]).encode(), 400, "not_an_object"),
    "something behind the object": (f'{{}} "{CANARY}"'.encode(), {400, 422}, ""),
    "not a number": (b'{"x": NaN}', 400, "json_invalid"),
    "infinity": (b'{"x": -Infinity}', 400, "json_invalid"),
    "a NUL": (b'{"x": "a\x00b"}', 400, "json_invalid"),
    "an escaped NUL": (f'{{"x": "{CANARY}\\u0000"}}'.encode(), 422, "control_character"),
    "a key twice": (f'{{"x": "{CANARY}", "x": 1}}'.encode(), 400, "duplicate_key"),
    "a key twice further in": (b'{"x": [{"y": 1, "y": 2}]}', 400, "duplicate_key"),
    "deep nesting": (nested(5_000), 400, "too_deep"),
    "half a surrogate": (b'{"x": "\\ud800"}', {400, 422}, ""),
    "other than UTF-8": (b'{"x": "\xff' + CANARY.encode() + b'"}', 400, "not_utf8"),
    "too much": (json.dumps({"x": CANARY * 4_000}).encode(), 413, "body-too-large"),
}


@every_route
async def test_what_cannot_be_read_is_refused(route: Route, field: Field) -> None:
    for name, (body, status, rule) in UNREADABLE.items():
        try:
            refused(await send(field, route, body), status, rule=rule or None)
        except AssertionError as fault:
            raise AssertionError(f"{name}: {fault}") from fault


@every_route
async def test_a_body_that_is_not_declared_as_json_is_refused(route: Route, field: Field) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        answer = await send(field, route, json.dumps({"x": CANARY}).encode(), headers={"content-type": media_type})
        refused(answer, 415, rule="unsupported-media-type")


@every_route
async def test_an_unknown_field_is_refused(route: Route, field: Field) -> None:
    if route.intake.model.model_config.get("extra") == "ignore":
        pytest.skip("a report in the form of somebody else, who may add to it")
    answer = await send(field, route, json.dumps({"surname": CANARY}).encode())
    refused(answer, 422, field="surname", rule="extra_forbidden")


@every_route
async def test_a_value_of_the_wrong_type_is_refused_by_its_field(route: Route, field: Field) -> None:
    """Nothing is converted: a number in quotes is no number, a text in a list is no text."""
    in_path = set(re.findall(r"\{(\w+)\}", route.intake.path))
    for name in route.intake.model.model_fields.keys() - in_path:
        for value in ({"y": [CANARY]}, [[CANARY]]):
            answer = await send(field, route, json.dumps({name: value}).encode())
            assert answer.status_code == 422, (name, answer.text)
            fields = {str(e["field"]).partition(".")[0] for e in answer.json()["errors"]}
            assert name in fields, (name, answer.text)
            refused(answer, 422)


@every_route
async def test_a_path_that_names_nothing_possible_is_refused(route: Route, field: Field) -> None:
    names = re.findall(r"\{(\w+)\}", route.intake.path)
    for parameter in names:
        path = route.intake.path
        for name in names:
            path = path.replace(f"{{{name}}}", "!" if name == parameter else path_value(route, name))
        call = f"{route.intake.method} {path}"
        answer = await field.asks(field.somebody(route.role), call, {}, at=route.service)
        refused(answer, 422, field=parameter)


def path_value(route: Route, name: str) -> str:
    return "7" if route.intake.model.model_fields[name].annotation is int else str(uuid7())


async def test_a_key_that_is_no_key_is_refused(field: Field) -> None:
    for key in ("", "k" * 300, "täglich"):
        call = f"POST /consultations/{uuid7()}/withdrawal"
        headers = Header([(b"idempotency-key", key.encode("latin-1"))])
        answer = await field.asks(field.somebody("midwife"), call, {}, key=None, headers=headers)
        refused(answer, 400, field="idempotency-key", rule="visible_ascii_1_to_255")


class Header(dict[str, Any]):
    """Headers that httpx would refuse to encode when they are given as text."""

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        super().__init__({name.decode(): value for name, value in pairs})


# --- what is meant ----------------------------------------------------------------------------------------------------

NOW = datetime.now(UTC)
LATER = (NOW + timedelta(days=2)).isoformat()
TOMORROW = str(NOW.date() + timedelta(days=2))

Told = tuple[str, str, Callable[[Field], dict[str, Any]], str, str]
"""Route, role and body of a request; then the field and the rule that it breaks."""

CHECK_DIGIT, PATTERN = "nhs_number_check_digit", "string_pattern_mismatch"


def a_result(**other: Any) -> Callable[[Field], dict[str, Any]]:
    def made(field: Field) -> dict[str, Any]:
        hv = field.somebody("health_visitor")
        nobody = Baby(uuid7(), uuid7(), Team(uuid7(), hv, (), hv, hv))
        result = field.result(nobody, "concern", by=hv, answers={"who_helps": CANARY})
        del result["screening_id"]
        return result | other

    return made


def given(body: dict[str, Any] | None = None, **other: Any) -> Callable[[Field], dict[str, Any]]:
    return lambda _: (body or {}) | other


def an_attempt(field: Field) -> dict[str, Any]:
    result = a_result()(field)
    kept = {name: result[name] for name in ("child_id", "instrument", "instrument_version", "administered_by")}
    return kept | {"reason": "declined", "attempted_at": result["screened_at"]}


TEAM = str(uuid7())
PERIOD = {"competence": "eao_administration", "valid_from": NOW.isoformat(), "valid_until": LATER}
BORN = {"team_id": TEAM, "born_on": str(NOW.date())}
EXPECTED = {"team_id": TEAM, "expected_on": TOMORROW}
WORKS = {"team_id": TEAM, "role": "other", "capacity_points": 1}
WRITES = {"kind": "practitioner", "channels": ["email"]}
HANDED = {"team_id": TEAM, "to_practitioner_id": None}
HV, ADMIN = "health_visitor", "workforce_admin"

UNTRUE: tuple[Told, ...] = (
    ("POST /screenings", HV, a_result(seconds_observed="150"), "seconds_observed", "int_type"),
    ("POST /screenings", HV, a_result(interpreter="no"), "interpreter", "bool_type"),
    ("POST /screenings", HV, a_result(screened_at=f"yesterday {CANARY}"), "screened_at", ""),
    ("POST /screenings", HV, a_result(screened_at="2026-03-02T10:00:00"), "screened_at", ""),
    ("POST /screenings", HV, a_result(setting=CANARY), "setting", "literal_error"),
    ("POST /screenings", HV, a_result(answers={"who_helps": CANARY * 200}), "answers.who_helps", "string_too_long"),
    ("POST /pregnancies", "records", given(EXPECTED, mother_nhs_number=BAD_NUMBER), "mother_nhs_number", CHECK_DIGIT),
    ("POST /pregnancies", "records", given(EXPECTED, mother_nhs_number=CANARY), "mother_nhs_number", PATTERN),
    (
        "POST /pregnancies",
        "records",
        given(EXPECTED, expected_on="2199-01-01"),
        "expected_on",
        "expected-date-implausible",
    ),
    ("POST /births", "records", given(BORN, born_on=TOMORROW), "born_on", "birth-in-future"),
    ("POST /births", "records", given(BORN, born_on="2001-01-01"), "born_on", "child-too-old"),
    ("POST /births", "records", given(BORN, nhs_number=BAD_NUMBER), "nhs_number", CHECK_DIGIT),
    ("POST /practitioners", ADMIN, given(WORKS, role=CANARY), "role", "literal_error"),
    ("POST /practitioners", ADMIN, given(WORKS, capacity_points=-1), "capacity_points", "greater_than_equal"),
    (f"PUT /recipients/{TEAM}", ADMIN, given(WRITES, address=CANARY), "address", PATTERN),
    (f"PUT /recipients/{TEAM}", ADMIN, given(WRITES, address="a@b.invalid\nBcc: c@d.invalid"), "address", ""),
)

UNKNOWN: tuple[Told, ...] = (
    ("POST /screenings", HV, a_result(), "child_id", "unknown-child"),
    ("POST /screenings/not-completed", HV, an_attempt, "child_id", "unknown-child"),
    (f"POST /practitioners/{TEAM}/competences", ADMIN, given(PERIOD), "practitioner_id", "unknown-practitioner"),
    (f"PUT /practitioners/{TEAM}/capacity", ADMIN, given(capacity_points=3), "practitioner_id", "unknown-practitioner"),
    (f"POST /practitioners/{TEAM}/leaving", ADMIN, given(reason="other"), "practitioner_id", "unknown-practitioner"),
    (f"POST /consultations/{TEAM}/acknowledgement", "specialist", given(), "consultation_id", "unknown-consultation"),
    (f"POST /consultations/{TEAM}/withdrawal", "midwife", given(), "consultation_id", "unknown-consultation"),
    (f"POST /cases/{TEAM}/closure", "specialist", given(reason="other"), "consultation_id", "unknown-consultation"),
    (f"POST /cases/{TEAM}/hand-over", "team_lead", given(HANDED), "consultation_id", "unknown-consultation"),
    (f"PUT /recipients/{TEAM}/do-not-contact", ADMIN, given(), "recipient_id", "unknown-recipient"),
    (f"POST /recipients/{TEAM}/erasure", ADMIN, given(), "recipient_id", "unknown-recipient"),
    ("PUT /duties/team_lead", ADMIN, given(recipient_id=TEAM), "recipient_id", "unknown-recipient"),
    (f"POST /messages/{TEAM}/repeat", "operator", given(), "message_id", "unknown-message"),
    (f"POST /messages/{TEAM}/doubt", "operator", given(arrived=True), "message_id", "unknown-message"),
)


@pytest.mark.parametrize("told", UNTRUE, ids=lambda t: f"{t[0].split('/')[1]}-{t[3]}-{t[4]}")
async def test_what_cannot_be_true_is_refused(told: Told, field: Field) -> None:
    route, role, body, about, rule = told
    refused(await field.asks(field.somebody(role), route, body(field)), 422, field=about, rule=rule or None)


@pytest.mark.parametrize("told", UNKNOWN, ids=lambda t: t[0].replace(TEAM, "somebody"))
async def test_what_nobody_knows_is_refused(told: Told, field: Field) -> None:
    route, role, body, about, rule = told
    refused(await field.asks(field.somebody(role), route, body(field)), 404, field=about, rule=rule)


async def test_a_screening_before_birth_in_the_future_or_with_an_unknown_instrument_is_refused(field: Field) -> None:
    """About a child that is known: here the bad input comes as far as the rules."""
    hv, records = field.somebody("health_visitor"), field.somebody("records")
    (child,) = await known_children(field)
    for other, status, about, rule in (
        ({"screened_at": LATER}, 422, "screened_at", "in-future"),
        ({"screened_at": "2020-01-01T09:00:00Z"}, 422, "screened_at", "before-birth"),
        ({"instrument_version": 9}, 422, "instrument_version", "unknown-instrument-version"),
        ({"instrument": "made-up"}, 422, "instrument_version", "unknown-instrument-version"),
        ({"seconds_observed": 1}, 422, "seconds_observed", "observation-too-short"),
        ({"observed": {"fear": "seen"}}, 422, "observed", "observation-incomplete"),
        ({"answers": {"maiden_name": CANARY}}, 422, "answers", "unknown-item"),
        ({"second_rater": str(hv.id), "administered_by": str(hv.id)}, 422, "second_rater", "second-rater-is-the-first"),
    ):
        body = a_result(child_id=child["child_id"], **other)(field)
        refused(await field.asks(hv, "POST /screenings", body), status, field=about, rule=rule)
    taken = {"team_id": TEAM, "born_on": str(NOW.date()), "child_id": uuid7(), "nhs_number": child["nhs_number"]}
    answer = await field.asks(records, "POST /births", taken)
    refused(answer, 409, field="nhs_number", rule="nhs-number-in-use")
    assert child["nhs_number"] not in answer.text


async def known_children(field: Field) -> list[Any]:
    query = "SELECT child_id, nhs_number FROM children WHERE nhs_number IS NOT NULL AND birth = 'live' LIMIT 1"
    return await field.rows("screening", query)


async def test_nothing_of_all_this_changed_anything(field: Field, before: dict[str, str]) -> None:
    assert await digest(field) == before
