"""Every reason for which the referral service says no; the docstring is the sentence the caller reads."""

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


class ConsentWasRefused(Refused):
    """The family said no: ask for an anonymous reflective discussion, or override with a reason."""

    field = "consent"


class ConsultationNotOpen(Refused):
    """The consultation was closed or withdrawn."""


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
