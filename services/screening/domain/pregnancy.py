"""Pregnancies: each expected child gets its id here, long before it is born."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from attune_contracts.screening import PregnancyRegistered
from chassis.decision import Cause, Decision, Refused, Reply
from chassis.value import value
from chassis.working_days import local_date
from services.screening.domain.child import Child, Mother, counted
from services.screening.domain.commands import RegisterPregnancy

EXPECTED_FROM_DAYS, EXPECTED_TO_DAYS = -45, 310
"""Days from the registration to the expected date that a pregnancy can have (ours)."""


class PregnancyRegisteredDifferently(Refused):
    """This pregnancy is registered with other particulars."""

    field = "pregnancy_id"


class ChildIdsDoNotMatch(Refused):
    """Give no child id, or one different id for each expected child."""

    status = 422
    field = "child_ids"


class ChildAlreadyKnown(Refused):
    """One of these child ids belongs to another child."""

    field = "child_ids"


class ExpectedDateImplausible(Refused):
    """The expected date is too far away from today."""

    status = 422
    field = "expected_on"


@value(frozen=True, slots=True)
class Pregnancy:
    """A registered pregnancy and the children it was expected to bring."""

    pregnancy_id: UUID
    team_id: UUID
    expected_on: date
    child_ids: tuple[UUID, ...]
    mother_nhs_number: str | None
    registered_at: datetime


@value(frozen=True, slots=True)
class AtRegistration:
    """The pregnancy, where it is known, and children that have the ids asked for."""

    pregnancy: Pregnancy | None = None
    first: Child | None = None
    second: Child | None = None
    third: Child | None = None
    fourth: Child | None = None
    mother: Mother | None = None


class Registered(Reply):
    """A pregnancy that is registered, with the id of each expected child."""

    pregnancy_id: UUID
    child_ids: list[UUID]


def register(state: AtRegistration, command: RegisterPregnancy, cause: Cause) -> Decision[Registered]:
    """A pregnancy and its expected children become known, once."""
    if command.child_ids and len(set(command.child_ids)) != command.expected_children:
        raise ChildIdsDoNotMatch
    if state.pregnancy is not None:
        return _registered_again(state.pregnancy, command)
    if any((state.first, state.second, state.third, state.fourth)):
        raise ChildAlreadyKnown
    expected_in_days = (command.expected_on - local_date(cause.at)).days
    if not EXPECTED_FROM_DAYS <= expected_in_days <= EXPECTED_TO_DAYS:
        raise ExpectedDateImplausible
    pregnancy = Pregnancy(
        pregnancy_id=command.pregnancy_id or cause.derive("pregnancy"),
        team_id=command.team_id,
        expected_on=command.expected_on,
        child_ids=command.child_ids or tuple(cause.derive(f"child {n}") for n in range(command.expected_children)),
        mother_nhs_number=command.mother_nhs_number,
        registered_at=cause.at,
    )
    events = tuple(
        PregnancyRegistered(
            child_id=child_id,
            pregnancy_id=pregnancy.pregnancy_id,
            team_id=pregnancy.team_id,
            expected_in_days=expected_in_days,
            registered_at=cause.at,
        )
        for child_id in pregnancy.child_ids
    )
    children = tuple(_expected(pregnancy, child_id) for child_id in pregnancy.child_ids)
    return Decision(
        rows=(pregnancy, *children, *counted(state.mother, command.mother_nhs_number)),
        events=events,
        reply=_registered(pregnancy),
    )


def _expected(pregnancy: Pregnancy, child_id: UUID) -> Child:
    return Child(
        child_id=child_id,
        pregnancy_id=pregnancy.pregnancy_id,
        team_id=pregnancy.team_id,
        expected_on=pregnancy.expected_on,
        born_on=None,
        birth=None,
        children_born=None,
        nhs_number=None,
        mother_nhs_number=pregnancy.mother_nhs_number,
        registered_at=pregnancy.registered_at,
    )


def _registered_again(known: Pregnancy, command: RegisterPregnancy) -> Decision[Registered]:
    same = (
        (known.team_id, known.expected_on, known.mother_nhs_number)
        == (command.team_id, command.expected_on, command.mother_nhs_number)
        and len(known.child_ids) == command.expected_children
        and command.child_ids in ((), known.child_ids)
    )
    if not same:
        raise PregnancyRegisteredDifferently
    return Decision(reply=_registered(known))


def _registered(pregnancy: Pregnancy) -> Registered:
    return {"pregnancy_id": pregnancy.pregnancy_id, "child_ids": list(pregnancy.child_ids)}
