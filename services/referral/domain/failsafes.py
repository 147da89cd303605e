"""What did not happen becomes a person's task: messages that reach nobody, missed screenings, lapsed certificates."""

from __future__ import annotations

from uuid import UUID

from attune_contracts.notification import BookletMissed, MessageDoubtful, MessageFailed, MessageSuppressed
from attune_contracts.referral import TaskKind
from attune_contracts.screening import ConsultationOverdueForConcern, ScreeningMissed
from attune_contracts.workforce import CompetenceExpired, CompetenceSuspended
from chassis.decision import NOTHING, Cause, Decision, derived_id
from chassis.value import replace, value
from services.referral.domain import membership, tasks
from services.referral.domain.children import Child, Record
from services.referral.domain.consultation import Consultation
from services.referral.domain.pool import Pool

QUIET = frozenset({"pregnancy_ended", "stillborn", "child_died", "child_adopted", "record_sealed"})
"""After these a caregiver is not written to about the child, and it is nobody's task to reach them by other ways."""
NEEDLESS = frozenset({"already_given", "moved_away", "case_moved_on"})
"""For these a message was held back because nobody has to be told any more: it is nobody's task either."""

NotTold = MessageFailed | MessageSuppressed | MessageDoubtful
Missed = ScreeningMissed | BookletMissed | ConsultationOverdueForConcern
Lapsed = CompetenceExpired | CompetenceSuspended


@value(frozen=True, slots=True)
class AboutMessage:
    """What a message was about, as far as it is known here, and what there is to do about it already."""

    subject: tasks.Task | None
    """The task that the message itself is about."""
    case: Consultation | None
    child: Child | None
    into: Child | None
    """The record that the child's own has ended in."""
    of_child: tuple[Consultation, ...]
    """The latest consultation about the child: who asked for it knows the family."""
    to_do: tuple[tasks.Task, ...]

    @property
    def record(self) -> Record:
        return Record(self.child, self.into)


@value(frozen=True, slots=True)
class AboutMissed:
    """The task that something missed has made, the consultation that would show that nothing was missed, the child."""

    known: tasks.Task | None
    case: Consultation | None
    child: Child | None
    into: Child | None
    """The record that the child's own has ended in."""


@value(frozen=True, slots=True)
class PoolAndTask:
    """The pool that a certificate counts in, and the task that its end has made."""

    pool: Pool | None
    known: tasks.Task | None


def task_of_missed(event: Missed) -> UUID:
    """One for each thing that was missed, however often it is told."""
    if isinstance(event, ConsultationOverdueForConcern):
        return derived_id(event.screening_id, "task:concern_without_consultation")
    if isinstance(event, BookletMissed):
        return derived_id(event.pregnancy_id, "task:missed_booklet")
    return derived_id(event.child_id, f"task:missed_screening:{event.closed_at.isoformat()}")


def task_of_lapse(event: Lapsed) -> UUID:
    at = event.expired_at if isinstance(event, CompetenceExpired) else event.suspended_at
    return derived_id(event.practitioner_id, f"task:lapsed:{event.competence}:{at.isoformat()}")


def message_not_told(about: AboutMessage, event: MessageFailed | MessageSuppressed, cause: Cause) -> Decision:
    """A caregiver is the named health visitor's task; anybody else the leads', who find another way to tell them."""
    reason = event.reason if isinstance(event, MessageSuppressed) else None
    if reason in NEEDLESS:
        return NOTHING
    if event.recipient_kind != "caregiver":
        return _message_task(about, event, "tell_practitioner", None, cause)
    if about.record.gone in QUIET or reason in QUIET:
        return NOTHING
    knows = about.case or next(iter(about.of_child), None)
    owner = event.health_visitor_id or (knows.requested_by if knows is not None else None)
    return _message_task(about, event, "contact_caregiver", owner, cause)


def message_doubtful(about: AboutMessage, event: MessageDoubtful, cause: Cause) -> Decision:
    """Nobody can tell whether it arrived, so somebody asks.

    A professional is told then, whatever has become of the child; a caregiver is not asked after a loss.
    """
    if event.recipient_kind != "caregiver":
        return _message_task(about, event, "tell_practitioner", None, cause)
    if about.record.gone in QUIET:
        return NOTHING
    return _message_task(about, event, "doubtful_message", event.health_visitor_id, cause)


def _message_task(about: AboutMessage, event: NotTold, kind: TaskKind, owner_id: UUID | None, cause: Cause) -> Decision:
    """A message about a task makes no task, and one about what is somebody's task already neither: no circles.

    Two people who were not told are two tasks. A message that is sent again may end badly again, and is a task again.
    """
    if about.subject is not None:
        return NOTHING
    if any((t.kind, t.recipient_id) == (kind, event.recipient_id) and t.done_at is None for t in about.to_do):
        return NOTHING
    case, child = about.case, about.child
    team_id = event.team_id or (case.team_id if case is not None else child.team_id if child is not None else None)
    made = tasks.raised(
        kind,
        event.about_id,
        cause,
        consultation_id=case.consultation_id if case is not None else None,
        child_id=about.record.id_of(event.child_id),
        team_id=team_id,
        owner_id=owner_id,
    )
    return Decision(rows=(replace(made.task, recipient_id=event.recipient_id),), events=(made.told,))


def missed(about: AboutMissed, event: Missed, cause: Cause) -> Decision:
    """Somebody looks for the child. Where the consultation is there after all, only the news of it was late."""
    record = Record(about.child, about.into)
    if about.known is not None or about.case is not None or record.gone in QUIET:
        return NOTHING
    kind, about_id, owner = _missed(event)
    made = tasks.raised(
        kind,
        about_id,
        cause,
        task_id=task_of_missed(event),
        child_id=record.id_of(event.child_id),
        team_id=event.team_id,
        owner_id=owner,
    )
    return Decision(rows=(made.task,), events=(made.told,))


def _missed(event: Missed) -> tuple[TaskKind, UUID, UUID | None]:
    if isinstance(event, ConsultationOverdueForConcern):
        return "concern_without_consultation", event.screening_id, None
    if isinstance(event, BookletMissed):
        return "missed_booklet", event.pregnancy_id, event.health_visitor_id
    return "missed_screening", event.child_id, None


def competence_expired(at_hand: PoolAndTask, event: CompetenceExpired, cause: Cause) -> Decision:
    """The pool takes notice, and somebody sees to the training."""
    return _lapsed(at_hand, membership.competence_expired(at_hand.pool, event, cause), event, cause)


def competence_suspended(at_hand: PoolAndTask, event: CompetenceSuspended, cause: Cause) -> Decision:
    """The pool takes notice, and somebody sees to what was suspended."""
    return _lapsed(at_hand, membership.competence_suspended(at_hand.pool, event, cause), event, cause)


def _lapsed(at_hand: PoolAndTask, decision: Decision, event: Lapsed, cause: Cause) -> Decision:
    if at_hand.known is not None:
        return decision
    made = tasks.raised(
        "lapsed_certificate",
        event.practitioner_id,
        cause,
        task_id=task_of_lapse(event),
        child_id=None,
        team_id=event.team_id,
    )
    return replace(decision, rows=(*decision.rows, made.task), events=(*decision.events, made.told))
