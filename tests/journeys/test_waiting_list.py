"""More concerns than places: nobody is lost, nobody is overtaken, and a place that becomes free is used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.journeys.post_office import PostOffice
from tests.support.field import Baby, Field, Team, eventually

TWO_POINTS = 2
"""What one case consultation weighs."""


async def waiting(field: Field, team: Team) -> list[str]:
    """The list as the team lead reads it, the next one first."""
    found = await field.does(team.team_lead, f"GET /pools/{team.id}/waiting")
    assert [w["position"] for w in found] == list(range(1, len(found) + 1))
    return [w["consultation_id"] for w in found]


async def used_points(field: Field, team: Team) -> dict[str, int]:
    pool = await field.does(team.team_lead, f"GET /pools/{team.id}")
    return {m["practitioner_id"]: m["used_points"] for m in pool["members"]}


async def cases_of(field: Field, babies: Sequence[Baby]) -> list[dict[str, Any]]:
    return [await field.placed(baby) for baby in babies]


async def closes(field: Field, team: Team, case: dict[str, Any]) -> None:
    route = f"POST /cases/{case['consultation_id']}/closure"
    await field.does(team.specialists[0], route, {"reason": "completed"})


async def test_a_free_place_goes_to_the_urgent_first_and_then_to_who_has_waited_longest(
    field: Field, post_office: PostOffice
) -> None:
    # given a specialist with one place, and a case that has it
    team = await field.team(TWO_POINTS)
    babies = [await field.baby(team) for _ in range(4)]
    await field.screens(babies[0], "concern")
    has_it = await field.assigned(babies[0])
    # when two routine concerns and then an urgent one come
    for baby, outcome in zip(babies[1:], ("concern", "concern", "urgent_concern"), strict=True):
        await field.screens(baby, outcome)
        await field.placed(baby)
    first, second, urgent = await cases_of(field, babies[1:])
    # then they wait, the urgent one in front, and whoever asked knows
    assert await waiting(field, team) == [c["consultation_id"] for c in (urgent, first, second)]
    await field.message("case_waiting", first["consultation_id"], to=team.health_visitor)
    await post_office.delivered(team.health_visitor, first["consultation_id"])
    # and each place that becomes free takes the next
    for leaves, comes, baby in ((has_it, urgent, babies[3]), (urgent, first, babies[1]), (first, second, babies[2])):
        await closes(field, team, leaves)
        case = await field.assigned(baby, *team.specialists)
        assert case["consultation_id"] == comes["consultation_id"]
        assert await used_points(field, team) == {str(team.specialists[0].id): TWO_POINTS}
    assert await waiting(field, team) == []


async def test_a_crowd_of_concerns_fills_every_place_and_no_more(field: Field) -> None:
    # given three specialists with places for two, one and three cases
    team = await field.team(4, 3, 6)
    babies = [await field.baby(team) for _ in range(10)]
    # when ten concerns come at once
    await asyncio.gather(*(field.screens(baby, "concern") for baby in babies))
    cases = await cases_of(field, babies)
    # then six are assigned and four wait
    assert sum(c["assigned_to"] is not None for c in cases) == 6
    assert len(await waiting(field, team)) == 4
    capacity = dict(zip([str(s.id) for s in team.specialists], (4, 2, 6), strict=True))
    assert await used_points(field, team) == capacity


async def test_a_team_without_specialists_keeps_its_cases_on_the_list_until_one_comes(field: Field) -> None:
    # given a team with nobody who takes cases
    team = await field.team()
    baby = await field.baby(team)
    # when a concern comes
    await field.screens(baby, "concern")
    case = await field.placed(baby)
    assert case["waiting_since"] is not None
    # and later a specialist begins to work there
    ines = field.somebody("specialist")
    await field.can_be_told(ines)
    await field.employ(ines, team.id, capacity=8, certificate="infant_mental_health")
    # then she has the case
    await field.assigned(baby, ines)
    await field.message("case_assigned_to_you", case["consultation_id"], to=ines)


async def test_more_capacity_takes_who_waits(field: Field) -> None:
    # given a team whose only place is taken, and a case that waits
    team = await field.team(TWO_POINTS)
    one, other = [await field.baby(team) for _ in range(2)]
    await field.screens(one, "concern")
    await field.assigned(one)
    await field.screens(other, "concern")
    assert (await field.placed(other))["assigned_to"] is None
    # when the specialist works more hours
    who = team.specialists[0].id
    await field.workforce(f"PUT /practitioners/{who}/capacity", {"capacity_points": 2 * TWO_POINTS})
    # then the case does not wait any more
    await field.assigned(other, team.specialists[0])


async def test_a_case_that_is_withdrawn_leaves_the_list(field: Field) -> None:
    # given a case that waits
    team = await field.team()
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    case = await field.placed(baby)
    # when the health visitor takes the request back
    await field.does(team.health_visitor, f"POST /consultations/{case['consultation_id']}/withdrawal")

    # then nobody waits
    async def nobody() -> bool:
        return await waiting(field, team) == []

    await eventually(nobody, "the list is empty")
    assert [c["status"] for c in await field.consultations(baby)] == ["withdrawn"]
