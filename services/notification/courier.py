"""Sends what the rules have claimed: after the commit, under the policy of that moment; reports what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from chassis import failpoints
from chassis.decision import Refused
from chassis.problem import Unavailable
from chassis.telemetry import CHANNEL_FAILING, DELIVERIES
from services.notification.channels.channel import Channel, Letter
from services.notification.channels.channel import Result as ChannelResult
from services.notification.domain.commands import RecordDelivery
from services.notification.domain.delivery import in_a_digest
from services.notification.domain.message import Message, Result
from services.notification.domain.policy import Allowed, Wait, may_send
from services.notification.lane import Lane, Shape
from services.notification.letters import Letters, UnreadableTemplate
from services.notification.store import Addressee

log = structlog.get_logger(__name__)

Submit = Callable[[Sequence[RecordDelivery]], Awaitable[Sequence[Any]]]
Addressees = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Addressee]]]

MARGIN_S = 3.0
"""Left of a lease at least, when a send ends as late as it may."""
REPORTS_AT_ONCE = 250
TRY_REPORT_AGAIN_S = 0.2
_COUNTED = {"sent": "delivered", "failed": "failed", "doubtful": "doubtful", "suppressed": "suppressed"}


class Courier:
    """The only part of the service that talks to the outside world; it decides nothing that the rules did not."""

    def __init__(
        self,
        channels: Sequence[tuple[Channel, Shape]],
        letters: Letters,
        *,
        submit: Submit,
        addressees: Addressees,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lanes = {channel.name: Lane(channel, shape) for channel, shape in channels}
        self._letters, self._submit, self._addressees, self._now = letters, submit, addressees, now
        self._sending: set[asyncio.Task[None]] = set()
        self._reports: set[asyncio.Task[None]] = set()
        self._stopping = False

    def notify(self, rows: Sequence[Any]) -> None:
        """Takes the messages that a commit has just claimed. Returns at once."""
        not_taken = []
        for row in rows:
            if type(row) is not Message:
                continue
            if row.status != "sending":
                _count(row)
                continue
            lane = self._lanes.get(row.channel or "")
            if lane is None:
                not_taken.append(_report(row, "try_later", "channel_not_configured"))
            elif self._stopping or not lane.put(row):
                not_taken.append(_report(row, "not_begun", wait_s=0.0 if self._stopping else lane.come_again_in()))
        self._report_soon(not_taken)

    async def run(self) -> None:
        """Works every lane until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes.values():
                for _ in range(lane.shape.workers):
                    group.create_task(self._work(lane))

    async def drain(self) -> None:
        """Before the end: gives back what was not begun, waits for what was, and for every result to be recorded."""
        self._stopping = True
        for lane in self._lanes.values():
            self._report_soon([_report(message, "not_begun") for message in lane.waiting])
            lane.waiting.clear()
        while self._sending or self._reports:
            await asyncio.wait(self._sending | self._reports)
        for lane in self._lanes.values():
            await lane.channel.close()

    def in_hand(self) -> int:
        """How much is on its way: messages that wait, and batches under way."""
        return sum(len(lane.waiting) for lane in self._lanes.values()) + len(self._sending) + len(self._reports)

    def failing(self) -> dict[str, dict[str, str]]:
        """Channels that take nothing at the moment, since when and why. Their messages wait; the service is well."""
        for name, lane in self._lanes.items():
            CHANNEL_FAILING.labels(name).set(lane.failing_since is not None)
        return {
            name: {"since": lane.failing_since.isoformat(), "reason": lane.failing_reason or "unknown"}
            for name, lane in self._lanes.items()
            if lane.failing_since is not None
        }

    async def _work(self, lane: Lane) -> None:
        while True:
            messages = await lane.take()
            sending = asyncio.create_task(self._deliver(lane, messages))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
            # A batch that was begun is ended also when the worker is told to stop.
            await asyncio.shield(sending)

    async def _deliver(self, lane: Lane, messages: list[Message]) -> None:
        reports: list[RecordDelivery] = []
        try:
            known = await self._addressees([message.message_id for message in messages])
        except Exception as error:
            log.warning("addressees_not_read", error=type(error).__name__, count=len(messages))
            self._report_soon([_report(message, "not_begun", wait_s=5.0) for message in messages])
            return
        letters: list[tuple[list[Message], Letter]] = []
        for message in messages:
            addressee = known.get(message.message_id)
            prepared = self._prepare(lane, message, addressee)
            if not isinstance(prepared, Letter):
                reports.append(prepared)
            elif letters and _is_together(letters[-1][1], prepared):
                gathered, letter = letters[-1]
                letters[-1] = ([*gathered, message], self._letters.gather(letter, prepared))
            else:
                letters.append(([message], prepared))
        if letters:
            results = await self._send(lane, [letter for _, letter in letters])
            for (gathered, letter), result in zip(letters, results, strict=True):
                # A digest is not made again: what it told alone may by then be another selection.
                honours_key = result.honours_key if len(gathered) == 1 else False
                reports += [
                    _report(m, result.outcome, result.reason, language=letter.language, honours_key=honours_key)
                    for m in gathered
                ]
        self._report_soon(reports)

    def _prepare(self, lane: Lane, message: Message, addressee: Addressee | None) -> Letter | RecordDelivery:
        """The letter, or the report that says why there is none. Looks at the policy once more, as it stands now."""
        now = self._now()
        left = (message.lease_until - now).total_seconds() if message.lease_until is not None else 0.0
        if left < lane.channel.longest_send_s + MARGIN_S:
            return _report(message, "not_begun")
        standing = None if addressee is None else addressee.standing
        verdict = may_send(standing, message.recipient_kind, now, urgent=message.is_urgent)
        if isinstance(verdict, Wait):
            return _report(message, "not_begun")
        if addressee is None or not isinstance(verdict, Allowed):
            return _report(message, "withheld", "unknown_recipient" if isinstance(verdict, Allowed) else verdict)
        if verdict.channel != message.channel or addressee.standing.recipient_id != message.recipient_id:
            return _report(message, "not_begun")  # goes elsewhere since the claim: to be claimed anew
        try:
            text = self._letters.write(message, addressee.language)
        except UnreadableTemplate as error:
            log.error("template_unreadable", kind=message.kind, reason=str(error), message_id=message.message_id)
            return _report(message, "refused_for_good", "template_unreadable")
        return Letter(
            message_id=message.message_id,
            kind=message.kind,
            recipient_id=addressee.standing.recipient_id,
            address=addressee.address,
            phone=addressee.phone,
            post=addressee.post,
            subject=text.subject,
            body=text.body,
            language=text.language,
            attempt=message.attempt,
            written_at=now,
            to_caregiver=message.recipient_kind == "caregiver",
            in_digest=in_a_digest(message, addressee.standing),
        )

    async def _send(self, lane: Lane, letters: list[Letter]) -> Sequence[ChannelResult]:
        began = lane.clock()
        try:
            async with asyncio.timeout(lane.channel.longest_send_s + MARGIN_S / 2):
                failpoints.reached("send.before")
                results = await lane.channel.send(letters)
                failpoints.reached("send.after")
        except Exception as error:
            log.exception("channel_raised", channel=lane.channel.name, error=type(error).__name__)
            results = [ChannelResult("unknown", "channel_raised", channel_fault=True)] * len(letters)
        lane.note(list(results), lane.clock() - began)
        return results

    def _report_soon(self, reports: list[RecordDelivery]) -> None:
        for i in range(0, len(reports), REPORTS_AT_ONCE):
            task = asyncio.create_task(self._tell(reports[i : i + REPORTS_AT_ONCE]))
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)

    async def _tell(self, reports: list[RecordDelivery]) -> None:
        """Records results, all in one batch of the processor; again and again while the service cannot take them."""
        while reports:
            outcomes = await self._submit(reports)
            again = []
            for report, outcome in zip(reports, outcomes, strict=True):
                if isinstance(outcome, Unavailable):
                    again.append(report)
                elif isinstance(outcome, Refused):
                    log.warning("result_refused", reason=type(outcome).__name__, message_id=report.message_id)
                elif isinstance(outcome, BaseException):
                    log.error("result_lost", error=type(outcome).__name__, message_id=report.message_id)
            reports = again
            if reports:
                await asyncio.sleep(TRY_REPORT_AGAIN_S)


def _count(message: Message) -> None:
    if message.status in _COUNTED:
        DELIVERIES.labels(message.channel or "none", _COUNTED[message.status]).inc()


def _is_together(first: Letter, following: Letter) -> bool:
    """One digest of the same person: nothing is added to a letter that is tried again, or that goes alone."""
    return first.in_digest and following.in_digest and first.recipient_id == following.recipient_id


def _report(
    message: Message,
    result: Result,
    reason: str | None = None,
    *,
    language: str | None = None,
    wait_s: float = 0.0,
    honours_key: bool | None = None,
) -> RecordDelivery:
    return RecordDelivery(
        message_id=message.message_id,
        attempt=message.attempt,
        result=result,
        reason=reason,
        language=language,
        wait_seconds=wait_s,
        honours_key=honours_key,
        pregnancy_id=message.about_id if message.recipient_kind == "caregiver" else None,
    )
