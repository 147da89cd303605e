"""The map of the notification service.

What happened becomes messages to the people who must know. Each is claimed under the contact policy as it stands at
that moment, sent after the commit by the courier, and ends as sent, failed, suppressed or doubtful, never silently.
"""

from pathlib import Path

from attune_contracts.referral import (
    CaseAssigned,
    CaseHandedOver,
    ConsultationReported,
    ConsultationTriaged,
    SafeguardingRaised,
    WaitingListJoined,
)
from attune_contracts.screening import (
    BirthCorrected,
    BirthRecorded,
    ChildAdopted,
    ChildDied,
    ChildMoved,
    PregnancyEnded,
    PregnancyRegistered,
    RecordsMerged,
    ScreeningCompleted,
)
from attune_contracts.workforce import RecertificationDue, SupervisionOverdue
from chassis.inputs import command, due, on
from chassis.service import Service
from services.notification import api, store
from services.notification.domain import (
    booklet,
    caregiver,
    delivery,
    family,
    losses,
    recalled,
    receipt,
    recipient,
    repair,
    telling,
)
from services.notification.domain.commands import (
    AskToCall,
    EraseRecipient,
    GiveBooklet,
    RecallEnd,
    RecordDelivery,
    SendAgain,
    SendBooklet,
    SetCaregiver,
    SetDoNotContact,
    SetDuty,
    SetFamilyContact,
    SetRecipient,
    SettleDoubt,
    TakeReceipt,
)
from services.notification.sending import send_claimed
from services.notification.settings import RECEIPTS, NotificationSettings

INPUTS = (
    # Something happened that people must know.
    on(CaseAssigned, decide=telling.case_assigned, state=store.told_of_assignment),
    on(WaitingListJoined, decide=telling.case_waits, state=store.told_who_asked),
    on(ConsultationTriaged, decide=telling.consultation_triaged, state=store.told_who_asked),
    on(ConsultationReported, decide=telling.consultation_reported, state=store.told_who_asked),
    on(CaseHandedOver, decide=telling.case_handed_over, state=store.told_of_hand_over),
    on(ScreeningCompleted, decide=telling.screening_completed),
    on(RecertificationDue, decide=telling.recertification_due, state=store.told_of_themselves),
    on(SupervisionOverdue, decide=telling.supervision_overdue, state=store.told_of_themselves),
    # A family is known; after a loss or a risk everything to its caregivers stops.
    on(PregnancyRegistered, decide=family.registered, state=store.family),
    on(BirthRecorded, decide=losses.born, state=store.of_family),
    on(BirthCorrected, decide=family.corrected, state=store.family),
    on(ChildMoved, decide=booklet.moved, state=store.of_family),
    on(PregnancyEnded, decide=losses.pregnancy_ended, state=store.of_family),
    on(ChildDied, decide=losses.child_died, state=store.of_family),
    on(ChildAdopted, decide=losses.child_adopted, state=store.of_family),
    on(RecordsMerged, decide=losses.records_merged, state=store.of_merging),
    on(SafeguardingRaised, decide=telling.safeguarding_raised, state=store.of_child),
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
    # Caregivers: how each may safely be reached, whom they care for, and what they are given.
    command(
        "PUT /caregivers/{recipient_id}",
        SetCaregiver,
        decide=caregiver.set_caregiver,
        state=store.recipient,
        may="caregiver.set",
    ),
    command(
        "PUT /families/{pregnancy_id}/contact",
        SetFamilyContact,
        decide=caregiver.set_contact,
        state=store.family,
        may="caregiver.set",
    ),
    command(
        "POST /families/{pregnancy_id}/messages",
        AskToCall,
        decide=caregiver.ask_to_call,
        state=store.family,
        may="caregiver.tell",
    ),
    command(
        "POST /families/{pregnancy_id}/booklet",
        GiveBooklet,
        decide=booklet.give,
        state=store.of_family,
        may="caregiver.tell",
    ),
    command(
        "POST /families/{pregnancy_id}/booklet/sending",
        SendBooklet,
        decide=booklet.send,
        state=store.of_sending,
        may="caregiver.tell",
    ),
    due(store.families, decide=booklet.clock),
    # A message is due: it is claimed for the courier, who sends it and reports what became of it.
    due(store.messages, decide=delivery.clock, state=store.at_sending),
    command(None, RecordDelivery, decide=delivery.record, state=store.at_result),
    command(None, RecallEnd, decide=recalled.settle, state=store.at_result),
    command("POST /receipts/notify", TakeReceipt, decide=receipt.take, state=store.at_receipt, may="receipt.take"),
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
        state=store.at_doubt,
        may="message.repair",
    ),
)

_READS = frozenset(
    {"message.read", "recipient.protect", "family.read", "caregiver.read", "caregiver.set", "caregiver.tell"}
)

ROLES = {
    "health_visitor": _READS,
    "midwife": _READS,
    "specialist": _READS,
    "team_lead": _READS | {"message.repair"},
    "safeguarding_lead": _READS | {"message.repair"},
    "workforce_admin": frozenset(
        {"recipient.set", "recipient.read", "recipient.protect", "recipient.erase", "duty.set", "duty.read"}
    ),
    "operator": frozenset(
        {
            "operator.read",
            "operator.resolve",
            "message.read",
            "message.repair",
            "duty.read",
            "family.read",
            "receipt.read",
        }
    ),
    RECEIPTS: frozenset({"receipt.take"}),
}

SERVICE = Service(
    "notification",
    inputs=INPUTS,
    settings=NotificationSettings,
    api=api.routes,
    migrations=Path(__file__).parent / "migrations",
    roles=ROLES,
    stuck=store.STUCK,
    recalls=recalled.RECALLS,
    background=(send_claimed,),
)
