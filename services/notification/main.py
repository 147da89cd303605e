"""The map of the notification service.

What happened becomes messages to the people who must know. Each is claimed under the contact policy as it stands at
that moment, sent after the commit by the courier, and ends as sent, failed, suppressed or doubtful, never silently.
"""

from pathlib import Path

from attune_contracts.referral import CaseAssigned, CaseHandedOver, WaitingListJoined
from attune_contracts.screening import ScreeningCompleted
from chassis.inputs import command, due, on
from chassis.service import Service
from services.notification import api, store
from services.notification.domain import delivery, recipient, repair, telling
from services.notification.domain.commands import (
    EraseRecipient,
    RecordDelivery,
    SendAgain,
    SetDoNotContact,
    SetDuty,
    SetRecipient,
    SettleDoubt,
)
from services.notification.sending import send_claimed
from services.notification.settings import NotificationSettings

INPUTS = (
    # Something happened that people must know.
    on(CaseAssigned, decide=telling.case_assigned, state=store.told_of_assignment),
    on(WaitingListJoined, decide=telling.case_waits, state=store.told_of_waiting),
    on(CaseHandedOver, decide=telling.case_handed_over, state=store.told_of_hand_over),
    on(ScreeningCompleted, decide=telling.screening_completed),
    # Who they are, whether they may be written to, and who is told for a team.
    command(
        "PUT /recipients/{recipient_id}",
        SetRecipient,
        decide=recipient.set_recipient,
        state=store.recipient,
        may="recipient.set",
    ),
    command(
        "PUT /recipients/{recipient_id}/do-not-contact",
        SetDoNotContact,
        decide=recipient.set_do_not_contact,
        state=store.recipient,
        may="recipient.protect",
    ),
    command(
        "POST /recipients/{recipient_id}/erasure",
        EraseRecipient,
        decide=recipient.erase,
        state=store.recipient,
        may="recipient.erase",
    ),
    command("PUT /duties/{duty}", SetDuty, decide=recipient.set_duty, state=store.at_duty, may="duty.set"),
    # A message is due: it is claimed for the courier, who sends it and reports what became of it.
    due(store.messages, decide=delivery.clock, state=store.at_sending),
    command(None, RecordDelivery, decide=delivery.record, state=store.message),
    # A person puts right what ended badly.
    command(
        "POST /messages/{message_id}/repeat",
        SendAgain,
        decide=repair.send_again,
        state=store.message,
        may="message.repair",
    ),
    command(
        "POST /messages/{message_id}/doubt",
        SettleDoubt,
        decide=repair.settle_doubt,
        state=store.message,
        may="message.repair",
    ),
)

_READS = frozenset({"message.read", "recipient.protect"})

ROLES = {
    "health_visitor": _READS,
    "midwife": _READS,
    "specialist": _READS,
    "team_lead": _READS | {"message.repair"},
    "safeguarding_lead": _READS | {"message.repair"},
    "workforce_admin": frozenset(
        {"recipient.set", "recipient.read", "recipient.protect", "recipient.erase", "duty.set", "duty.read"}
    ),
    "operator": frozenset({"operator.read", "operator.resolve", "message.read", "message.repair", "duty.read"}),
}

SERVICE = Service(
    "notification",
    inputs=INPUTS,
    settings=NotificationSettings,
    api=api.routes,
    migrations=Path(__file__).parent / "migrations",
    roles=ROLES,
    background=(send_claimed,),
)
