"""A professional asks the specialists directly, about a family or about the own work."""

from __future__ import annotations

from uuid_utils.compat import uuid7

from tests.support.field import Field, eventually

QUESTION = "How can I stay with her when she turns away?"


async def test_about_a_family_that_agreed(field: Field) -> None:
    # given a team with a free specialist, and a midwife who worries
    team = await field.team(8)
    baby = await field.baby(team)
    mary = field.somebody("midwife")
    await field.can_be_told(mary)
    # when she asks about the family, which agreed
    asked = {"team_id": team.id, "kind": "case_consultation", "child_id": baby.child_id, "consent": "agreed"}
    answer = await field.does(mary, "POST /consultations", asked | {"priority": "urgent", "question": QUESTION})
    # then a specialist has the case and both are told
    case = await field.assigned(baby, *team.specialists)
    assert case["consultation_id"] == answer["consultation_id"]
    assert (case["requested_by"], case["priority"], case["screening_id"]) == (str(mary.id), "urgent", None)
    await field.message("case_assigned", case["consultation_id"], to=mary)
    # and the specialist acknowledges it, once
    route = f"POST /consultations/{case['consultation_id']}/acknowledgement"
    first = await field.does(team.specialists[0], route)
    assert await field.does(team.team_lead, route) == first
    assert (await field.consultation(team.team_lead, case["consultation_id"]))["acknowledged_by"] == str(
        team.specialists[0].id
    )


async def test_about_the_own_work_with_the_family_anonymous(field: Field) -> None:
    # given a team with a free specialist
    team = await field.team(8)
    # when a health visitor asks for a reflective discussion and names nobody
    asked = {"team_id": team.id, "kind": "reflective_discussion", "question": QUESTION}
    answer = await field.does(team.health_visitor, "POST /consultations", asked)

    # then somebody has it, and nothing about a child is known anywhere
    async def has_somebody() -> bool:
        return bool((await field.consultation(team.team_lead, answer["consultation_id"]))["assigned_to"])

    await eventually(has_somebody, "the discussion is assigned")
    letter = await field.message("case_assigned", answer["consultation_id"], to=team.health_visitor)
    assert letter["child_id"] is None
    timeline = await field.does(field.operator, f"GET /timeline/{answer['consultation_id']}", at="referral")
    assert [e["data"]["child_id"] for e in timeline] == [None] * len(timeline)
    assert QUESTION not in str(timeline)


async def test_without_consent_there_is_no_consultation_about_a_family(field: Field) -> None:
    team = await field.team(8)
    baby = await field.baby(team)
    asked = {"team_id": team.id, "kind": "case_consultation", "child_id": baby.child_id}
    for consent, status, rule in ((None, 422, "consent-state-missing"), ("refused", 409, "consent-was-refused")):
        answer = await field.asks(team.health_visitor, "POST /consultations", asked | {"consent": consent})
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:attune:problem:{rule}")
    assert await field.consultations(baby) == []


async def test_a_case_is_handed_over_by_hand_and_back_to_the_list(field: Field) -> None:
    # given two specialists, of whom one has a case
    team = await field.team(8, 8)
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    case = await field.assigned(baby)
    one, other = sorted(team.specialists, key=lambda s: str(s.id) != case["assigned_to"])
    route = f"POST /cases/{case['consultation_id']}/hand-over"
    # when the team lead gives it to the other
    await field.does(team.team_lead, route, {"team_id": team.id, "to_practitioner_id": other.id})
    # then she has it, and the points moved with it
    assert (await field.consultation(team.team_lead, case["consultation_id"]))["assigned_to"] == str(other.id)
    pool = await field.does(team.team_lead, f"GET /pools/{team.id}")
    assert {m["practitioner_id"]: m["used_points"] for m in pool["members"]} == {str(one.id): 0, str(other.id): 2}
    # and when it goes back to the list, somebody else than her gets it
    await field.does(team.team_lead, route, {"team_id": team.id, "to_practitioner_id": None})
    await field.assigned(baby, one)


async def test_a_request_sent_twice_is_one_consultation(field: Field) -> None:
    # given a team
    team = await field.team(8)
    baby = await field.baby(team)
    asked = {"team_id": team.id, "kind": "case_consultation", "child_id": baby.child_id, "consent": "agreed"}
    # when the same request comes twice under one key, and once more under its own id
    key, id_ = str(uuid7()), uuid7()
    answers = [await field.does(team.health_visitor, "POST /consultations", asked, key=key) for _ in range(2)]
    named = [
        await field.does(team.health_visitor, "POST /consultations", asked | {"consultation_id": id_}) for _ in range(2)
    ]
    # then each is one consultation
    assert answers[0] == answers[1]
    assert named[0] == named[1]
    assert len(await field.consultations(baby)) == 2
