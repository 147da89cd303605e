"""Every reason for which the referral service says no; the docstring is the sentence the caller reads."""

from attune_contracts.referral import Consent
from chassis.decision import Refused


class UnknownConsultation(Refused):
    """There is no consultation with this id."""

    status = 404
    field = "consultation_id"


class ConsultationIdTaken(Refused):
    """Another request already has this consultation id."""

    field = "consultation_id"


class CaseConsultationNeedsChild(Refused):
    """A case consultation is about a named family: say which child, or ask for a reflective discussion."""

    status = 422
    field = "child_id"


class ConsentStateMissing(Refused):
    """A consultation about an identified child needs the state of consent."""

    status = 422
    field = "consent"


class ConsentWithoutChild(Refused):
    """An anonymous discussion has nobody who could consent: leave the consent out."""

    status = 422
    field = "consent"


class ConsentReasonMissing(Refused):
    """Consent that was not sought, or was overridden, needs the reason."""

    status = 422
    field = "consent_reason"


def check_reason(consent: Consent, reason: str | None, *, field: str) -> None:
    """Who did not ask the family, or goes on against it, says why. Raises ConsentReasonMissing, naming `field`."""
    if consent in ("not_sought", "overridden") and not reason:
        raise ConsentReasonMissing(field=field)


class ConsentWasRefused(Refused):
    """The family said no: discuss without naming it, override with a reason, or record what it says now."""

    field = "consent"


class ConsultationNotOpen(Refused):
    """The consultation was closed, declined or withdrawn."""


class NotTheRequester(Refused):
    """Only the professional who asked can take the request back; others close the case with a reason."""

    status = 403


class CaseOfSomebodyElse(Refused):
    """The case is not with you: only the practitioner who has it can answer for it."""

    status = 403


class CaseNotOffered(Refused):
    """The case was accepted, or was never only offered: hand it over instead."""


class PolicyVersionTaken(Refused):
    """Somebody has set another policy meanwhile, or the version leaves one out: read it again."""

    field = "version"


class PreviewOutOfDate(Refused):
    """Something has changed, and the effect would be another: look at the preview again."""

    field = "preview"


class TooManyCases(Refused):
    """The team has more open cases than one hand-over looks at: hand them over one by one."""


class CaseHasNoPractitioner(Refused):
    """The case waits for a place: there is nobody to hand it over from."""


class CaseOfAnotherTeam(Refused):
    """The case belongs to the pool of another team."""

    status = 422
    field = "team_id"


class CaseAlreadyTheirs(Refused):
    """This practitioner already has the case."""

    field = "to_practitioner_id"


class NotInThisPool(Refused):
    """This practitioner is not in the pool of the team."""

    field = "to_practitioner_id"


class PractitionerUnavailable(Refused):
    """This practitioner left, is absent or has no valid competence."""

    field = "to_practitioner_id"


class PractitionerHasNoFreePlace(Refused):
    """This practitioner has too few free points for the case."""

    field = "to_practitioner_id"


class CallerNotIdentified(Refused):
    """The token does not name a member of staff by id."""

    status = 403


class FamilyNotNamed(Refused):
    """The family is anonymous: nobody can meet them or plan for them."""

    status = 422


class CaseOnlyOffered(Refused):
    """The case is only offered, or on its way to somebody else: accept it first."""


class DirectWorkGoesOn(Refused):
    """There is direct work with this case already: end it before another begins."""


class UnknownIntervention(Refused):
    """This version of the intervention is not in the catalogue."""

    status = 422
    field = "intervention"


class FamilyHasNotAgreed(Refused):
    """Direct work is done with a family, not to it: it has to agree first."""

    field = "family_agrees"


class NoDirectWork(Refused):
    """There is no direct work under way with this case."""


class OnwardPlanMissing(Refused):
    """Whoever steps down goes on with somebody: write down who, and how."""

    status = 422
    field = "onward_plan"


class GoalsDoNotMatch(Refused):
    """Say for every goal of the plan, in its order, what became of it."""

    status = 422
    field = "goals"


class SessionNotYet(Refused):
    """A session that lies ahead can only be cancelled."""

    status = 422
    field = "session_at"


class SessionBeforeTheRequest(Refused):
    """Nobody had asked for a consultation then."""

    status = 422
    field = "session_at"


class UnknownMeasure(Refused):
    """This version of the measure is not in the catalogue."""

    status = 422
    field = "measure"


class MeasureTakenBefore(Refused):
    """This measure was taken at this point already, with another result."""

    field = "point"


class MeasuredInTheFuture(Refused):
    """Nothing can have been measured yet at that time."""

    status = 422
    field = "measured_at"


class AnswersDoNotFit(Refused):
    """Each item of the measure needs one answer within its range, and no other."""

    status = 422
    field = "answers"


class TotalDoesNotFit(Refused):
    """A measure without items needs a total within its range; one with items is added up here."""

    status = 422
    field = "total"


class InterventionVersionChanged(Refused):
    """This version of the intervention is loaded with another content; a change needs a new version."""

    field = "intervention_version"


class MeasureVersionChanged(Refused):
    """This version of the measure is loaded with another content; a change needs a new version."""

    field = "measure_version"


class DefinitionInconsistent(Refused):
    """The definition contradicts itself."""

    status = 422


class NotHeldForDirectWork(Refused):
    """Direct work follows from a consultation: hold it first, with that outcome."""
