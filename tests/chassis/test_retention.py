"""What is kept and for how long: no month is missing, nothing goes that may still be needed, the rest goes (P2, P5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from chassis import database, retention, telemetry
from chassis.arrivals import Done
from chassis.processor import Processor
from chassis.retention import Retention
from chassis.settings import INBOX_KEEP_DAYS, JOURNAL_KEEP_DAYS, ServiceSettings, SettingsInvalid, load
from tests.chassis.test_stream import settings_for
from tests.chassis.toy import heard, record

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
_JOURNAL = """INSERT INTO journal (recorded_at, event_id, key, sequence, type, correlation_id, causation_id, data)
VALUES ($1, $2, $2, 1, 'attune.screening.screening-not-completed.v1', $2, $2, '{}')"""
_OUTBOX = _JOURNAL.replace("INTO journal", "INTO outbox")


@pytest.fixture
async def pool(toy_database: str) -> AsyncIterator[database.Pool]:
    pool = await database.connect_pool(toy_database, size=4, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def settings(toy_database: str, tmp_path: Path) -> ServiceSettings:
    return settings_for(toy_database, "nowhere:1", tmp_path)


def at(pool: database.Pool, settings: ServiceSettings, now: datetime = NOW, *, mine: bool = True) -> Retention:
    return Retention(pool, settings, now=lambda: now, is_mine=lambda: mine)


async def tell_at(pool: database.Pool, when: datetime) -> UUID:
    id_ = uuid7()
    await pool.execute(_JOURNAL, when, id_)
    return id_


async def months(pool: database.Pool) -> list[str]:
    return [r[0] for r in await pool.fetch("SELECT name FROM journal_months ORDER BY name")]


def named(when: datetime) -> str:
    return f"journal_{when:%Y_%m}"


async def place(pool: database.Pool, id_: UUID) -> str:
    return str(await pool.fetchval("SELECT tableoid::regclass::text FROM journal WHERE event_id = $1", id_))


# --- months of the journal --------------------------------------------------------------------------------------------


async def test_the_next_month_is_there_before_it_begins(pool: database.Pool, settings: ServiceSettings) -> None:
    # given a service that runs on and on, looked at every twenty days for two years
    for days in range(0, 730, 20):
        now = NOW + timedelta(days=days)
        await at(pool, settings, now).make_months()
        # then events of any moment until the look after the next go to their month
        for soon in (0, 19, 40):
            when = now + timedelta(days=soon)
            assert await place(pool, await tell_at(pool, when)) == named(when)
    assert telemetry.JOURNAL_MONTHS_AHEAD._value.get() == retention.MONTHS_AHEAD
    assert telemetry.JOURNAL_UNPLACED._value.get() == 0


async def test_the_last_instant_of_a_month_and_the_first_of_the_next_have_their_places(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    new_year = datetime(2031, 1, 1, tzinfo=UTC)
    await at(pool, settings, new_year - DAY).make_months()
    assert await place(pool, await tell_at(pool, new_year)) == "journal_2031_01"
    assert await place(pool, await tell_at(pool, new_year - timedelta(microseconds=1))) == "journal_2030_12"


async def test_events_of_a_month_that_was_not_made_are_kept_shown_and_placed_later(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    # given events far ahead and far back: a clock was wrong, or nobody made months for long
    far, old = NOW + timedelta(days=500), NOW - timedelta(days=300)
    ids = {when: [await tell_at(pool, when) for _ in range(3)] for when in (far, old)}
    assert await place(pool, ids[far][0]) == "journal_rest"
    async with pool.acquire() as connection:
        await at(pool, settings)._count(connection)
    assert telemetry.JOURNAL_UNPLACED._value.get() == 6
    # when months are made
    await at(pool, settings).make_months()
    # then each event is in its month, once, and no alarm is left
    for when, told in ids.items():
        assert [await place(pool, id_) for id_ in told] == [named(when)] * 3
    assert await pool.fetchval("SELECT count(*) FROM journal") == 6
    assert telemetry.JOURNAL_UNPLACED._value.get() == 0


async def tell_in_the_end(pool: database.Pool, when: datetime) -> UUID:
    """As the processor does: what met somebody else at the same rows is tried again."""
    while True:
        try:
            return await tell_at(pool, when)
        except asyncpg.PostgresError as error:
            if not database.is_lost_race(error):
                raise


async def test_a_row_that_waited_while_its_month_was_made_is_a_lost_race(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    await at(pool, settings).make_months()
    with pytest.raises(asyncpg.CheckViolationError) as raised:
        await pool.execute(_JOURNAL.replace("journal", "journal_rest", 1), NOW, uuid7())
    assert database.is_lost_race(raised.value)
    assert not database.is_impossible(raised.value)


async def test_months_can_be_made_by_several_processes_while_events_come(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    far = NOW + timedelta(days=400)
    before = [await tell_at(pool, far) for _ in range(5)]
    told, *_ = await asyncio.gather(
        asyncio.gather(*(tell_in_the_end(pool, far + timedelta(seconds=n)) for n in range(40))),
        *(at(pool, settings).make_months() for _ in range(3)),
    )
    await at(pool, settings).make_months()
    assert {await place(pool, id_) for id_ in (*before, *told)} == {named(far)}


async def test_a_month_is_dropped_when_all_of_it_is_too_old_and_not_before(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    limit = timedelta(days=settings.journal_keep_days)
    for days in (0, 40, 80):
        await tell_at(pool, NOW - limit - timedelta(days=days))
    young = await tell_at(pool, NOW - limit)
    await at(pool, settings).make_months()
    dropped = await at(pool, settings).drop_months()
    # the month of the limit itself stays, whole
    assert dropped == sorted({named(NOW - limit - timedelta(days=days)) for days in (40, 80)} - {named(NOW - limit)})
    assert named(NOW - limit) in await months(pool)
    assert await place(pool, young) == named(NOW - limit)
    assert await at(pool, settings).drop_months() == []


async def test_the_instant_at_which_a_month_is_old_enough(pool: database.Pool, settings: ServiceSettings) -> None:
    ends = datetime(2020, 4, 1, tzinfo=UTC)
    await tell_at(pool, ends - DAY)
    await at(pool, settings).make_months()
    old_enough = ends + timedelta(days=settings.journal_keep_days)
    assert await at(pool, settings, old_enough - timedelta(microseconds=1)).drop_months() == []
    assert await at(pool, settings, old_enough).drop_months() == ["journal_2020_03"]


async def test_p5_no_month_goes_while_something_of_it_waits_to_be_published(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    old = NOW - timedelta(days=settings.journal_keep_days + 100)
    await tell_at(pool, old)
    await at(pool, settings).make_months()
    waiting = uuid7()
    await pool.execute(_OUTBOX, old, waiting)
    assert await at(pool, settings).drop_months() == []
    await pool.execute("DELETE FROM outbox")
    assert await at(pool, settings).drop_months() == [named(old)]


async def test_p5_a_clock_that_jumped_ahead_makes_nothing_old(pool: database.Pool, settings: ServiceSettings) -> None:
    await tell_at(pool, NOW - timedelta(days=200))
    await at(pool, settings).make_months()
    await hear(pool, NOW - timedelta(days=200))
    jumped = at(pool, settings, NOW + timedelta(days=100_000))
    assert await jumped.drop_months() == []
    assert await jumped.prune() == 0


async def test_p5_the_last_thirty_days_stay_whatever_is_asked(pool: database.Pool) -> None:
    await tell_at(pool, NOW - timedelta(days=29))
    await pool.execute("SELECT journal_partitions($1, 0)", NOW)
    assert named(NOW - timedelta(days=29)) not in await pool.fetchval("SELECT journal_drop($1)", NOW + 900 * DAY)


# --- the inbox --------------------------------------------------------------------------------------------------------


async def hear(pool: database.Pool, when: datetime, *, command: bool = False) -> UUID:
    id_ = uuid7()
    what = (b"f", 201, b"{}") if command else (None, None, None)
    await pool.execute("INSERT INTO inbox VALUES ($1, $2, $3, $4, $5)", id_, when, *what)
    return id_


async def known(pool: database.Pool) -> set[UUID]:
    return {r[0] for r in await pool.fetch("SELECT id FROM inbox")}


async def test_p2_events_and_commands_are_forgotten_each_at_its_age(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    events, replies = (timedelta(days=d) for d in (settings.inbox_keep_days, settings.reply_keep_days))
    second = timedelta(seconds=60)
    stay = {await hear(pool, NOW - events + second), await hear(pool, NOW - replies + second, command=True)}
    await hear(pool, NOW - events - second)
    await hear(pool, NOW - replies - second, command=True)
    before = telemetry.PRUNED.labels("events")._value.get(), telemetry.PRUNED.labels("replies")._value.get()
    assert await at(pool, settings).prune() == 2
    assert await known(pool) == stay
    after = telemetry.PRUNED.labels("events")._value.get(), telemetry.PRUNED.labels("replies")._value.get()
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


async def test_the_whole_inbox_is_gone_through_in_small_bites(
    pool: database.Pool, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BITE_PAGES", 3)
    old, young = NOW - timedelta(days=INBOX_KEEP_DAYS + 1), NOW - DAY
    rows = [(uuid7(), old if n % 3 else young) for n in range(6000)]
    await pool.copy_records_to_table("inbox", records=[(*row, None, None, None) for row in rows])
    assert await at(pool, settings).prune() == 4000
    assert await pool.fetchval("SELECT count(*) FROM inbox WHERE handled_at = $1", young) == 2000


async def test_p2_what_the_inbox_may_have_forgotten_is_said_before_it_is_forgotten(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    await at(pool, settings).prune()
    since = await pool.fetchval("SELECT inbox_since FROM kept")
    assert since == NOW - timedelta(days=settings.inbox_keep_days)
    # a limit that was raised later does not bring back what is gone
    longer = settings.model_copy(update={"inbox_keep_days": 9000})
    await at(pool, longer).prune()
    assert await pool.fetchval("SELECT inbox_since FROM kept") == since


async def test_p2_pruning_beside_work_makes_nothing_happen_twice(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    processor = Processor(pool, now=lambda: datetime.now(UTC), service="toy")
    key = uuid7()
    records = [record(key, 1, offset=n) for n in range(1, 60)]
    pruning = asyncio.create_task(at(pool, settings).prune())
    for r in records:
        await processor.process([heard(r)])
    await pruning
    await at(pool, settings).prune()
    assert set(await processor.process([heard(r) for r in records])) == {Done.DUPLICATE}
    assert await pool.fetchval("SELECT total FROM counters WHERE counter_id = $1", key) == len(records)


async def test_only_the_process_that_publishes_removes_and_every_one_makes_months(
    pool: database.Pool, settings: ServiceSettings
) -> None:
    old = NOW - timedelta(days=settings.journal_keep_days + 100)
    await tell_at(pool, old)
    await hear(pool, NOW - timedelta(days=settings.inbox_keep_days + 1))
    await at(pool, settings, mine=False).round()
    assert named(old) in await months(pool)
    assert len(await known(pool)) == 1
    due = at(pool, settings)
    due._prune_at = 0.0
    await due.round()
    assert named(old) not in await months(pool)
    assert await known(pool) == set()


async def test_what_fails_is_counted_and_does_not_end_the_service(
    pool: database.Pool, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TRY_AGAIN_SECONDS", 0.05)
    await pool.execute("ALTER TABLE journal_rest RENAME TO journal_gone")
    before = telemetry.RETENTION_ERRORS._value.get()
    task = asyncio.create_task(at(pool, settings).run())
    await asyncio.sleep(0.5)
    assert telemetry.RETENTION_ERRORS._value.get() >= before + 2
    assert not task.done()
    task.cancel()


async def test_a_service_role_that_owns_nothing_can_do_all_of_it(
    pool: database.Pool, settings: ServiceSettings, toy_database: str
) -> None:
    """Making and dropping months are the owner's rights, lent for exactly that."""
    role = f"app_{uuid7().hex[-12:]}"
    await pool.execute(
        f"CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    )
    try:
        app = await database.connect_pool(toy_database.replace("//postgres", f"//{role}"), size=2, name="app")
        await tell_at(pool, NOW - timedelta(days=settings.journal_keep_days + 100))
        await at(app, settings).make_months()
        assert len(await at(app, settings).drop_months()) == 1
        with pytest.raises(Exception, match="must be owner"):
            await app.execute(f"DROP TABLE {named(NOW)}")
        app.terminate()
    finally:
        await pool.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


# --- settings that fit together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "wrong"),
    [
        ({}, None),
        ({"JOURNAL": 400, "INBOX": 445}, None),
        ({"JOURNAL": 400, "INBOX": 444}, "INBOX"),
        ({"JOURNAL": JOURNAL_KEEP_DAYS + 30}, "INBOX"),
        ({"TOPIC": 400, "JOURNAL": 400, "INBOX": 1000}, "JOURNAL"),
        ({"TOPIC": 399, "JOURNAL": 400, "INBOX": 1000}, None),
        ({"INBOX": "many"}, "INBOX"),
    ],
)
def test_the_inbox_must_outlive_whatever_can_bring_an_event_again(
    days: dict[str, int | str],
    wrong: str | None,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    variables = {"HTTP_PORT": 1, "DATABASE_URL": "postgres://a@b/c", "KAFKA_BOOTSTRAP": "a:1", "OIDC_ISSUER": "i"}
    variables |= {"OIDC_AUDIENCE": "a", "OIDC_JWKS": tmp_path / "jwks.json"}
    for name, value in (variables | {f"{name}_KEEP_DAYS": n for name, n in days.items()}).items():
        monkeypatch.setenv(f"ATTUNE_{name}", str(value))
    if wrong is None:
        load(ServiceSettings)
        return
    with pytest.raises(SettingsInvalid, match=f"ATTUNE_{wrong}_KEEP_DAYS"):
        load(ServiceSettings)
