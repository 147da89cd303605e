"""Recipients and duties, set by people with a name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chassis.commands import parse
from chassis.problem import Invalid
from services.notification.domain import recipient
from services.notification.domain.commands import EraseRecipient, SetDoNotContact, SetDuty, SetRecipient
from services.notification.domain.refusals import RecipientErased, UnknownRecipient
from tests.notification.examples import ADMIN, OTHER, SPECIALIST, TEAM, a_recipient
from tests.support.given import NOON, given

SET = SetRecipient(recipient_id=SPECIALIST, kind="practitioner", channels=("email",), address="specialist@example.org")
AT_NO_DUTY = recipient.AtDuty(duty=None, recipient=a_recipient())


def test_a_recipient_is_set_by_a_person_with_a_name() -> None:
    assert given().by(ADMIN).when(recipient.set_recipient, SET).row == a_recipient()


def test_setting_again_replaces_the_whole_policy() -> None:
    before = a_recipient(do_not_contact=True, language="pl")
    assert given(before).by(ADMIN).when(recipient.set_recipient, SET).row == a_recipient()


def test_an_erased_recipient_keeps_no_address_and_is_never_written_to() -> None:
    row = given(a_recipient()).by(ADMIN).when(recipient.erase, EraseRecipient(recipient_id=SPECIALIST)).row
    assert (row.address, row.channels, row.do_not_contact, row.erased_at) == (None, (), True, NOON)
    given(row).when(recipient.erase, EraseRecipient(recipient_id=SPECIALIST)).then_nothing()
    given(row).when(recipient.set_recipient, SET).then_refused(RecipientErased, "recipient_id")
    stop = SetDoNotContact(recipient_id=SPECIALIST, do_not_contact=False)
    given(row).when(recipient.set_do_not_contact, stop).then_refused(RecipientErased)
    duty = SetDuty(duty="team_lead", recipient_id=SPECIALIST)
    given(replace(AT_NO_DUTY, recipient=row)).when(recipient.set_duty, duty).then_refused(RecipientErased)


def test_contact_is_stopped_and_allowed_again() -> None:
    stopped = given(a_recipient()).when(recipient.set_do_not_contact, SetDoNotContact(recipient_id=SPECIALIST)).row
    assert stopped.do_not_contact
    allow = SetDoNotContact(recipient_id=SPECIALIST, do_not_contact=False)
    assert not given(stopped).when(recipient.set_do_not_contact, allow).row.do_not_contact


def test_to_allow_writing_again_does_not_say_that_it_is_right_after_a_loss_or_a_risk() -> None:
    """Only a policy of a caregiver that is set anew, as a whole, says that."""
    mother = replace(a_recipient(), kind="caregiver", set_at=NOON - timedelta(days=9))
    allow = SetDoNotContact(recipient_id=SPECIALIST, do_not_contact=False)
    assert given(mother).when(recipient.set_do_not_contact, allow).row.set_at == mother.set_at


def test_an_unknown_recipient_cannot_be_stopped_erased_or_given_a_duty() -> None:
    given().when(recipient.set_do_not_contact, SetDoNotContact(recipient_id=OTHER)).then_refused(UnknownRecipient)
    given().when(recipient.erase, EraseRecipient(recipient_id=OTHER)).then_refused(UnknownRecipient)
    nobody = recipient.AtDuty(duty=None, recipient=None)
    given(nobody).when(recipient.set_duty, SetDuty(duty="team_lead", recipient_id=OTHER)).then_refused(UnknownRecipient)


@pytest.mark.parametrize(("team_id", "key"), [(TEAM, f"team_lead:{TEAM}"), (None, "team_lead:default")])
def test_a_duty_is_held_for_a_team_or_for_all_without_an_own_entry(team_id: Any, key: str) -> None:
    command = SetDuty(duty="team_lead", recipient_id=SPECIALIST, team_id=team_id)
    row = given(AT_NO_DUTY).by(ADMIN).when(recipient.set_duty, command).row
    assert (row.duty_key, row.team_id, row.recipient_id, row.set_by) == (key, team_id, SPECIALIST, str(ADMIN))


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"address": None}, "address", "email_needs_address"),
        ({"channels": ["email", "email"]}, "channels", "channel_twice"),
        ({"channels": ["pigeon"]}, "channels.0", "literal_error"),
        ({"address": "Two <a@example.org>"}, "address", "string_pattern_mismatch"),
        ({"address": "a@example.org, b@example.org"}, "address", "string_pattern_mismatch"),
        ({"address": "a@example.org\nbcc: b@example.org"}, "address", "string_pattern_mismatch"),
        ({"language": "English"}, "language", "string_pattern_mismatch"),
        ({"kind": "friend"}, "kind", "literal_error"),
        ({"do_not_contact": "perhaps"}, "do_not_contact", "bool_type"),
        ({"phone": "07700900123"}, "phone", "string_pattern_mismatch"),
        ({"channels": ["text"]}, "phone", "text_needs_phone"),
        ({"channels": ["letter"]}, "channels.0", "literal_error"),
        ({"channels": ["phone"]}, "channels.0", "literal_error"),
        ({"kind": "caregiver"}, "kind", "literal_error"),
        ({"zone": "Europe/Atlantis"}, "zone", "zone_unknown"),
        ({"zone": "../../etc/passwd"}, "zone", "string_pattern_mismatch"),
        ({"digest_at": ["8:00Z"]}, "digest_at.0", "time_parsing"),
        ({"digest_at": ["08:00Z"]}, "digest_at.0", "zone_not_here"),
        ({"name": "1"}, "name", "extra_forbidden"),
    ],
)
def test_a_wrong_recipient_is_refused_by_field_and_rule(changes: dict[str, Any], field: str, rule: str) -> None:
    body = {"kind": "practitioner", "channels": ["email"], "address": "specialist@example.org"} | changes
    with pytest.raises(Invalid) as refused:
        parse(SetRecipient, json.dumps(body).encode(), {"recipient_id": str(SPECIALIST)})
    assert (field, rule) in [(e.field, e.rule) for e in refused.value.errors]
    assert all(str(value) not in refused.value.body().decode() for value in changes.values() if isinstance(value, str))
