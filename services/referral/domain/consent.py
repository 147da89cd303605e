"""What a family says to a consultation that names them: asked for, recorded, and asked anew where it goes on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import Consent, ConsentRecorded
from chassis.decision import Cause, Decision
from chassis.value import replace
from services.referral.domain.commands import RecordConsent, ReopenConsultation
from services.referral.domain.consultation import Consultation, Standing, staff, standing, still_open
from services.referral.domain.ending import closed
from services.referral.domain.refusals import ConsentWasRefused, ConsentWithoutChild, check_reason


def record_consent(case: Consultation | None, command: RecordConsent, cause: Cause) -> Decision[Standing]:
    """What the family says. A refusal ends the consultation that names them; going on against it needs a reason."""
    case, by = still_open(case), staff(cause)
    if (case.consent, case.consent_reason) == (command.consent, command.reason):
        return Decision(reply=standing(case))
    after, event = _recorded(case, command.consent, command.reason, by, cause.at, field="reason")
    if command.consent != "refused":
        return Decision(rows=(after,), events=(event,), reply=standing(after))
    after, end = closed(after, "declined_by_family", by, cause.at)
    return Decision(rows=(after,), events=(event, end), reply=standing(after), due=(case.team_id,))


def goes_on(
    case: Consultation, command: ReopenConsultation, by: UUID, at: datetime, *, for_want_of_it: bool
) -> tuple[Consultation, tuple[ConsentRecorded, ...]]:
    """The case that is to go on, with what the family says now. A refusal stands until somebody says otherwise.

    `for_want_of_it`: the consultation ended because the family did not want it.
    """
    consent, reason = command.consent, command.consent_reason
    if consent == "refused" or (consent is None and (for_want_of_it or case.consent == "refused")):
        raise ConsentWasRefused
    if consent is None:
        return case, ()
    after, event = _recorded(case, consent, reason, by, at, field="consent_reason")
    return after, (event,)


def _recorded(
    case: Consultation, consent: Consent, reason: str | None, by: UUID, at: datetime, *, field: str
) -> tuple[Consultation, ConsentRecorded]:
    if case.child_id is None:
        raise ConsentWithoutChild
    check_reason(consent, reason, field=field)
    event = ConsentRecorded(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        consent=consent,
        recorded_by=by,
        recorded_at=at,
    )
    return replace(case, consent=consent, consent_reason=reason), event
