"""A consultation goes to its end: triage, held, reported, closed, reopened; or is declined, redirected, lost."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.referral.domain.rules import DEFAULT
from tests.support.field import Baby, Field, Person, Team, eventually

pytestmark = pytest.mark.later

PLAN = "Watch together for the small signs that she has had enough."
NO = "Please ask the paediatrician first."


async def told(field: Field, event: str, about: Any, count: int = 1, **said: Any) -> list[dict[str, Any]]:
    """The events of a kind about a child, or another key, that say this, once there are so many."""

    async def found() -> list[dict[str, Any]] | None:
        rows = await field.rows(
            "referral",
            "SELECT convert_from(data, 'UTF8') FROM journal WHERE key = $1 AND type = $2 ORDER BY sequence",
            about,
            f"attune.referral.{event}.v1",
        )
        events = [e for e in (json.loads(r[0]) for r in rows) if said.items() <= e.items()]
        return events if len(events) >= count else None

    events: list[dict[str, Any]] = await eventually(found, f"{count} {event} about {about}")
    return events


async def concern(field: Field, team: Team, **said: Any) -> tuple[Baby, dict[str, Any], Person]:
    """A concern that somebody has: the child, the case and who has it."""
    baby = await field.baby(team, **said)
    await field.screens(baby, "concern")
    case = await field.assigned(baby)
    return baby, case, next(s for s in team.specialists if str(s.id) == case["assigned_to"])


async def course(field: Field, who: Person, case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await field.does(who, f"GET /consultations/{case['consultation_id']}/course")
    return found


async def test_held_reported_closed_and_reopened(field: Field) -> None:
    # given a specialist with the case of a concern
    team = await field.team(8)
    baby, case, ann = await concern(field, team)
    at = f"/consultations/{case['consultation_id']}"
    await field.does(ann, f"POST {at}/acknowledgement")
    await field.does(ann, f"POST {at}/triage", {"team_id": team.id, "decision": "accepted", "reason": "within_remit"})
    await field.does(team.health_visitor, f"PUT {at}/consent", {"consent": "agreed"})
    # when it is held and nothing has been written yet, the loop is open
    await field.does(ann, f"POST {at}/holding", {"outcome": "joint_visit"})
    assert (await course(field, team.health_visitor, case))["loop"] == "open"
    open_loops = await field.does(team.team_lead, f"GET /pools/{team.id}/open-loops")
    assert [o["consultation_id"] for o in open_loops] == [case["consultation_id"]]
    # then the report closes it, and whoever asked can read it
    await field.does(ann, f"POST {at}/report", {"plan": PLAN})
    shown = await course(field, team.health_visitor, case)
    assert (shown["loop"], shown["reports"][0]["plan"]) == ("closed", PLAN)
    assert await field.does(team.team_lead, f"GET /pools/{team.id}/open-loops") == []
    # and the plan is nowhere else
    timeline = await field.does(field.operator, f"GET /timeline/{baby.child_id}", at="referral")
    assert PLAN not in str(timeline)
    # and after its end it is opened again, and whoever had it has it again
    await field.does(ann, f"POST /cases/{case['consultation_id']}/closure", {"reason": "completed"})

    async def reopened() -> bool:
        answer = await field.asks(team.team_lead, f"POST {at}/reopening", {"reason": "It came back."})
        return bool(answer.is_success)

    await eventually(reopened, "the pool has taken notice of the end")
    assert (await field.assigned(baby))["assigned_to"] == str(ann.id)
    assert [e["status"] for e in (await course(field, ann, case))["endings"]] == ["closed"]
    for kind in ("consultation-triaged", "consent-recorded", "consultation-held", "case-opened"):
        await told(field, kind, baby.child_id)
    for kind in ("consultation-reported", "consultation-reopened"):
        await told(field, kind, baby.child_id)


async def test_declined_in_writing_or_redirected_to_another_team(field: Field) -> None:
    # given two teams, and a concern in each hand of the first
    team, other = await field.team(8), await field.team(8)
    baby, case, ann = await concern(field, team)
    second, moved, _ = await concern(field, team)
    # when one is declined without a word, it is refused; with a word it ends, and whoever asked can read it
    no = {"team_id": team.id, "decision": "declined", "reason": "outside_remit"}
    answer = await field.asks(ann, f"POST /consultations/{case['consultation_id']}/triage", no)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:attune:problem:triage-note-missing")
    await field.does(ann, f"POST /consultations/{case['consultation_id']}/triage", no | {"note": NO})
    shown = await course(field, team.health_visitor, case)
    assert (shown["status"], shown["loop"], shown["triages"][0]["note"]) == ("declined", "closed", NO)
    # and the other is redirected, it finds somebody there and its points are free here
    to = no | {
        "decision": "redirected",
        "reason": "other_team_closer",
        "note": "They live there.",
        "to_team_id": other.id,
    }
    await field.does(ann, f"POST /consultations/{moved['consultation_id']}/triage", to)
    there = await field.assigned(second, *other.specialists)
    assert there["team_id"] == str(other.id)

    async def free() -> bool:
        pool = await field.does(team.team_lead, f"GET /pools/{team.id}")
        return [m["used_points"] for m in pool["members"]] == [0]

    await eventually(free, "nobody of the first team has points in use")
    assert [e["decision"] for e in await told(field, "consultation-triaged", baby.child_id)] == ["declined"]


async def test_clocks_are_told_and_stand_still_and_lead_the_worklist(field: Field) -> None:
    # given a case that nobody looks at
    team = await field.team(8)
    baby, case, ann = await concern(field, team)
    at = f"/consultations/{case['consultation_id']}"
    work = await field.does(ann, f"GET /worklists/{ann.id}")
    assert [w["what"] for w in work if w["item"] == "clock"] == ["acknowledged", "held", "contact", "ceiling"]
    # when holding it has to wait for the family
    paused = await field.does(ann, f"POST {at}/pauses", {"clock": "held", "reason": "family_unavailable"})
    assert paused["due_at"] is None
    # and a week passes, then what is due soon and what is breached is told
    await field.time_passes(timedelta(days=1, hours=1))
    await field.time_passes(timedelta(days=6))
    breached = await told(field, "clock-breached", baby.child_id)
    assert [e["clock"] for e in breached] == ["acknowledged"]
    assert breached[0]["practitioner_id"] == str(ann.id)
    work = await field.does(ann, f"GET /worklists/{ann.id}")
    assert [(w["what"], w["stands"]) for w in work if w["item"] == "clock"] == [
        ("acknowledged", "breached"),
        ("contact", "running"),
        ("ceiling", "running"),
        ("held", "paused"),
    ]
    # and it runs on with what was left of it
    running = await field.does(ann, f"POST {at}/resumptions", {"clock": "held"})
    assert running["due_at"] > field.now().isoformat()
    # two working days before its end at the latest it is due soon
    await field.time_passes(datetime.fromisoformat(running["due_at"]) - timedelta(hours=36) - field.now())
    assert "held" in {e["clock"] for e in await told(field, "clock-due-soon", baby.child_id)}
    for kind in ("clock-paused", "clock-resumed"):
        await told(field, kind, baby.child_id)
    # nobody else reads somebody's list
    answer = await field.asks(team.health_visitor, f"GET /worklists/{ann.id}")
    assert answer.status_code == 403


async def test_a_child_who_is_nearly_two(field: Field) -> None:
    # given a request about a child of nearly two, with nobody who goes on
    team = await field.team(8)
    baby = await field.baby(team, age_days=705)
    asked = {"team_id": team.id, "kind": "case_consultation", "child_id": baby.child_id, "consent": "agreed"}
    await field.does(team.health_visitor, "POST /consultations", asked)
    case = await field.assigned(baby)
    (ann,) = team.specialists
    await field.does(ann, f"POST /consultations/{case['consultation_id']}/acknowledgement")
    # then it is told, and it is the specialist's task
    (near,) = await told(field, "age-limit-near", baby.child_id)
    assert (near["reason"], near["onward_plan"]) == ("30_days", False)
    work = await field.does(ann, f"GET /worklists/{ann.id}")
    assert "age_limit" in {w["what"] for w in work if w["item"] == "task"}
    # and with an onward plan the case leaves on the birthday
    await field.does(ann, f"PUT /cases/{case['consultation_id']}/onward-plan", {"plan": "The health visitor goes on."})
    await field.time_passes(timedelta(days=28))
    assert [e["reason"] for e in await told(field, "age-limit-near", baby.child_id, 2)] == [
        "30_days",
        "second_birthday",
    ]
    (left,) = await told(field, "case-closed", baby.child_id)
    assert left["reason"] == "aged_out"


async def test_a_loss_stops_the_clocks_and_is_told_to_people(field: Field) -> None:
    # given a case that somebody has
    team = await field.team(8)
    baby, case, ann = await concern(field, team)
    # when the child dies
    died = {"died_on": str(field.now().date())}
    await field.does(field.records, f"POST /children/{baby.child_id}/death", died, at="screening")
    # then who has the case has a task, and no clock runs
    (task,) = await told(field, "task-raised", baby.child_id, kind="loss")
    assert task["owner_id"] == str(ann.id)
    shown = await course(field, ann, case)
    assert (shown["stopped"], shown["clocks"], shown["status"]) == ("child_died", [], "accepted")
    # and nobody asks about the child again
    asked = {"team_id": team.id, "kind": "case_consultation", "child_id": baby.child_id, "consent": "agreed"}
    answer = await field.asks(team.health_visitor, "POST /consultations", asked)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:attune:problem:child-is-gone")


async def test_a_risk_seen_in_a_consultation_and_tasks_that_are_passed_on(field: Field) -> None:
    # given a consultation in which a risk is seen
    team = await field.team(8)
    baby, case, ann = await concern(field, team)
    await field.does(ann, f"POST /consultations/{case['consultation_id']}/holding", {"outcome": "safeguarding"})
    await told(field, "safeguarding-raised", baby.child_id)
    # then the safeguarding lead is told of it
    await field.message("safeguarding_raised", case["consultation_id"], to=team.safeguarding_lead)
    (task,) = await told(field, "task-raised", baby.child_id, kind="safeguarding")
    # when she gives the task to the lead, and the lead does it
    await field.does(ann, f"POST /tasks/{task['task_id']}/delegation", {"to_owner_id": team.team_lead.id})
    await field.does(team.team_lead, f"POST /tasks/{task['task_id']}/completion")
    assert [e["reason"] for e in await told(field, "task-handed-over", baby.child_id, task_id=task["task_id"])] == [
        "delegated"
    ]
    assert [e["done_by"] for e in await told(field, "task-done", baby.child_id, task_id=task["task_id"])] == [
        str(team.team_lead.id)
    ]
    # and one that nobody does goes to the leads
    body = {"team_id": team.id, "owner_id": ann.id, "note": "Ring the family."}
    made = await field.does(team.team_lead, "POST /tasks", body)
    await field.time_passes(timedelta(days=10))
    (handed,) = await told(field, "task-handed-over", UUID(made["task_id"]))
    assert (handed["reason"], handed["to_owner_id"]) == ("escalated", None)
    work = await field.does(team.team_lead, f"GET /pools/{team.id}/worklist")
    assert made["task_id"] in {w["task_id"] for w in work}


async def test_a_message_that_reaches_nobody_is_the_leads_task(field: Field) -> None:
    # given a specialist of whom no address is known
    team = await field.team(8, told=False)
    await field.can_be_told(team.health_visitor)
    _, case, _ = await concern(field, team)
    # then it is in the list of the leads, once

    async def raised() -> list[Any]:
        work = await field.does(team.team_lead, f"GET /pools/{team.id}/worklist")
        return [w for w in work if w["what"] == "tell_practitioner" and w["consultation_id"] == case["consultation_id"]]

    assert len(await eventually(raised, "a task for the leads")) == 1


async def test_a_request_waits_for_a_person_where_the_service_says_so(field: Field) -> None:
    term = {"clock": "triaged", "days": 5, "working": True, "soon": 1, "may_pause": True, "raises_task": True}
    try:
        rules = {"terms": [term], "triaged_by_person": ["reflective_discussion"]}
        await field.does(field.operator, "PUT /consultation-rules", rules)
        team = await field.team(8)
        asked = {"team_id": team.id, "kind": "reflective_discussion"}
        answer = await field.does(team.health_visitor, "POST /consultations", asked)
        assert answer["status"] == "requested"
        (item,) = await field.does(team.team_lead, f"GET /pools/{team.id}/worklist")
        assert (item["what"], item["consultation_id"]) == ("triaged", answer["consultation_id"])
        yes = {"team_id": team.id, "decision": "accepted", "reason": "within_remit"}
        await field.does(team.team_lead, f"POST /consultations/{answer['consultation_id']}/triage", yes)

        async def has_somebody() -> bool:
            return bool((await field.consultation(team.team_lead, answer["consultation_id"]))["assigned_to"])

        await eventually(has_somebody, "the discussion is assigned")
    finally:
        terms = [asdict(t) for t in DEFAULT.terms]
        await field.does(field.operator, "PUT /consultation-rules", {"terms": terms, "triaged_by_person": []})


async def test_what_was_written_about_a_child_that_was_adopted_is_sealed(field: Field) -> None:
    # given a consultation that was held and reported
    team = await field.team(8)
    baby, case, ann = await concern(field, team)
    at = f"/consultations/{case['consultation_id']}"
    await field.does(ann, f"POST {at}/holding", {"outcome": "advice"})
    await field.does(ann, f"POST {at}/report", {"plan": PLAN})
    # when the child is adopted
    await field.does(field.records, f"POST /children/{baby.child_id}/adoption", {})
    await told(field, "task-raised", baby.child_id, kind="loss")
    # then only few may read of it, and whoever has the case can still close it
    for path in (at, f"{at}/course", f"/children/{baby.child_id}/consultations"):
        for who in (ann, team.team_lead, team.health_visitor):
            assert (await field.asks(who, f"GET {path}")).status_code == 403
        await field.does(team.safeguarding_lead, f"GET {path}")
    await field.does(ann, f"POST /cases/{case['consultation_id']}/closure", {"reason": "other"})


async def test_a_list_with_what_people_wrote_is_for_whoever_it_is_meant_for(field: Field) -> None:
    team = await field.team(8, 8)
    ann, zoe = team.specialists
    await field.does(ann, f"GET /worklists/{ann.id}")
    await field.does(team.team_lead, f"GET /worklists/{ann.id}")
    for who in (zoe, team.health_visitor, field.operator):
        assert (await field.asks(who, f"GET /worklists/{ann.id}")).status_code == 403
    await field.does(ann, f"GET /pools/{team.id}/worklist")
    for who in (field.operator, team.safeguarding_lead, team.health_visitor):
        assert (await field.asks(who, f"GET /pools/{team.id}/worklist")).status_code == 403
