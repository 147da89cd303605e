"""What becomes of a message when a person must not, cannot, or perhaps did get it."""

from __future__ import annotations

from dataclasses import replace

from tests.journeys.post_office import NO_ANSWER, NOBODY_HERE, PostOffice
from tests.support.field import Field, Person


async def test_who_must_not_be_written_to_is_not_and_it_is_seen(field: Field, post_office: PostOffice) -> None:
    # given a health visitor who must not be contacted any more
    team = await field.team(8)
    joan = team.health_visitor
    policy = f"PUT /recipients/{joan.id}/do-not-contact"
    await field.does(field.somebody("workforce_admin"), policy, {})
    # when she has recorded a concern that is assigned
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    case = await field.assigned(baby)
    # then the message to her is kept with its reason, and no mail left
    letter = await field.message("case_assigned", case["consultation_id"], to=joan, status="suppressed")
    assert letter["reason"] == "do_not_contact"
    await field.message("case_assigned_to_you", case["consultation_id"], to=team.specialists[0])
    assert post_office.to(joan.address) == []
    # and when she may be written to again, a person sends it once more
    await field.does(field.somebody("workforce_admin"), policy, {"do_not_contact": False})
    await field.does(field.operator, f"POST /messages/{letter['message_id']}/repeat")
    await field.message("case_assigned", case["consultation_id"], to=joan)
    await post_office.delivered(joan, case["consultation_id"])


async def test_who_is_not_known_is_shown_as_such(field: Field) -> None:
    # given a team of which nobody gave an address
    team = await field.team(8, told=False)
    # when an urgent concern comes
    baby = await field.baby(team)
    screening = await field.screens(baby, "urgent_concern")
    # then the message that could not be sent is there for everybody to see
    letter = await field.message("urgent_concern", screening.id, to=None, status="suppressed")
    assert letter["reason"] == "unknown_recipient"


async def someone_at(field: Field, person: Person, prefix: str) -> Person:
    moved = replace(person, address=f"{prefix}-{person.address}")
    await field.can_be_told(moved)
    return moved


async def test_what_the_mail_server_refuses_has_failed(field: Field, post_office: PostOffice) -> None:
    # given a specialist whose mailbox does not exist
    team = await field.team(8)
    gone = await someone_at(field, team.specialists[0], NOBODY_HERE)
    # when a case is assigned to her
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    case = await field.assigned(baby)
    # then the message has failed with the server's answer, and nothing was sent twice
    letter = await field.message("case_assigned_to_you", case["consultation_id"], to=gone, status="failed")
    assert letter["reason"] == "smtp_550"
    assert post_office.to(gone.address) == []


async def test_what_may_have_left_is_doubtful_and_not_sent_again_by_itself(
    field: Field, post_office: PostOffice
) -> None:
    # given a specialist whose mail server takes the mail and never says so
    team = await field.team(8)
    mute = await someone_at(field, team.specialists[0], NO_ANSWER)
    # when a case is assigned to her
    baby = await field.baby(team)
    await field.screens(baby, "concern")
    case = await field.assigned(baby)
    # then the message is doubtful
    letter = await field.message("case_assigned_to_you", case["consultation_id"], to=mute, status="doubtful")
    assert len(post_office.to(mute.address)) == 1
    # and a person finds out that it arrived
    route = f"POST /messages/{letter['message_id']}/doubt"
    await field.does(field.operator, route, {"arrived": True})
    await field.message("case_assigned_to_you", case["consultation_id"], to=mute)
    assert len(post_office.to(mute.address)) == 1
