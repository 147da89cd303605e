"""Plainly bad requests: each must be refused with a 4xx, say nothing of what was sent, and change nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from faults.cases import _Case

BAD_NUMBER = "9434765918"
"""Ten digits whose last is not the check digit."""


async def play(case: _Case) -> None:
    """One bad request of some kind."""
    way = case.chance.choice(_WAYS)
    await way(case)


async def _bad(case: _Case, role: str, route: str, body: Any, **names: Any) -> None:
    who = case.asking.person(role)
    await case.asking.ask(who, route, body, case=case.number, bad=True, **names)


def _pregnancy(case: _Case) -> dict[str, Any]:
    return {"pregnancy_id": uuid7(), "team_id": case.team.id, "expected_on": str(case.asking.now().date())}


async def _unknown_field(case: _Case) -> None:
    await _bad(case, "records", "POST /pregnancies", _pregnancy(case) | {"surname": case.text()})


async def _wrong_type(case: _Case) -> None:
    await _bad(case, "records", "POST /pregnancies", _pregnancy(case) | {"expected_children": case.text()})


async def _bad_check_digit(case: _Case) -> None:
    await _bad(case, "records", "POST /pregnancies", _pregnancy(case) | {"mother_nhs_number": BAD_NUMBER})


async def _missing_field(case: _Case) -> None:
    await _bad(case, "records", "POST /pregnancies", {"pregnancy_id": uuid7()})


async def _no_json(case: _Case) -> None:
    await _bad(case, "records", "POST /births", f'{{"child_id": "{case.text()}'.encode())


async def _key_twice(case: _Case) -> None:
    await _bad(case, "records", "POST /births", f'{{"child_id": "{uuid7()}", "child_id": "{case.text()}"}}'.encode())


async def _no_number(case: _Case) -> None:
    await _bad(case, "health_visitor", "POST /screenings", b'{"seconds_observed": NaN}')


async def _unknown_consultation(case: _Case) -> None:
    route = "POST /consultations/{consultation_id}/acknowledgement"
    await _bad(case, "specialist", route, {}, consultation_id=uuid7())


async def _nobody_named(case: _Case) -> None:
    """A case consultation needs a child."""
    body = {"consultation_id": uuid7(), "team_id": case.team.id, "kind": "case_consultation", "question": case.text()}
    await _bad(case, "health_visitor", "POST /consultations", body)


async def _may_not(case: _Case) -> None:
    await _bad(case, "health_visitor", "POST /pregnancies", _pregnancy(case))


async def _too_much(case: _Case) -> None:
    body = {"consultation_id": uuid7(), "team_id": case.team.id, "question": case.text() * 20_000}
    await _bad(case, "health_visitor", "POST /consultations", json.dumps(body, default=str).encode())


async def _key_of_another_request(case: _Case) -> None:
    """The same caller and key with another body."""
    key, who = uuid7(), case.people.records
    body = _pregnancy(case)
    first = await case.asking.ask(who, "POST /pregnancies", body, case=case.number, key=key)
    if first.status is not None:
        other = body | {"pregnancy_id": uuid7()}
        await case.asking.ask(who, "POST /pregnancies", other, case=case.number, key=key, bad=True)


_WAYS = (
    _unknown_field, _wrong_type, _bad_check_digit, _missing_field, _no_json, _key_twice, _no_number,
    _unknown_consultation, _nobody_named, _may_not, _too_much, _key_of_another_request,
)  # fmt: skip
