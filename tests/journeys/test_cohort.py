"""What becomes of children, told by the services as it happens: loss, moves, adoption, one child with two records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from tests.support.field import Baby, Field, Team, eventually, nhs_number, screening_id


async def kinds(field: Field, child_id: Any) -> list[str]:
    """What screening has told about a child, in order."""
    rows = await field.rows(
        "screening", "SELECT type FROM journal WHERE key = $1 ORDER BY sequence", UUID(str(child_id))
    )
    return [r["type"].split(".")[2] for r in rows]


async def told(field: Field, child_id: Any, kind: str) -> list[str]:
    """Everything told about a child, once this is among it."""

    async def found() -> list[str] | None:
        heard = await kinds(field, child_id)
        return heard if kind in heard else None

    all_: list[str] = await eventually(found, f"{kind} is told")
    return all_


async def expecting(field: Field, team: Team, children: int = 1) -> tuple[UUID, list[UUID]]:
    """A pregnancy of some weeks."""
    ids = [uuid7() for _ in range(children)]
    pregnancy_id = uuid7()
    body = {"pregnancy_id": pregnancy_id, "team_id": team.id, "expected_on": field.now().date() + timedelta(days=90)}
    await field.does(field.records, "POST /pregnancies", body | {"expected_children": children, "child_ids": ids})
    return pregnancy_id, ids


async def test_after_a_loss_nothing_more_is_recorded(field: Field) -> None:
    team = await field.team(told=False)
    pregnancy_id, (lost, living) = await expecting(field, team, 2)
    end = {"reason": "loss", "ended_at": field.now().isoformat(), "child_ids": [lost]}
    await field.does(field.records, f"POST /pregnancies/{pregnancy_id}/ending", end)
    assert await kinds(field, lost) == ["pregnancy-registered", "pregnancy-ended"]
    birth = {"child_id": lost, "born_on": field.now().date()}
    answer = await field.asks(field.records, "POST /births", birth)
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "record-ended")
    await field.does(field.records, "POST /births", birth | {"child_id": living})


async def test_a_child_dies_and_no_screening_is_taken_any_more(field: Field) -> None:
    team = await field.team(told=False)
    baby = await field.baby(team)
    await told(field, baby.child_id, "screening-due")
    route = f"POST /children/{baby.child_id}/death"
    await field.does(field.records, route, {"died_on": field.now().date()})
    assert (await kinds(field, baby.child_id))[-1] == "child-died"
    body = field.result(baby, "no_concern", by=team.health_visitor)
    assert (await field.asks(team.health_visitor, "POST /screenings", body)).status_code == 409


async def test_a_child_moves_to_another_team_and_out_of_the_area_and_back(field: Field) -> None:
    team, other = await field.team(told=False), await field.team(told=False)
    baby = await field.baby(team, age_days=10)
    for to in (other.id, None, team.id):
        body = {"to_team_id": to, "moved_at": field.now().isoformat()}
        answer = await field.does(field.records, f"POST /children/{baby.child_id}/moves", body)
        assert answer["team_id"] == (None if to is None else str(to))
    assert (await kinds(field, baby.child_id)).count("child-moved") == 3


async def test_a_family_moves_in(field: Field) -> None:
    team = await field.team(told=False)
    body = {
        "team_id": team.id,
        "born_on": field.now().date() - timedelta(days=40),
        "arrived_at": field.now().isoformat(),
    }
    child_id = (await field.does(field.records, "POST /arrivals", body))["child_id"]
    assert await told(field, child_id, "screening-due") == ["birth-recorded", "child-moved", "screening-due"]
    (due,) = await field.does(team.health_visitor, f"GET /teams/{team.id}/due")
    assert (due["child_id"], due["what"], due["age_days"]) == (child_id, "screening", 40)


async def test_an_adopted_childs_history_is_sealed(field: Field) -> None:
    team = await field.team(told=False)
    baby = await field.baby(team)
    screening = await field.screens(baby, "no_concern")
    await field.does(field.records, f"POST /children/{baby.child_id}/adoption", {})
    assert (await kinds(field, baby.child_id))[-1] == "child-adopted"
    for path in (f"/children/{baby.child_id}", f"/screenings/{screening.id}"):
        assert (await field.asks(team.health_visitor, f"GET {path}")).status_code == 403
        assert (await field.asks(field.records, f"GET {path}")).status_code == 403
        await field.does(field.somebody("safeguarding_lead"), f"GET {path}")


async def test_two_records_of_one_child_become_one(field: Field) -> None:
    team = await field.team(told=False)
    number, day = nhs_number(), field.now().date() - timedelta(days=45)
    first, second = [
        (await field.does(field.records, "POST /births", {"team_id": team.id, "born_on": day} | more))["child_id"]
        for more in ({"nhs_number": number}, {})
    ]
    screening = await field.screens(Baby(UUID(first), uuid7(), team), "no_concern")
    await field.does(field.records, f"POST /children/{first}/merge", {"into_child_id": second})
    assert "records-merged" in await kinds(field, first)
    view = await field.does(team.health_visitor, f"GET /children/{second}")
    assert [s["screening_id"] for s in view["screenings"]] == [str(screening.id)]
    assert view["nhs_number"] == number


async def test_a_wrong_date_of_birth_is_put_right(field: Field) -> None:
    team = await field.team(told=False)
    baby = await field.baby(team, age_days=20)
    route = f"POST /children/{baby.child_id}/birth-correction"
    answer = await field.does(field.records, route, {"born_on": field.now().date() - timedelta(days=30)})
    assert answer["age_days"] == 30
    heard = await told(field, baby.child_id, "screening-due")
    assert heard[-2:] == ["birth-corrected", "screening-due"]


async def test_a_share_of_screenings_is_rated_twice_and_the_second_rater_sees_no_result(field: Field) -> None:
    team = await field.team(told=False)
    other = field.somebody("health_visitor")
    await field.employ(other, team.id, certificate="eao_administration")
    await field.certificate_known(other)
    for chosen in (False, True):
        id_ = screening_id(rated_twice=chosen)
        screening = await field.screens(await field.baby(team), "monitor", screening_id=id_)
        asked = await field.does(other, f"GET /teams/{team.id}/second-ratings")
        assert len(asked) == chosen
    (one,) = asked
    assert one["screening_id"] == str(screening.id)
    assert "outcome" not in one
    path = f"/screenings/{screening.id}"
    for route in (path, f"/children/{one['child_id']}"):
        view = await field.does(other, f"GET {route}")
        assert view["withheld"] == "a_second_rating_is_open"
        assert "monitor" not in str(view)
        assert "monitor" in str(await field.does(team.health_visitor, f"GET {route}"))
    to_come = f"GET /teams/{team.id}/due?within_days=60"
    assert one["child_id"] not in str(await field.does(other, to_come)), "a follow-up would tell the result"
    seen = field.result(screening.baby, "concern", by=other)["observed"]
    rating = {"observed": seen, "rated_by": other.id, "rated_at": field.now().isoformat()}
    answer = await field.does(other, f"POST {path}/second-rating", rating)
    assert answer == {"screening_id": str(screening.id), "outcome": "concern"}
    assert (await kinds(field, one["child_id"]))[-2:] == ["second-rating-requested", "second-rating-recorded"]
    assert await field.does(other, f"GET /teams/{team.id}/second-ratings") == []
    assert (await field.does(other, f"GET {path}"))["outcome"] == "monitor"
    assert one["child_id"] in str(await field.does(other, to_come))
