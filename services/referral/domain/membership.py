"""What the workforce tells about a practitioner, as a change of the team's pool, which then looks at its cases."""

from __future__ import annotations

from datetime import datetime

from attune_contracts.workforce import (
    AbsenceEnded,
    AbsenceStarted,
    CapacityChanged,
    CompetenceAwarded,
    CompetenceExpired,
    CompetenceSuspended,
    PractitionerLeft,
    PractitionerRegistered,
)
from chassis.decision import NOTHING, Cause, Decision
from chassis.value import replace
from services.referral.domain.pool import Absence, Competence, Member, Pool, seen

IN_POOL = frozenset({"specialist", "team_lead"})
"""Roles that take cases. What is told of anybody else is none of the pool's business."""

AboutMember = (
    PractitionerLeft
    | CompetenceAwarded
    | CompetenceSuspended
    | CompetenceExpired
    | CapacityChanged
    | AbsenceStarted
    | AbsenceEnded
)


def practitioner_registered(pool: Pool | None, event: PractitionerRegistered, cause: Cause) -> Decision:
    """A specialist joins the pool, or comes back to it."""
    if event.role not in IN_POOL:
        return NOTHING
    known = _member(pool, event)
    if known is not None and (known.left_at is None or event.registered_at <= known.left_at):
        return NOTHING
    joined = Member(
        practitioner_id=event.practitioner_id,
        capacity_points=event.capacity_points,
        capacity_since=event.registered_at,
        used_points=known.used_points if known else 0,
        languages=event.languages,
        competences=known.competences if known else (),
    )
    return _changed(pool, event, joined, cause.at)


def practitioner_left(pool: Pool | None, event: PractitionerLeft, cause: Cause) -> Decision:
    """Takes no more cases; those at hand go to others."""
    member = _member(pool, event)
    if member is None or member.left_at is not None:
        return NOTHING
    return _changed(pool, event, replace(member, left_at=event.left_at, absences=()), cause.at)


def competence_awarded(pool: Pool | None, event: CompetenceAwarded, cause: Cause) -> Decision:
    """A validity period is added; a renewal may begin before the old one ends."""
    member = _member(pool, event)
    awarded = Competence(event.competence, event.valid_from, event.valid_until)
    if member is None or awarded in member.competences:
        return NOTHING
    kept = tuple(c for c in member.competences if c.code != event.competence or c.valid_until > cause.at)
    return _changed(pool, event, replace(member, competences=(*kept, awarded)), cause.at)


def competence_suspended(pool: Pool | None, event: CompetenceSuspended, cause: Cause) -> Decision:
    """No validity period counts any longer until the competence is awarded again."""
    member = _member(pool, event)
    if member is None:
        return NOTHING
    kept = tuple(c for c in member.competences if c.code != event.competence)
    return _changed(pool, event, replace(member, competences=kept), cause.at)


def competence_expired(pool: Pool | None, event: CompetenceExpired, cause: Cause) -> Decision:
    """The period ran out. Usually the clock has noticed already; a renewal counts on."""
    member = _member(pool, event)
    if member is None:
        return NOTHING
    kept = tuple(c for c in member.competences if c.code != event.competence or c.valid_until > event.valid_until)
    return _changed(pool, event, replace(member, competences=kept), cause.at)


def capacity_changed(pool: Pool | None, event: CapacityChanged, cause: Cause) -> Decision:
    """More points take more cases; fewer points hand over what is beyond them."""
    member = _member(pool, event)
    if member is None or event.changed_at < member.capacity_since:
        return NOTHING
    resized = replace(member, capacity_points=event.capacity_points, capacity_since=event.changed_at)
    return _changed(pool, event, resized, cause.at)


def absence_started(pool: Pool | None, event: AbsenceStarted, cause: Cause) -> Decision:
    """Takes no cases while away; hands over where the team decided so."""
    member = _member(pool, event)
    if member is None:
        return NOTHING
    others = tuple(a for a in member.absences if a.absence_id != event.absence_id)
    absence = Absence(event.absence_id, event.until, event.hand_over)
    return _changed(pool, event, replace(member, absences=(*others, absence)), cause.at)


def absence_ended(pool: Pool | None, event: AbsenceEnded, cause: Cause) -> Decision:
    """Back, and open for cases again."""
    member = _member(pool, event)
    if member is None:
        return NOTHING
    others = tuple(a for a in member.absences if a.absence_id != event.absence_id)
    return _changed(pool, event, replace(member, absences=others), cause.at)


def _member(pool: Pool | None, event: PractitionerRegistered | AboutMember) -> Member | None:
    members = pool.members if pool else ()
    return next((m for m in members if m.practitioner_id == event.practitioner_id), None)


def _changed(pool: Pool | None, event: PractitionerRegistered | AboutMember, member: Member, at: datetime) -> Decision:
    """The pool with this member as given; due at once, so that nothing hangs on the hint alone."""
    before = pool.members if pool else ()
    others = [m for m in before if m.practitioner_id != member.practitioner_id]
    if member in before:
        return NOTHING
    members = sorted([*others, member], key=lambda m: m.practitioner_id.int)
    after = seen(event.team_id, members, pool.policy if pool else None, at)
    return Decision(rows=(replace(after, next_due_at=at),), due=(event.team_id,))
