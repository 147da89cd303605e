"""A case gets a practitioner, changes the practitioner or goes on the list: the row as it is then, and the event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attune_contracts.referral import CaseAssigned, CaseHandedOver, HandOverReason, WaitingListJoined
from chassis.decision import Cause
from chassis.value import replace
from services.referral.domain import tasks
from services.referral.domain.assignment import RULE, RULE_VERSION, Choice, Seats
from services.referral.domain.consultation import Consultation, Terms
from services.referral.domain.policy import STANDARD, Policy

_RULE = f"{RULE}/{RULE_VERSION}"


def assigned(case: Consultation, choice: Choice, policy: Policy | None, cause: Cause) -> Consultation:
    """The case with the practitioner whom the rule chose; with a policy of the team's own, perhaps only as an offer."""
    placed = replace(
        case,
        unsettled=False,
        waiting_since=None,
        place=None,
        assigned_to=choice.seat.id,
        assigned_at=cause.at,
        because=choice.because,
        candidates=choice.candidates,
        rule=_RULE,
    )
    if policy is None and case.terms is None:
        return placed
    days = policy.offer_working_days if policy is not None else None
    return replace(
        placed,
        place=case.place if wants_points(case) else None,
        accept_by=None if days is None else cause.calendar.end_of_working_day(cause.at, days),
        terms=stays(case.terms),
        rule=_RULE if policy is None else f"{_RULE} policy/{policy.version}",
    )


def in_line(case: Consultation, policy: Policy | None) -> Consultation:
    """The case with its place among those who want points."""
    if case.place is not None:
        return case
    return replace(case, place=(policy or STANDARD).place(case.priority, case.requested_at))


def weighed(case: Consultation, policy: Policy) -> Consultation:
    """A case that is new in the line, by the team's own policy; direct work has its weight from the catalogue."""
    place = policy.place(case.priority, case.requested_at)
    if case.waiting_since is None:
        return replace(case, place=place)
    return replace(case, place=place, points=policy.points.get(case.kind, case.points))


def grown(case: Consultation) -> Consultation:
    """The case with the weight of the direct work that begins with it."""
    assert case.terms is not None  # noqa: S101
    wanted = case.terms.points_wanted
    assert wanted is not None  # noqa: S101
    return replace(case, points=wanted, place=None, unsettled=False, terms=replace(case.terms, points_wanted=None))


def wants_points(case: Consultation) -> bool:
    """Direct work is to begin with it, and weighs more."""
    return case.terms is not None and case.terms.points_wanted is not None


def stays(terms: Terms | None) -> Terms | None:
    """The terms without a reason to leave, and of no case that was left."""
    if terms is None or (terms.leaves is None and terms.without_owner_since is None):
        return terms
    return replace(terms, leaves=None, without_owner_since=None)


def named(case: Consultation, practitioner_id: UUID, at: datetime) -> Consultation:
    """The case with the practitioner whom a person named."""
    terms = stays(case.terms)
    return replace(
        case,
        assigned_to=practitioner_id,
        assigned_at=at,
        because=None,
        candidates=None,
        rule=None,
        not_to=None,
        accept_by=None,
        unsettled=case.place is not None and case.unsettled,
        terms=replace(terms, refused_by=()) if terms is not None else None,
    )


def on_the_list(case: Consultation, policy: Policy | None) -> Consultation:
    """The case in the waiting list, at the place that the time of its request gives it, known to the pool."""
    return replace(
        in_line(case, policy),
        unsettled=False,
        waiting_since=case.requested_at,
        accept_by=None,
        terms=stays(case.terms),
        assigned_to=None,
        assigned_at=None,
        because=None,
        candidates=None,
        rule=None,
    )


def given_back(case: Consultation, policy: Policy | None, at: datetime) -> Consultation:
    """A case that somebody had, in the waiting list again: from now on it is without an owner."""
    waits = on_the_list(case, policy)
    return replace(waits, terms=replace(waits.terms or Terms(), without_owner_since=at))


def nobody_takes(case: Consultation, seats: Seats, cause: Cause) -> tasks.Raised | None:
    """The leads' task where a case goes on the list, and nobody is there who may take it and could ever hold it.

    Whoever has given it back does not get it again.
    """
    if any(seat.capacity >= case.points and seat.id not in case.barred for seat in seats.takers):
        return None
    return tasks.about_case(case, "nobody_takes_case", str(cause.id), cause)


def case_assigned(case: Consultation, choice: Choice, at: datetime) -> CaseAssigned:
    return CaseAssigned(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        priority=case.priority,
        requested_by=case.requested_by,
        practitioner_id=choice.seat.id,
        points=case.points,
        candidates=choice.candidates,
        because=choice.because,
        rule=RULE,
        rule_version=RULE_VERSION,
        language=case.language,
        waited_seconds=max(0, int((at - case.requested_at).total_seconds())),
        assigned_at=at,
        accept_by=case.accept_by,
    )


def case_handed_over(
    case: Consultation, from_: UUID, to: UUID | None, reason: HandOverReason, at: datetime
) -> CaseHandedOver:
    return CaseHandedOver(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        requested_by=case.requested_by,
        from_practitioner_id=from_,
        to_practitioner_id=to,
        reason=reason,
        points=case.points,
        handed_over_at=at,
        accept_by=case.accept_by if to is not None else None,
    )


def joined_list(case: Consultation, *, anybody: bool, at: datetime) -> WaitingListJoined:
    """`anybody`: the pool has a practitioner who may take cases."""
    return WaitingListJoined(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        priority=case.priority,
        requested_by=case.requested_by,
        points=case.points,
        reason="no_free_place" if anybody else "no_practitioner",
        joined_at=at,
    )
