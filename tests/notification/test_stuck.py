"""What `attune status` hears from notification: a message that is tried in vain, and none that waits for its hour."""

from __future__ import annotations

from datetime import timedelta

from chassis.database import Pool
from chassis.stuck import stuck
from services.notification.store import STUCK
from tests.notification.test_families import MOTHER, PREGNANCY
from tests.support.given import NOON

_MESSAGE = """INSERT INTO messages (message_id, version, kind, about_id, recipient_kind, recipient_id, status,
  correlation_id, recorded_at, give_up_at, next_due_at, attempt, history)
VALUES ($1, 1, 'please_call', $1, 'caregiver', $1, 'pending', $1, $2, $3, $3, 1, '[]')"""


async def test_how_long_a_message_is_tried_does_not_count_the_night(pool: Pool) -> None:
    recorded = NOON - timedelta(hours=14)
    for about, tried_since in ((MOTHER, NOON - timedelta(minutes=3)), (PREGNANCY, NOON - timedelta(minutes=12))):
        await pool.execute(_MESSAGE, about, recorded, tried_since + timedelta(days=1))
    async with pool.acquire() as connection:
        rows = await stuck(connection, NOON, [], STUCK)
    assert [(r["what"], r["about"], r["wrong"]) for r in rows] == [
        ("unsent", PREGNANCY, True),
        ("unsent", MOTHER, False),
    ]
