"""From an offered case to the end of direct work, as practitioner, lead and subscribers see it."""

from __future__ import annotations

from typing import Any

from tests.support.field import Baby, Field, Person, Team, eventually

OFFERS = {"version": 1, "offer_working_days": 2}
PLAN = {"intervention": "watch_wait_and_wonder", "family_agrees": True, "goals": ["She flinched less."]}
CLOSER = {"measure": "attune_closeness", "measure_version": 1}


async def offered(field: Field, *points: int) -> tuple[Team, Baby, dict[str, Any], Person]:
    """A team that offers its cases, and the case of a concern with whoever was asked first."""
    team = await field.team(*points)
    await field.does(team.team_lead, f"PUT /pools/{team.id}/policy", OFFERS)
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    case = await field.placed(baby)
    (asked,) = [s for s in team.specialists if str(s.id) == case["assigned_to"]]
    return team, baby, case, asked


async def test_a_declined_case_goes_to_a_colleague_who_accepts_it(field: Field) -> None:
    # given a case that is offered to one of two specialists
    team, baby, case, asked = await offered(field, 6, 6)
    (other,) = [s for s in team.specialists if s is not asked]
    route = f"POST /cases/{case['consultation_id']}"
    # when she declines it
    await field.does(asked, f"{route}/refusal", {"reason": "conflict_of_interest"})
    # then it is with her colleague, who accepts; nobody else could have
    await field.assigned(baby, other)
    assert (await field.asks(asked, f"{route}/acceptance", {})).status_code == 403
    await field.does(other, f"{route}/acceptance", {})
    figures = await field.does(team.team_lead, f"GET /pools/{team.id}/fairness")
    assert (figures["declined"], figures["lapsed"], figures["used_points"]) == (1, 0, 2)


async def test_direct_work_from_the_plan_to_the_step_down(field: Field) -> None:
    # given a practitioner with a case that she accepted, and points for one more
    team, baby, case, ann = await offered(field, 3)
    of = f"/cases/{case['consultation_id']}"
    await field.does(ann, f"POST {of}/acceptance", {})
    assert (await field.asks(ann, f"POST {of}/direct-work", PLAN)).status_code == 409
    await field.does(ann, f"POST /consultations/{case['consultation_id']}/holding", {"outcome": "direct_work"})
    # when direct work is planned that weighs more than she has
    await field.does(ann, f"POST {of}/direct-work", PLAN)
    found = await field.does(ann, f"GET {of}/direct-work")
    assert found["work"]["status"] == "waits"

    async def status() -> bool:
        work = (await field.does(ann, f"GET {of}/direct-work"))["work"]
        return bool(work["status"] == "under_way")

    # then it waits for points, and begins when her hours allow it
    await field.workforce(f"PUT /practitioners/{ann.id}/capacity", {"capacity_points": 4})
    await eventually(status, "the direct work is under way")
    now = field.now().isoformat()
    answers = dict.fromkeys(("enjoying", "understanding", "soothing", "playing"), 1)
    await field.does(ann, f"POST {of}/measures", CLOSER | {"point": "start", "measured_at": now, "answers": answers})
    for n, attendance in enumerate(("attended", "missed", "missed"), 1):
        body = {"attendance": attendance, "session_at": now, "setting": "home", "note": "She flinched."}
        kept = await field.does(ann, f"POST {of}/sessions", body)
        assert (kept["number"], kept["review"]) == (n, n == 3)
    better = dict.fromkeys(answers, 3)
    await field.does(ann, f"POST {of}/measures", CLOSER | {"point": "end", "measured_at": now, "answers": better})
    # and it ends with a plan for who goes on, leaving the points of the work
    end = {"team_id": team.id, "reason": "goals_met", "goals": ["met"], "onward_plan": "Mary, who flinched too."}
    await field.does(ann, f"POST {of}/direct-work/end", end)
    found = await field.does(ann, f"GET {of}/direct-work")
    assert [c["better_by"] for c in found["changes"]] == [8]
    assert [s["attendance"] for s in found["sessions"]] == ["attended", "missed", "missed"]
    pool = await field.does(team.team_lead, f"GET /pools/{team.id}")
    assert [m["used_points"] for m in pool["members"] if m["practitioner_id"] == str(ann.id)] == [2]
    # whoever listens hears of each step, and of nobody's words
    kinds = ["case-accepted", "direct-work-started", "measure-recorded", "session-recorded", "direct-work-ended"]
    rows = await field.rows("referral", "SELECT type, data FROM journal WHERE key = $1", baby.child_id)
    assert {f"attune.referral.{kind}.v1" for kind in kinds} <= {r["type"] for r in rows}
    assert not any(b"flinched" in r["data"] for r in rows)


async def test_a_whole_caseload_goes_as_the_lead_was_shown(field: Field) -> None:
    # given a specialist with two cases, and a colleague who comes with room for one
    team = await field.team(4, 0)
    leaver, colleague = team.specialists
    babies = [await field.baby(team) for _ in range(2)]
    for baby in babies:
        await field.screens(baby, "concern")
        await field.assigned(baby, leaver)
    await field.workforce(f"PUT /practitioners/{colleague.id}/capacity", {"capacity_points": 2})
    path = f"/pools/{team.id}/hand-over"
    query = f"?from_practitioner_id={leaver.id}&no_place=waits"

    async def shown() -> Any:
        found = await field.does(team.team_lead, f"GET {path}{query}")
        return found if {m["to_practitioner_id"] for m in found["moves"]} == {str(colleague.id), None} else None

    # when the lead looks at what it would come to
    preview = await eventually(shown, "the pool knows the colleague's hours")
    body = {"from_practitioner_id": leaver.id, "no_place": "waits"}
    # then another preview is not carried out, and this one is
    refused = await field.asks(team.team_lead, f"POST {path}", body | {"preview": "0" * 16})
    assert refused.status_code == 409
    assert refused.json()["type"].endswith(":preview-out-of-date")
    assert (await field.asks(leaver, f"POST {path}", body | {"preview": preview["version"]})).status_code == 403
    done = await field.does(team.team_lead, f"POST {path}", body | {"preview": preview["version"]})
    assert (done["to_others"], done["to_the_list"]) == (1, 1)
    # and who waits reads how long it may take
    (place,) = await field.does(team.team_lead, f"GET /pools/{team.id}/waiting")
    assert (place["position"], place["forecast"]["points_ahead"]) == (1, 2)
    alone = await field.does(team.health_visitor, f"GET /cases/{place['consultation_id']}/place")
    assert alone["place"]["forecast"]["weeks"] == place["forecast"]["weeks"]
