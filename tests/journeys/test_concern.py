"""From the outcome of a screening to a practitioner who has the case, and people who know."""

from __future__ import annotations

import os
import signal

from tests.journeys.post_office import PostOffice
from tests.support.field import INSTRUMENT, Field


async def test_a_concern_is_assigned_and_both_sides_are_told(field: Field, post_office: PostOffice) -> None:
    # given a team with a free specialist
    team = await field.team(8)
    baby = await field.baby(team)
    # when the health visitor records a concern
    screening = await field.screens(baby, "concern")
    # then the specialist has the case, and the record says why
    case = await field.assigned(baby, *team.specialists)
    assert case["screening_id"] == str(screening.id)
    assert (case["priority"], case["candidates"], case["because"]) == ("routine", 1, "lightest_share")
    assert case["requested_by"] == str(team.health_visitor.id)
    # and the specialist and the health visitor are told, by mail, once each, with nothing clinical
    for kind, who in (("case_assigned_to_you", team.specialists[0]), ("case_assigned", team.health_visitor)):
        await field.message(kind, case["consultation_id"], to=who)
        mail = await post_office.delivered(who, case["consultation_id"])
        assert str(baby.child_id) not in mail.as_string()
        assert not {"concern", "baby", "attachment", "screening"} & set(mail.get_content().lower().split())


async def test_an_urgent_concern_reaches_the_safeguarding_lead_while_referral_does_not_work(
    field: Field, post_office: PostOffice
) -> None:
    # given a team, and a referral service that answers nobody
    team = await field.team(8)
    baby = await field.baby(team)
    field.stack.refresh()
    referral = field.stack.summary["pids"]["referral"]
    os.kill(referral, signal.SIGSTOP)
    try:
        # when an urgent concern is recorded
        screening = await field.screens(baby, "urgent_concern")
        # then the safeguarding lead is told at once
        await field.message("urgent_concern", screening.id, to=team.safeguarding_lead)
        await post_office.delivered(team.safeguarding_lead, screening.id)
    finally:
        os.kill(referral, signal.SIGCONT)
    # and when referral works again, the case is assigned with priority
    case = await field.assigned(baby, *team.specialists)
    assert case["priority"] == "urgent"
    assert [m["kind"] for m in await field.messages(screening.id)] == ["urgent_concern"]


async def test_twins_go_to_the_same_practitioner(field: Field) -> None:
    # given two specialists, of whom the second always has the lighter share after one case
    team = await field.team(20, 20)
    first, second = await field.babies(team, 2)
    # when both twins cause concern, one after the other
    await field.screens(first, "concern")
    one = await field.assigned(first)
    await field.screens(second, "concern")
    other = await field.assigned(second)
    # then one practitioner has both
    assert other["assigned_to"] == one["assigned_to"]
    assert other["because"] == "same_practitioner_for_sibling"


async def test_a_family_meets_somebody_who_speaks_their_language(field: Field) -> None:
    # given a specialist who speaks Polish and has more to do than the others
    team = await field.team(10, 40, 40, languages=(["en", "pl"],))
    # when a family that speaks Polish causes concern
    baby = await field.baby(team)
    await field.screens(baby, "concern", language="pl", interpreter=True)
    # then that specialist has the case
    case = await field.assigned(baby, team.specialists[0])
    assert case["because"] == "language"


async def test_a_concern_by_somebody_whose_certificate_has_lapsed_is_taken_and_the_team_lead_told(
    field: Field, post_office: PostOffice
) -> None:
    # given a health visitor whose certificate ran out last month
    team = await field.team(8)
    pat = field.somebody("health_visitor")
    await field.employ(pat, team.id)
    await field.certify(pat, "eao_administration", from_days=-400, until_days=-30)
    await field.can_be_told(pat)
    await field.certificate_known(pat)
    # when she records a concern
    baby = await field.baby(team)
    screening = await field.screens(baby, "concern", by=pat)
    # then it is taken and marked, somebody has the case, and the team lead knows
    assert screening.answer["certificate"] == "lapsed"
    await field.assigned(baby, *team.specialists)
    await field.message("certificate_lapsed", screening.id, to=team.team_lead)
    await post_office.delivered(team.team_lead, screening.id)


async def test_what_causes_no_concern_leads_to_nothing(field: Field) -> None:
    # given a team
    team = await field.team(8)
    calm, watched, absent, worrying = [await field.baby(team) for _ in range(4)]
    # when there is no concern, something to watch, and a screening that did not take place
    no_concern = await field.screens(calm, "no_concern")
    monitor = await field.screens(watched, "monitor")
    not_completed = {
        "child_id": absent.child_id,
        "instrument": INSTRUMENT,
        "instrument_version": 1,
        "reason": "unsettled",
        "administered_by": team.health_visitor.id,
        "attempted_at": field.result(absent, "monitor", by=team.health_visitor)["screened_at"],
    }
    await field.does(team.health_visitor, "POST /screenings/not-completed", not_completed)
    # then the follow-up of the one to watch is known, and nobody is asked or told anything
    assert no_concern.answer["follow_up_on"] is None
    assert monitor.answer["follow_up_on"] is not None
    await field.screens(worrying, "concern")
    await field.assigned(worrying)
    for baby in (calm, watched, absent):
        assert await field.consultations(baby) == []
    assert await field.messages(no_concern.id) == await field.messages(monitor.id) == []


async def test_a_clinician_may_see_more_than_the_instrument(field: Field) -> None:
    # given a baby whose observation was calm
    team = await field.team(8)
    baby = await field.baby(team)
    who = team.health_visitor
    # when the health visitor overrides the outcome with her reason
    reason = {"outcome": "concern", "reason": "She flinched whenever the door moved."}
    answer = await field.does(who, "POST /screenings", field.result(baby, "no_concern", by=who, override=reason))
    # then it is a concern, marked as hers, and somebody has the case
    assert (answer["outcome"], answer["overridden"]) == ("concern", True)
    await field.assigned(baby, *team.specialists)
