"""What is put into the system: seeded, of every kind, and bad messages that are really bad."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from attune_contracts.catalogue import CATALOGUE
from attune_contracts.envelope import read
from chassis.parked import Record
from chassis.reading import read_record
from faults.asking import MAPS, OWNER
from faults.cases import SHARES, kind_of
from faults.clocks import next_change, working_hours
from faults.ending import End, Parked, parked_is_what_was_injected
from faults.poison import DAMAGE, READERS, TOPICS, WANTED, good, parked_by
from faults.world import BadMessage

CHILD = uuid7()
KEY = str(CHILD).encode()


def test_cases_are_seeded_and_of_every_kind() -> None:
    kinds = [kind_of(7, n) for n in range(2000)]
    assert kinds == [kind_of(7, n) for n in range(2000)]
    assert kinds != [kind_of(8, n) for n in range(2000)]
    assert set(kinds) == set(SHARES)
    counted = Counter(kinds)
    assert all(abs(counted[kind] / 20 - share) < 3 for kind, share in SHARES.items())


def test_every_command_of_every_service_has_an_owner() -> None:
    assert len(OWNER) == sum(len(s.commands) for s in MAPS)


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("event_type", [t for topic in TOPICS for t in WANTED[topic]])
def test_a_bad_message_is_unreadable_for_whoever_acts_on_it(kind: str, event_type: str) -> None:
    topic = f"attune.{CATALOGUE[event_type].service}"
    key, value, headers = DAMAGE[kind](good(event_type, CHILD, b'{"marigold": "1"}'))
    record = Record(topic, 0, 0, key, value, tuple(headers), 0)
    unreadable = set()
    for service in MAPS:
        if service.name in READERS[topic]:
            i = read_record(record, service.events)
            assert i is None or i.unreadable is not None
            unreadable |= {service.name} if i is not None else set()
    assert unreadable == set(parked_by(topic, headers)) != set()


def test_without_the_damage_it_could_be_read() -> None:
    """Otherwise the kinds of damage would prove nothing."""
    for event_type in (t for types in WANTED.values() for t in types):
        key, value, headers = good(event_type, CHILD, b'{"marigold": "1"}')
        assert read(key, value, headers, ()).envelope.type == event_type
    assert all(e.service for e in CATALOGUE.values())


@pytest.mark.parametrize(
    ("after", "to_summer", "change"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), True, datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), True, datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (datetime(2026, 3, 29, 1, tzinfo=UTC), True, datetime(2027, 3, 28, 1, tzinfo=UTC)),
        (datetime(2026, 3, 29, 1, tzinfo=UTC), False, datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ],
)
def test_the_next_change_of_summer_time(after: datetime, to_summer: bool, change: datetime) -> None:
    assert next_change(after, to_summer=to_summer) == change


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 8, tzinfo=UTC)),
        (datetime(2026, 11, 23, 16, 59, tzinfo=UTC), datetime(2026, 11, 23, 16, 59, tzinfo=UTC)),
        (datetime(2026, 11, 23, 17, tzinfo=UTC), datetime(2026, 11, 24, 9, tzinfo=UTC)),
        (datetime(2026, 11, 24, 7, 59, tzinfo=UTC), datetime(2026, 11, 24, 9, tzinfo=UTC)),
        (datetime(2026, 11, 26, 18, tzinfo=UTC), datetime(2026, 12, 1, 9, tzinfo=UTC)),
        (datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 3, 30, 8, tzinfo=UTC)),
    ],
)
def test_at_night_it_goes_on_to_a_morning_in_the_middle_of_a_week(now: datetime, then: datetime) -> None:
    assert working_hours(now) == then


# --- parked is what was injected --------------------------------------------------------------------------------------

BAD = BadMessage("attune.screening", 3, 17, KEY, "tombstone", None, ("referral", "notification"))
PLACE = ("attune.screening", 3, 17)


def found(*parked: Parked) -> list[str]:
    return list(parked_is_what_was_injected(End(parked=list(parked)), [BAD]).broken)


def failed(service: str, place: tuple[str, int, int] = PLACE) -> Parked:
    return Parked(service, uuid7(), str(CHILD), "failed", "tombstone", place)


def queued(service: str, key: str) -> Parked:
    return Parked(service, uuid7(), key, "queued", "behind_parked", ("attune.screening", 3, 18))


def test_each_reader_parks_it_and_what_is_behind_it_waits() -> None:
    both = failed("referral"), failed("notification")
    assert found(*both) == []
    assert found(*both, queued("referral", str(CHILD))) == []


def test_a_bad_message_may_wait_behind_another_of_its_key() -> None:
    earlier = BadMessage("attune.screening", 3, 16, KEY, "no_type", None, ("referral",))
    parked = [failed("referral", ("attune.screening", 3, 16)), failed("notification")]
    behind = Parked("referral", uuid7(), str(CHILD), "queued", "behind_parked", PLACE)
    assert parked_is_what_was_injected(End(parked=[*parked, behind]), [BAD, earlier]).holds


def test_what_is_missing_or_too_much_is_found() -> None:
    assert len(found(failed("referral"))) == 1
    assert len(found(failed("referral"), failed("notification"), failed("screening"))) == 1
    twice = failed("referral"), failed("notification"), failed("notification")
    assert len(found(*twice)) == 1
    assert len(found(failed("referral"), failed("notification"), queued("referral", str(uuid7())))) == 1
