"""From a course to a certificate and to its end: who may screen, who has cases, and who is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from tests.support.field import Field, Person, eventually

pytestmark = pytest.mark.later


async def trained(field: Field, who: Person, competence: str, valid_days: int) -> None:
    """She attends a course of her own cohort and is certified."""
    course, cohort = f"course-{uuid7().hex[-12:]}", uuid7()
    definition = {"sessions": 2, "attend_at_least": 2, "competence": competence, "valid_days": valid_days}
    await field.workforce(f"PUT /courses/{course}/1", definition)
    await field.workforce("POST /cohorts", {"cohort_id": cohort, "course": course, "course_version": 1})
    await field.workforce(f"POST /cohorts/{cohort}/members", {"practitioner_id": who.id})
    for session in (1, 2):
        body = {"present": [who.id], "held_at": (field.now() - timedelta(minutes=1)).isoformat()}
        await field.workforce(f"PUT /cohorts/{cohort}/sessions/{session}", body)
    await field.workforce(f"POST /cohorts/{cohort}/members/{who.id}/completion", {})


async def told(field: Field, who: Person) -> list[str]:
    events = await field.does(field.operator, f"GET /timeline/{who.id}", at="workforce")
    return [e["type"].split(".")[2] for e in events]


async def test_a_certificate_by_training_counts_for_screening_until_it_runs_out(field: Field) -> None:
    # given a health visitor without a certificate
    team = await field.team(8)
    visitor = field.somebody("health_visitor")
    await field.employ(visitor, team.id)
    await field.can_be_told(visitor)
    before = await field.screens(await field.baby(team), "no_concern", by=visitor)
    assert before.answer["certificate"] == "none"
    # when she has been trained
    await trained(field, visitor, "eao_administration", 60)
    await field.certificate_known(visitor)
    await field.time_passes(timedelta(hours=1))
    # then her screenings count
    assert (await field.screens(await field.baby(team), "no_concern", by=visitor)).answer["certificate"] == "valid"
    # and some weeks before the end she is asked to renew it
    await field.time_passes(timedelta(days=5))
    await field.message("recertification_due", visitor.id, to=visitor)
    # and after its end her screenings are taken, marked, and the team lead is told
    await field.time_passes(timedelta(days=56))
    late = await field.screens(await field.baby(team), "no_concern", by=visitor)
    assert late.answer["certificate"] == "lapsed"
    await field.message("certificate_lapsed", late.id, to=team.team_lead)
    names = ["practitioner-registered", "training-completed", "competence-awarded", "recertification-due"]
    assert await told(field, visitor) == [*names, "competence-expired"]


async def test_when_the_certificate_runs_out_the_cases_go_to_a_colleague_and_none_comes_again(field: Field) -> None:
    # given a specialist whose certificate ends in two days, with a case, and a colleague who has room later
    team = await field.team(0)
    ending = field.somebody("specialist")
    await field.employ(ending, team.id, capacity=8)
    await field.certify(ending, "infant_mental_health", until_days=2)
    await field.can_be_told(ending)
    await field.pool_has(team, ending)
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    await field.assigned(baby, ending)
    colleague = team.specialists[0]
    await field.workforce(f"PUT /practitioners/{colleague.id}/capacity", {"capacity_points": 8})
    # when it has run out
    await field.time_passes(timedelta(days=3))
    # then the case is with the colleague, and so is every new one
    await field.assigned(baby, colleague)
    another = await field.baby(team)
    await field.screens(another, "concern")
    await field.assigned(another, colleague)


async def test_too_little_supervision_is_told_to_her_and_the_team_lead(field: Field) -> None:
    team = await field.team(8)
    ann = team.specialists[0]
    norm = f"norm-{uuid7().hex[-12:]}"
    await field.workforce(f"PUT /supervision-norms/{norm}/1", {"every_days": 28, "minutes_at_least": 60})
    await field.workforce(f"PUT /practitioners/{ann.id}/supervision-norm", {"norm": norm, "norm_version": 1})
    await field.time_passes(timedelta(days=20))
    session = {
        "supervisor_id": team.team_lead.id,
        "minutes": 60,
        "held_at": (field.now() - timedelta(minutes=1)).isoformat(),
    }
    await field.does(team.team_lead, f"POST /practitioners/{ann.id}/supervisions", session)
    await field.time_passes(timedelta(days=20))
    assert "supervision-overdue" not in await told(field, ann)
    await field.time_passes(timedelta(days=9))

    async def overdue() -> bool:
        return "supervision-overdue" in await told(field, ann)

    await eventually(overdue, "it is told that supervision is overdue")
    await field.message("supervision_overdue", ann.id, to=ann)
    await field.message("supervision_overdue", ann.id, to=team.team_lead)
