"""The age limit of the service: the second birthday, and when it is told that it comes near."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from attune_contracts.referral import AgeLimitNear
from chassis.value import value
from chassis.working_days import local_date, start_of
from services.referral.domain.consultation import Consultation
from services.referral.domain.progress import AgeReason


@value(frozen=True, slots=True)
class Limit:
    """An age at which something is told: the instant at which that day begins in England."""

    reason: AgeReason
    at: datetime
    age_days: int


def born_at(age_days: int, on: datetime) -> datetime:
    """The beginning of the day of birth, from an age that an event gives."""
    return start_of(local_date(on) - timedelta(days=age_days))


def limits(born: datetime) -> tuple[Limit, ...]:
    """In order of age. Who was born on 29 February has the birthday on 1 March; months end with their last day."""
    day = local_date(born)
    birthday = _months_later(day, 24)
    if day.day > birthday.day:
        birthday += timedelta(days=1)
    return (
        _limit("21_months", day, _months_later(day, 21)),
        _limit("30_days", day, birthday - timedelta(days=30)),
        _limit("second_birthday", day, birthday),
    )


def _limit(reason: AgeReason, born: date, day: date) -> Limit:
    return Limit(reason, start_of(day), (day - born).days)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def come(born: datetime, told: tuple[AgeReason, ...], at: datetime) -> Limit | None:
    """The limit that has come and was not told; of several at once only the latest, since the others are past."""
    reached = [limit for limit in limits(born) if limit.at <= at]
    return reached[-1] if reached and reached[-1].reason not in told else None


def told_rightly(born: datetime, told: tuple[AgeReason, ...], at: datetime) -> tuple[AgeReason, ...]:
    """What was told stays told, but not of a day that by a corrected birth is still to come."""
    past = {limit.reason for limit in limits(born) if limit.at <= at}
    return tuple(reason for reason in told if reason in past)


def to_come(born: datetime, told: tuple[AgeReason, ...], at: datetime) -> Iterator[Limit]:
    """The limits that have to be looked at: the one that has come, and those ahead."""
    now = come(born, told, at)
    if now is not None:
        yield now
    yield from (limit for limit in limits(born) if limit.at > at)


def near(case: Consultation, limit: Limit, *, planned: bool, at: datetime) -> AgeLimitNear:
    if case.child_id is None:
        raise ValueError("an age limit is about a child")
    return AgeLimitNear(
        consultation_id=case.consultation_id,
        child_id=case.child_id,
        team_id=case.team_id,
        practitioner_id=case.assigned_to,
        reason=limit.reason,
        onward_plan=planned,
        age_days=limit.age_days,
        noticed_at=at,
    )
