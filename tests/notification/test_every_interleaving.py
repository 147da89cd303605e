"""Any order of claims, crashes, results, leases and changes of the policy: P8, and nothing sent twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chassis.decision import Cause, Decision, Due
from services.notification.domain import delivery, repair
from services.notification.domain.commands import RecordDelivery, SendAgain, SettleDoubt
from services.notification.domain.delivery import AtResult, AtSending
from services.notification.domain.message import HONOURS_KEY, Message, Result
from services.notification.domain.policy import Allowed, Standing, may_send
from tests.notification.examples import a_message, a_standing
from tests.support.given import NOON, some_id

BY_MAIL, BY_FILE = a_standing(channels=("email",)), a_standing(channels=("file",))
POLICIES = (BY_MAIL, BY_FILE, a_standing(channels=("file", "email")), a_standing(do_not_contact=True), None)
FATES = st.sampled_from(["takes", "loses_the_answer", "lost", "4xx", "5xx"])
LONGEST_SEND = timedelta(seconds=5)
TERMINAL = {"sent", "failed", "suppressed", "doubtful"}


class Delivery(RuleBasedStateMachine):
    """One message, its recipient, couriers that may die at any moment, and channels that do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.at: datetime = NOON
        self.message: Message = a_message()
        self.standing: Standing | None = BY_MAIL
        self.in_hand: list[Message] = []
        self.results: list[RecordDelivery] = []
        self.arrived: list[tuple[str, bool]] = []
        self.told: list[str] = []
        self.inputs = 0

    # --- the processor ------------------------------------------------------------------------------------------

    def cause(self) -> Cause:
        self.inputs += 1
        return Cause(some_id(str(self.inputs)), self.at)

    def apply(self, decision: Decision) -> None:
        for row in decision.rows:
            was, self.message = self.message, row
            if row.status == "sending" and (was.status, was.attempt) != ("sending", row.attempt):
                assert isinstance(may_send(self.standing, row.recipient_kind, self.at), Allowed), (
                    "claimed against policy"
                )
                self.in_hand.append(row)
        self.told += [type(event).__name__ for event in decision.told]

    def ring(self) -> None:
        at_sending = AtSending(self.message, self.standing)
        self.apply(delivery.clock(at_sending, Due(self.message.message_id), self.cause()))

    def report(self, message: Message, result: Result, reason: str | None = None) -> None:
        self.results.append(
            RecordDelivery(message_id=message.message_id, attempt=message.attempt, result=result, reason=reason)
        )

    # --- what may happen ----------------------------------------------------------------------------------------

    @initialize(standing=st.sampled_from([BY_MAIL, BY_FILE]))
    def begin(self, standing: Standing) -> None:
        self.standing = standing

    @rule(seconds=st.sampled_from([0, 1, 14, 16, 19, 20, 60, 110, 120, 900, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)

    @rule(in_time=st.sampled_from([True, True, True, False]), twice=st.booleans())
    def the_clock_rings(self, in_time: bool, twice: bool) -> None:
        if in_time and self.message.next_due_at is not None:
            self.at = max(self.at, self.message.next_due_at)
        self.ring()
        if twice:
            self.ring()

    @rule(standing=st.sampled_from(POLICIES))
    def the_policy_changes(self, standing: Standing | None) -> None:
        self.standing = standing

    @rule(what=FATES, then=st.sampled_from(["recorded", "recorded later", "killed"]))
    def an_attempt_from_claim_to_record(self, what: str, then: str) -> None:
        self.in_hand.clear()
        self.the_clock_rings(in_time=True, twice=False)
        while self.in_hand:
            self.courier_takes(self.in_hand.pop(), what)
            if then == "killed":
                self.results.pop()
            elif then == "recorded":
                self.apply(delivery.record(AtResult(self.message), self.results.pop(), self.cause()))

    @precondition(lambda self: self.in_hand)
    @rule(what=FATES)
    def a_courier_takes_what_it_holds(self, what: str) -> None:
        self.courier_takes(self.in_hand.pop(), what)

    def courier_takes(self, message: Message, what: str) -> None:
        assert message.lease_until is not None
        assert message.channel is not None
        if self.at + LONGEST_SEND > message.lease_until:
            self.report(message, "not_begun")
            return
        verdict = may_send(self.standing, message.recipient_kind, self.at)
        if not isinstance(verdict, Allowed):
            self.report(message, "withheld", verdict)
        elif verdict.channel != message.channel:
            self.report(message, "not_begun")
        else:
            self.channel_does(message, what)

    def channel_does(self, message: Message, what: str) -> None:
        assert message.channel is not None
        if what in ("takes", "loses_the_answer"):
            allowed = isinstance(may_send(self.standing, message.recipient_kind, self.at), Allowed)
            self.arrived.append((message.channel, allowed))
        results: dict[str, Result] = {
            "takes": "accepted",
            "loses_the_answer": "unknown",
            "lost": "unknown",
            "4xx": "try_later",
            "5xx": "refused_for_good",
        }
        # A keyed channel that got the letter before does not refuse it later.
        result = results[what]
        if result == "refused_for_good" and HONOURS_KEY[message.channel] and self.arrived:
            result = "accepted"
        self.report(message, result)

    @precondition(lambda self: self.in_hand or self.results)
    @rule(data=st.data())
    def the_process_is_killed(self, data: st.DataObject) -> None:
        del self.in_hand[: data.draw(st.integers(0, len(self.in_hand)))]
        del self.results[: data.draw(st.integers(0, len(self.results)))]

    @precondition(lambda self: self.results)
    @rule(data=st.data(), again=st.booleans())
    def a_result_is_recorded(self, data: st.DataObject, again: bool) -> None:
        n = data.draw(st.integers(0, len(self.results) - 1))
        result = self.results[n] if again else self.results.pop(n)
        self.apply(delivery.record(AtResult(self.message), result, self.cause()))

    @precondition(lambda self: self.message.status in ("failed", "suppressed"))
    @rule()
    def a_person_has_it_sent_again(self) -> None:
        self.apply(repair.send_again(self.message, SendAgain(message_id=self.message.message_id), self.cause()))

    @precondition(lambda self: self.message.status == "doubtful" and not self.in_hand)
    @rule()
    def a_person_looks_at_the_doubt(self) -> None:
        command = SettleDoubt(message_id=self.message.message_id, arrived=bool(self.arrived))
        self.apply(repair.settle_doubt(AtResult(self.message), command, self.cause()))

    # --- what must always be true -------------------------------------------------------------------------------

    @invariant()
    def a_mail_server_gets_it_at_most_once(self) -> None:
        assert sum(not HONOURS_KEY[channel] for channel, _ in self.arrived) <= 1

    @invariant()
    def it_arrives_by_one_channel_only(self) -> None:
        assert len({channel for channel, _ in self.arrived}) <= 1

    @invariant()
    def nothing_was_sent_against_the_policy(self) -> None:
        assert all(allowed for _, allowed in self.arrived)

    @invariant()
    def what_arrived_is_never_called_failed_or_suppressed(self) -> None:
        assert not (self.arrived and self.message.status in ("failed", "suppressed"))

    @invariant()
    def what_is_called_sent_did_arrive(self) -> None:
        assert self.message.status != "sent" or self.arrived

    @invariant()
    def an_open_message_will_be_looked_at_again(self) -> None:
        assert (self.message.status in TERMINAL) == (self.message.next_due_at is None)
        assert (self.message.status == "sending") == (self.message.lease_until is not None)

    def teardown(self) -> None:
        """When the faults are over, every message comes to an end within a day, and the end was told."""
        self.in_hand.clear()
        for _ in range(400):
            if self.message.next_due_at is None:
                break
            self.at = max(self.at, self.message.next_due_at)
            self.ring()
            for held in self.in_hand:
                self.channel_does(held, "takes")
            self.in_hand.clear()
            for result in self.results:
                self.apply(delivery.record(AtResult(self.message), result, self.cause()))
            self.results.clear()
        assert self.message.status in TERMINAL
        endings = {"sent": "MessageSent", "failed": "MessageFailed", "suppressed": "MessageSuppressed"}
        by_person = {"arrived", "sent_again", "not_arrived"} & {a.result for a in self.message.history}
        assert by_person or endings.get(self.message.status, "MessageDoubtful") in self.told
        self.a_mail_server_gets_it_at_most_once()
        self.it_arrives_by_one_channel_only()
        self.nothing_was_sent_against_the_policy()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=300, stateful_step_count=20, deadline=None)
