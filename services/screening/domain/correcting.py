"""What is put right about children: a wrong date of birth, and two records of one child."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from attune_contracts.screening import BirthCorrected, RecordsMerged
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import replace, value
from services.screening.domain.birth import born_event, check_date
from services.screening.domain.calendar import age_days
from services.screening.domain.child import Child, NoLiveBirth, RecordEnded, UnknownChild, alive_here, known
from services.screening.domain.commands import CorrectBirth, MergeRecords
from services.screening.domain.screening import Screening
from services.screening.domain.window import begin_again, in_window, wind


class ScreenedBeforeThen(Refused):
    """A screening of this child is recorded that was before this date of birth."""

    field = "born_on"


class MergedIntoItself(Refused):
    """The two records are the same one."""

    status = 422
    field = "into_child_id"


class MergedElsewhere(Refused):
    """This record was merged into another one."""

    field = "into_child_id"


class NotOneChild(Refused):
    """The two records contradict each other: correct the births first."""

    field = "into_child_id"


@value(frozen=True, slots=True)
class AtCorrection:
    """The child and everything that its age was counted for."""

    child: Child | None
    screenings: tuple[Screening, ...] = ()


@value(frozen=True, slots=True)
class AtMerge:
    """The record that ends, with its screenings, and the one that goes on."""

    ending: Child | None
    into: Child | None
    screenings: tuple[Screening, ...] = ()


class Corrected(Reply):
    """The child with its age by the corrected date."""

    child_id: UUID
    age_days: int


class Merged(Reply):
    """The record that goes on."""

    child_id: UUID


def correct_birth(state: AtCorrection, command: CorrectBirth, cause: Cause) -> Decision[Corrected]:
    """The date of a birth was wrong: ages, coverage and every clock are worked out anew."""
    child = alive_here(state.child)
    if child.born_on is None:
        raise NoLiveBirth
    check_date(command.born_on, cause)
    reply: Corrected = {"child_id": child.child_id, "age_days": age_days(command.born_on, cause.at)}
    if command.born_on == child.born_on:
        return Decision(reply=reply)
    completed = [s.screened_at for s in state.screenings if s.outcome is not None]
    if any(age_days(command.born_on, at) < 0 for at in completed):
        raise ScreenedBeforeThen
    child = replace(child, born_on=command.born_on)
    again = begin_again(child, _covered(child, command.born_on, completed), cause.at)
    event = BirthCorrected(
        child_id=child.child_id,
        pregnancy_id=child.pregnancy_id,
        team_id=child.team_id,
        age_days=reply["age_days"],
        recorded_at=cause.at,
    )
    return Decision(rows=again.rows, events=(event, *again.events), reply=reply)


def _covered(child: Child, born_on: date, completed: list[datetime]) -> int | None:
    ages = [age_days(born_on, at) for at in completed]
    return min((age for age in ages if in_window(child, age)), default=None)


def merge(state: AtMerge, command: MergeRecords, cause: Cause) -> Decision[Merged]:  # noqa: ARG001
    """Two records were of one child: what the one that ends held goes over to the other."""
    ending, into = known(state.ending), state.into
    if into is None:
        raise UnknownChild(field="into_child_id")
    if ending.child_id == into.child_id:
        raise MergedIntoItself
    if ending.ended == "merged":
        if ending.merged_into != into.child_id:
            raise MergedElsewhere
        return Decision(reply={"child_id": into.child_id})
    # A child that lives here is not merged into a record that has moved away: that one has to come back first.
    if into.ended not in (None, alive_here(ending).ended):
        raise RecordEnded(field="into_child_id")
    if ending.born_on is not None and (into.born_on, into.birth) not in ((None, None), (ending.born_on, ending.birth)):
        raise NotOneChild
    ended = replace(
        ending, ended="merged", ended_at=cause.at, merged_into=into.child_id, offer_again_at=None, follow_up_at=None
    )
    if into.nhs_number is None:
        ended = replace(ended, nhs_number=None)
    event = RecordsMerged(
        child_id=ending.child_id,
        into_child_id=into.child_id,
        pregnancy_id=ending.pregnancy_id,
        team_id=ending.team_id,
        merged_at=cause.at,
    )
    moved = tuple(replace(s, child_id=into.child_id) for s in state.screenings)
    joined = _joined(ending, into)
    # Until now nobody was told that this one is born, or was not born alive.
    born = (born_event(joined, cause.at),) if into.born_on is None and joined.born_on is not None else ()
    return Decision(rows=(wind(ended), joined, *moved), events=(event, *born), reply={"child_id": into.child_id})


def _joined(ending: Child, into: Child) -> Child:
    """The record that goes on, with what only the other one knew; of two results the later one stands."""
    covered = [age for age in (ending.covered_at_days, into.covered_at_days) if age is not None]
    joined = replace(
        into,
        expected_on=into.expected_on or ending.expected_on,
        nhs_number=into.nhs_number or ending.nhs_number,
        mother_nhs_number=into.mother_nhs_number or ending.mother_nhs_number,
        covered_at_days=min(covered, default=None),
    )
    if joined.born_on is None and ending.born_on is not None:
        born = ("born_on", "birth", "children_born", "window_state", "window_of", "opens_day", "due_day", "closes_day")
        joined = replace(joined, **{name: getattr(ending, name) for name in born})
    if ending.screened_at is not None and (into.screened_at is None or into.screened_at < ending.screened_at):
        seen = ("last_screening_id", "last_outcome", "screened_at", "follow_up_on", "follow_up_at")
        joined = replace(joined, not_completed_reason=None, **{name: getattr(ending, name) for name in seen})
    elif into.screened_at is None:
        joined = replace(joined, not_completed_reason=into.not_completed_reason or ending.not_completed_reason)
    if covered and joined.window_state is not None:
        joined = replace(joined, window_state="met", offer_again_at=None)
    return wind(joined)
