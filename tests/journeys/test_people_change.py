"""Practitioners leave, are away, lose a certificate or work less: no case is left without an owner or a place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.journeys.post_office import PostOffice
from tests.support.field import Baby, Field, Person, Team, eventually

CASES = 3


async def a_specialist_with_cases(field: Field, *others: int) -> tuple[Team, Person, list[Baby]]:
    """The first specialist of a team has three cases; the others come with so many points when she has them."""
    team = await field.team(2 * CASES, *[0 for _ in others])
    babies = [await field.baby(team) for _ in range(CASES)]
    for baby in babies:
        await field.screens(baby, "concern")
    for baby in babies:
        await field.assigned(baby, team.specialists[0])
    for who, points in zip(team.specialists[1:], others, strict=True):
        await field.workforce(f"PUT /practitioners/{who.id}/capacity", {"capacity_points": points})

    async def grown() -> bool:
        pool = await field.does(team.team_lead, f"GET /pools/{team.id}")
        return [m["capacity_points"] for m in pool["members"]].count(0) == others.count(0)

    await eventually(grown, "the pool knows the capacity of the others")
    return team, team.specialists[0], babies


LEAVES: dict[str, tuple[str, dict[str, Any], str]] = {
    "leaves the service": ("leaving", {"reason": "retired"}, "practitioner_left"),
    "is long away": ("absences", {"kind": "sickness", "hand_over": True}, "absence"),
    "loses her certificate": (
        "competences/infant_mental_health/suspension",
        {"reason": "under_review"},
        "competence_lost",
    ),
}


@pytest.mark.parametrize("how", LEAVES)
async def test_her_cases_go_to_the_others_or_back_to_the_list(how: str, field: Field, post_office: PostOffice) -> None:
    # given a specialist with three cases, and a colleague with room for two
    team, leaver, babies = await a_specialist_with_cases(field, 4)
    colleague = team.specialists[1]
    path, body, reason = LEAVES[how]
    # when she leaves, or is away, or may not work
    now = {"starts_at": datetime.now(UTC).isoformat()} if path == "absences" else {}
    await field.workforce(f"POST /practitioners/{leaver.id}/{path}", body | now)

    # then two cases have a new owner, one waits at its old place, and none is without either
    async def moved() -> list[dict[str, Any]] | None:
        cases = [c for baby in babies for c in await field.consultations(baby)]
        return cases if all(c["assigned_to"] != str(leaver.id) for c in cases) else None

    cases = await eventually(moved, "she has no case any more")
    assert sorted(str(c["assigned_to"]) for c in cases) == sorted([str(colleague.id)] * 2 + ["None"])
    waits = next(c for c in cases if c["assigned_to"] is None)
    assert waits["waiting_since"] == waits["requested_at"]
    # and the new owner and whoever asked are told
    for case in cases:
        await field.message("case_handed_over", case["consultation_id"], to=team.health_visitor)
        if case["assigned_to"] is not None:
            await field.message("case_assigned_to_you", case["consultation_id"], to=colleague)
            await post_office.delivered(colleague, case["consultation_id"])
    told = await field.does(field.operator, f"GET /timeline/{babies[0].child_id}", at="referral")
    assert [e["data"]["reason"] for e in told if e["type"].endswith("case-handed-over.v1")] == [reason]


async def test_who_works_less_keeps_what_fits(field: Field) -> None:
    # given a specialist with three cases and a colleague with room
    team, marta, babies = await a_specialist_with_cases(field, 8)
    # when her contract becomes smaller
    await field.workforce(f"PUT /practitioners/{marta.id}/capacity", {"capacity_points": 2})

    # then one case stays with her and two move
    async def moved() -> bool:
        owners = [(await field.consultations(baby))[0]["assigned_to"] for baby in babies]
        return sorted(owners) == sorted([str(marta.id), *[str(team.specialists[1].id)] * 2])

    await eventually(moved, "what is beyond her capacity has moved")


async def test_who_is_back_takes_cases_again(field: Field) -> None:
    # given a specialist on leave, and a case that waits for somebody
    team = await field.team(8)
    owen = team.specialists[0]
    leave = {"kind": "leave", "starts_at": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
    absence = await field.workforce(f"POST /practitioners/{owen.id}/absences", leave)

    async def away() -> bool:
        pool = await field.does(team.team_lead, f"GET /pools/{team.id}")
        return bool(pool["members"][0]["absences"])

    await eventually(away, "the pool knows that he is away")
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    assert (await field.placed(baby))["assigned_to"] is None
    # when he comes back
    await field.workforce(f"POST /practitioners/{owen.id}/absences/{absence['absence_id']}/end")
    # then he has the case
    await field.assigned(baby, owen)


async def test_a_certificate_that_runs_out_by_itself_counts_no_more(field: Field) -> None:
    # given a specialist whose certificate ends in a moment
    team = await field.team()
    noor = field.somebody("specialist")
    await field.employ(noor, team.id, capacity=8)
    await field.certify(noor, "infant_mental_health", until_days=3 / 86_400)
    await field.pool_has(team, noor)

    async def told() -> bool:
        timeline = await field.does(field.operator, f"GET /timeline/{noor.id}", at="workforce")
        return any(e["type"].endswith("competence-expired.v1") for e in timeline)

    await eventually(told, "the end of the certificate is told")
    # when a concern comes
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    # then the case waits
    assert (await field.placed(baby))["assigned_to"] is None
