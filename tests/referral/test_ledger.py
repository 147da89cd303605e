"""Any order of screenings, commands, workforce events and sweeps, with repetitions, over several pools: P6 and P7 hold.

P6: every concern has exactly one consultation, and an accepted one exactly one of owner and place.
P7: nobody's points in use grow beyond the capacity, and they are the sum of the cases held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from attune_contracts.referral import (
    CaseAssigned,
    CaseHandedOver,
    ConsultationKind,
    ConsultationReopened,
    ConsultationTriaged,
    TriageDecision,
    WaitingListJoined,
)
from attune_contracts.workforce import (
    AbsenceEnded,
    AbsenceStarted,
    CapacityChanged,
    CompetenceAwarded,
    CompetenceSuspended,
    PractitionerLeft,
    PractitionerRegistered,
)
from chassis.decision import Cause, Decision, Refused
from chassis.value import replace
from services.referral.domain import (
    allocation,
    consultation,
    course,
    direct_work,
    ending,
    hand_over,
    membership,
    offer,
    reopening,
    team_policy,
    triage,
    whole_caseload,
)
from services.referral.domain.assignment import Seats
from services.referral.domain.commands import (
    AcceptCase,
    AcknowledgeConsultation,
    CloseCase,
    DeclineCase,
    HandOverCase,
    HandOverCaseload,
    HoldConsultation,
    ReopenConsultation,
    RequestConsultation,
    SetPolicy,
    TriageConsultation,
    WithdrawConsultation,
)
from services.referral.domain.consultation import Consultation, concern_id
from services.referral.domain.placing import in_line, weighed
from services.referral.domain.pool import COMPETENCE, available
from services.referral.domain.rules import DEFAULT
from services.referral.domain.work_commands import EndDirectWork
from tests.referral.builders import concern, intervention, planned
from tests.referral.ledger import Decide, Ledger
from tests.support.given import some_id

TEAMS = [some_id(f"team {n}") for n in range(2)]
STAFF = {some_id(f"practitioner {n}"): TEAMS[n % 2] for n in range(6)}
FAMILIES = [some_id(f"family {n}") for n in range(3)]

QUIET_WITHIN = 300
"""Looks after which the pools must have come to rest."""

teams = st.sampled_from(TEAMS)
staff = st.sampled_from(sorted(STAFF))
families = st.sampled_from(FAMILIES)
languages = st.sampled_from(["en", "pl"])
points = st.integers(0, 6)
days = st.integers(1, 40)
which = st.integers(0, 1_000)


@contextmanager
def small_looks() -> Iterator[None]:
    """Limits so small that every pool has more cases than one look reads."""
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in (("ASKED", 3), ("WAITING", 2), ("LEAVING", 2), ("ENDED", 2)):
            patch.setattr(allocation, name, limit)
        yield


class Referral(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.concerns: set[UUID] = set()
        self.sent: list[tuple[Decide, Any, UUID, UUID | None]] = []
        self.before: dict[UUID, tuple[int, int]] = {}
        self.limits = small_looks()
        self.limits.__enter__()

    def teardown(self) -> None:
        try:
            self.quiet()
        finally:
            self.limits.__exit__(None, None, None)

    def send(self, decide: Decide, data: Any, *, by: UUID | None = None) -> None:
        input_id = some_id(f"input {len(self.sent)}")
        self.sent.append((decide, data, input_id, by))
        self.deliver(decide, data, input_id, by)

    def deliver(self, decide: Decide, data: Any, input_id: UUID, by: UUID | None) -> None:
        self.ledger.pass_time(timedelta(seconds=1))
        self.check_points(self.ledger.handle(decide, data, input_id, by=by))

    def any_case(self, number: int) -> Consultation | None:
        """Mostly one that somebody has: most of what can go wrong begins there."""
        cases = list(self.ledger.cases.values())
        if number % 4:
            cases = [c for c in cases if c.assigned_to and c.status == "accepted"] or cases
        return cases[number % len(cases)] if cases else None

    # What may come in.

    @initialize(capacities=st.lists(points, max_size=len(STAFF)))
    def some_certified_specialists(self, capacities: list[int]) -> None:
        for who, capacity in zip(sorted(STAFF), capacities, strict=False):
            self.registered(who, capacity, "en")
            self.awarded(who, 40)

    @rule(team=teams, family=families, urgent=st.booleans(), language=languages)
    def screened(self, team: UUID, family: UUID, urgent: bool, language: str) -> None:
        word = "consultation_urgent" if urgent else "consultation_routine"
        event = concern(f"{len(self.concerns)}", team_id=team, pregnancy_id=family, follows=word, language=language)
        self.concerns.add(event.screening_id)
        self.send(consultation.consider_screening, event)

    @rule(team=teams, urgent=st.booleans())
    def asked_anonymously(self, team: UUID, urgent: bool) -> None:
        priority = "urgent" if urgent else "routine"
        command = RequestConsultation(team_id=team, kind="reflective_discussion", priority=priority)  # type: ignore[arg-type]
        self.send(consultation.request, command, by=some_id("asker"))

    @rule(number=which)
    def repeated(self, number: int) -> None:
        """Delivered again: known to the inbox."""
        if self.sent:
            self.deliver(*self.sent[number % len(self.sent)])

    @rule(number=which)
    def replayed(self, number: int) -> None:
        """Delivered again long after the inbox has forgotten it; a screening is known by its consultation."""
        screenings = [s for s in self.sent if s[0] is consultation.consider_screening]
        if screenings:
            decide, data, _, by = screenings[number % len(screenings)]
            self.send(decide, data, by=by)

    @rule(number=which)
    def acknowledged(self, number: int) -> None:
        if (case := self.any_case(number)) is not None:
            command = AcknowledgeConsultation(consultation_id=case.consultation_id)
            self.send(course.acknowledge, command, by=some_id("specialist"))

    @rule(number=which)
    def withdrawn(self, number: int) -> None:
        if (case := self.any_case(number)) is not None:
            command = WithdrawConsultation(consultation_id=case.consultation_id)
            self.send(ending.withdraw, command, by=case.requested_by)

    @rule(number=which)
    def closed(self, number: int) -> None:
        if (case := self.any_case(number)) is not None:
            command = CloseCase(consultation_id=case.consultation_id, reason="completed")
            self.send(ending.close, command, by=some_id("specialist"))

    @rule(by_person=st.booleans())
    def rules_set(self, by_person: bool) -> None:
        kinds: tuple[ConsultationKind, ...] = ("reflective_discussion",) if by_person else ()
        self.ledger.rules = replace(DEFAULT, triaged_by_person=kinds)

    @rule(number=which, decision=st.sampled_from(["accepted", "declined", "redirected"]), to=teams)
    def triaged(self, number: int, decision: TriageDecision, to: UUID) -> None:
        if (case := self.any_case(number)) is not None:
            command = TriageConsultation(
                consultation_id=case.consultation_id,
                team_id=case.team_id,
                decision=decision,
                reason="other",
                to_team_id=to if decision == "redirected" else None,
                note="Because.",
            )
            self.send(triage.triage, command, by=some_id("lead"))

    @rule(number=which)
    def held(self, number: int) -> None:
        if (case := self.any_case(number)) is not None:
            command = HoldConsultation(consultation_id=case.consultation_id, outcome="advice")
            self.send(course.hold, command, by=some_id("specialist"))

    @rule(number=which)
    def reopened(self, number: int) -> None:
        if (case := self.any_case(number)) is not None:
            command = ReopenConsultation(consultation_id=case.consultation_id, reason="Again.")
            self.send(reopening.reopen, command, by=some_id("lead"))

    @rule()
    def clocks_are_looked_at(self) -> None:
        self.ledger.look_at_clocks()

    @rule(number=which)
    def accepted(self, number: int) -> None:
        if (case := self.any_case(number)) is not None and case.assigned_to is not None:
            self.send(offer.accept, AcceptCase(consultation_id=case.consultation_id), by=case.assigned_to)

    @rule(number=which)
    def declined(self, number: int) -> None:
        if (case := self.any_case(number)) is not None and case.assigned_to is not None:
            command = DeclineCase(consultation_id=case.consultation_id, reason="no_time")
            self.send(offer.decline, command, by=case.assigned_to)

    @rule(number=which, weight=st.integers(1, 6))
    def direct_work_planned(self, number: int, weight: int) -> None:
        if (case := self.any_case(number)) is not None:
            self.ledger.catalogue = intervention(points=weight)
            self.send(direct_work.plan, planned(case.consultation_id), by=some_id("specialist"))

    @rule(number=which)
    def direct_work_ended(self, number: int) -> None:
        works = list(self.ledger.works)
        if works:
            case = self.ledger.cases[works[number % len(works)]]
            command = EndDirectWork(
                consultation_id=case.consultation_id, team_id=case.team_id, reason="ended_by_family", goals=[]
            )
            self.send(direct_work.end, command, by=some_id("specialist"))

    @rule()
    def direct_work_followed(self) -> None:
        self.ledger.follow()

    @rule(who=staff, no_place=st.sampled_from(["stays", "waits"]))
    def whole_caseload_handed_over(self, who: UUID, no_place: Any) -> None:
        """By the preview that was just looked at, or by one of another way."""
        asked = HandOverCaseload(team_id=STAFF[who], from_practitioner_id=who, no_place=no_place, preview="0" * 16)
        found = self.ledger._state(asked)
        try:
            shown = whole_caseload.preview(
                found, who, "stays", Cause(some_id("look"), self.ledger.now + timedelta(seconds=1))
            )
        except Refused:
            return
        self.send(whole_caseload.hand_over, asked.model_copy(update={"preview": shown.version}), by=some_id("lead"))

    @rule()
    def offers_lapse(self) -> None:
        self.ledger.lapse()

    @rule(
        team=teams,
        days=st.none() | st.integers(1, 3),
        head_start=st.sampled_from([0, 10, 36_500]),
        weight=st.integers(1, 3),
    )
    def policy_set(self, team: UUID, days: int | None, head_start: int, weight: int) -> None:
        pool = self.ledger.pools.get(team)
        command = SetPolicy(
            team_id=team,
            version=(pool.policy.version if pool and pool.policy else 0) + 1,
            urgent_head_start_days=head_start,
            case_consultation_points=weight,
            offer_working_days=days,
        )
        self.send(team_policy.set_policy, command, by=some_id("lead"))

    @rule(number=which, to=st.none() | staff)
    def handed_over(self, number: int, to: UUID | None) -> None:
        if (case := self.any_case(number)) is not None:
            command = HandOverCase(consultation_id=case.consultation_id, team_id=case.team_id, to_practitioner_id=to)
            self.send(hand_over.hand_over, command, by=some_id("lead"))

    @rule(who=staff, capacity=points, language=languages)
    def registered(self, who: UUID, capacity: int, language: str) -> None:
        event = PractitionerRegistered(
            practitioner_id=who,
            team_id=STAFF[who],
            role="specialist",
            capacity_points=capacity,
            languages=(language,),
            registered_at=self.ledger.now,
        )
        self.send(membership.practitioner_registered, event)

    @rule(who=staff, lasts=days)
    def awarded(self, who: UUID, lasts: int) -> None:
        now = self.ledger.now
        event = CompetenceAwarded(
            practitioner_id=who,
            team_id=STAFF[who],
            competence=COMPETENCE,
            valid_from=now,
            valid_until=now + timedelta(days=lasts),
            awarded_at=now,
        )
        self.send(membership.competence_awarded, event)

    @rule(who=staff)
    def suspended(self, who: UUID) -> None:
        event = CompetenceSuspended(
            practitioner_id=who,
            team_id=STAFF[who],
            competence=COMPETENCE,
            reason="review",
            suspended_at=self.ledger.now,
        )
        self.send(membership.competence_suspended, event)

    @rule(who=staff, capacity=points)
    def resized(self, who: UUID, capacity: int) -> None:
        event = CapacityChanged(
            practitioner_id=who, team_id=STAFF[who], capacity_points=capacity, changed_at=self.ledger.now
        )
        self.send(membership.capacity_changed, event)

    @rule(who=staff, lasts=st.none() | days, hands_over=st.booleans())
    def absent(self, who: UUID, lasts: int | None, hands_over: bool) -> None:
        now = self.ledger.now
        event = AbsenceStarted(
            practitioner_id=who,
            team_id=STAFF[who],
            absence_id=some_id(f"absence of {who}"),
            kind="leave",
            until=None if lasts is None else now + timedelta(days=lasts),
            hand_over=hands_over,
            started_at=now,
        )
        self.send(membership.absence_started, event)

    @rule(who=staff)
    def returned(self, who: UUID) -> None:
        event = AbsenceEnded(
            practitioner_id=who,
            team_id=STAFF[who],
            absence_id=some_id(f"absence of {who}"),
            ended_at=self.ledger.now,
        )
        self.send(membership.absence_ended, event)

    @rule(who=staff)
    def left(self, who: UUID) -> None:
        event = PractitionerLeft(practitioner_id=who, team_id=STAFF[who], reason="retired", left_at=self.ledger.now)
        self.send(membership.practitioner_left, event)

    @rule(lasts=days)
    def time_passes(self, lasts: int) -> None:
        self.ledger.pass_time(timedelta(days=lasts))

    @rule()
    def clock_goes(self) -> None:
        for team in self.ledger.due():
            self.swept(team)

    @rule(team=teams)
    def swept(self, team: UUID) -> None:
        """Due or not: late, early and double sweeps do no harm."""
        before = dict(self.ledger.cases)
        decision = self.ledger.look(team)
        self.check_points(decision)
        self.check_order(team, decision, before)

    @rule()
    def quiet(self) -> None:
        """With everything done that is due: no points held for nothing, nobody waits while there is a place."""
        for _ in range(QUIET_WITHIN):
            if not (due := self.ledger.due()):
                break
            self.swept(due[0])
        assert not self.ledger.due(), "the pools do not come to rest"
        self.ledger.follow()
        self.direct_work_has_its_points()
        self.every_concern_has_one_consultation()
        self.points_are_the_sum_of_the_cases_held()
        assert not any(c.unsettled for c in self.ledger.cases.values())
        for pool in self.ledger.pools.values():
            assert not any(m.must_hand_over for m in pool.members)
            seats = Seats(pool.members, self.ledger.now)
            assert {m.practitioner_id: m.used_points for m in pool.members} == {
                m.practitioner_id: sum(
                    c.points
                    for c in self.ledger.cases.values()
                    if c.assigned_to == m.practitioner_id and c.status == "accepted" and c.team_id == pool.team_id
                )
                for m in pool.members
            }
            line = [*self.in_line(pool.team_id), *self.growing(pool.team_id)]
            for c in sorted(line, key=lambda c: c.rank)[: allocation.WAITING]:
                if c.assigned_to is not None:
                    wanted, seat = (c.terms and c.terms.points_wanted) or 0, seats.of(c)
                    assert wanted > c.points
                    assert not seats.could_add(seat, wanted - c.points)
                    seats.keep(seat, wanted)
                    continue
                assert seats.choose(c.points, c.language, None, c.barred) is None
                seats.keep_for(c.points, c.barred)

    # What always holds.

    def in_line(self, team: UUID) -> list[Consultation]:
        return [c for c in self.ledger.cases.values() if c.team_id == team and c.waiting_since is not None]

    def rank(self, case: Consultation, team: UUID) -> Any:
        """As the look saw it: a new case is placed by the policy of its team."""
        policy = self.ledger.pools[team].policy
        return (weighed(case, policy) if policy and case.unsettled else in_line(case, policy)).rank

    def growing(self, team: UUID) -> list[Consultation]:
        """Whose direct work waits for points of their practitioner."""
        return [c for c in self.ledger.cases.values() if c.team_id == team and c.assigned_to and c.place]

    def check_points(self, decision: Decision | None) -> None:
        """P7: whoever has more points in use than before could take cases, and has no more than the capacity."""
        for pool in self.ledger.pools.values():
            for m in pool.members:
                used, _ = self.before.get(m.practitioner_id, (0, 0))
                if m.used_points > used:
                    assert decision is not None
                    assert m.used_points <= m.capacity_points
                    assert available(m, self.ledger.now)
                assert m.used_points <= m.capacity_points or m.must_hand_over
                self.before[m.practitioner_id] = m.used_points, m.capacity_points

    def check_order(self, team: UUID, decision: Decision, before: dict[UUID, Consultation]) -> None:
        """Nobody got points of a practitioner for whom somebody before them in the list still waits."""
        placed = [self.ledger.cases[e.consultation_id] for e in decision.told if isinstance(e, CaseAssigned)]
        capacity = {m.practitioner_id: m.capacity_points for m in self.ledger.pools[team].members} if placed else {}
        for p in placed:
            assert p.assigned_to is not None
            rank = self.rank(before[p.consultation_id], team)
            room = capacity[p.assigned_to]
            waits = [c for c in self.in_line(team) if c.points <= room and p.assigned_to not in c.barred]
            assert not [c for c in waits if c.rank < rank]
            growing = [c for c in self.growing(team) if c.assigned_to == p.assigned_to and c.terms]
            assert not [c for c in growing if c.rank < rank and (c.terms.points_wanted or 0) <= room]  # type: ignore[union-attr]

    @invariant()
    def every_concern_has_one_consultation(self) -> None:
        """P6."""
        of_concerns = Counter(c.screening_id for c in self.ledger.cases.values() if c.screening_id)
        assert of_concerns == Counter(self.concerns)
        assert all(concern_id(s) in self.ledger.cases for s in self.concerns)
        for case in self.ledger.cases.values():
            if case.status == "accepted":
                assert (case.assigned_to is None) != (case.waiting_since is None)
            else:
                assert case.waiting_since is None

    def direct_work_has_its_points(self) -> None:
        """What waits for points has a place in the line, what is under way has its weight, and nothing else has."""
        for work in self.ledger.works.values():
            case = self.ledger.cases[work.consultation_id]
            wants = case.terms is not None and case.terms.points_wanted is not None
            if case.status != "accepted":
                assert work.status == "ended"
            elif work.status == "waits":
                assert wants or case.assigned_to is None  # it asks again as soon as somebody has the case
                assert case.place is not None
            elif work.status == "under_way":
                assert not wants
                assert case.points == work.points
        for case in self.ledger.cases.values():
            if case.status == "accepted" and case.terms is not None and case.terms.points_wanted is not None:
                assert self.ledger.works[case.consultation_id].status == "waits"

    @invariant()
    def points_are_the_sum_of_the_cases_held(self) -> None:
        """P7: also while the points of ended cases are still to be given back."""
        held: Counter[UUID] = Counter()
        for c in self.ledger.cases.values():
            if c.assigned_to and (c.status == "accepted" or c.unsettled):
                held[c.assigned_to] += c.points
        used = {m.practitioner_id: m.used_points for p in self.ledger.pools.values() for m in p.members}
        assert {k: v for k, v in used.items() if v} == dict(held)

    @invariant()
    def the_events_tell_the_same_story_as_the_rows(self) -> None:
        owner: dict[UUID, UUID | None] = {}
        joined: Counter[UUID] = Counter()
        for e in self.ledger.journal:
            if isinstance(e, WaitingListJoined):
                assert owner.get(e.consultation_id) is None
                joined[e.consultation_id] += 1
            elif isinstance(e, CaseAssigned):
                assert owner.get(e.consultation_id) is None
                owner[e.consultation_id] = e.practitioner_id
            elif isinstance(e, CaseHandedOver):
                assert owner[e.consultation_id] == e.from_practitioner_id
                owner[e.consultation_id] = e.to_practitioner_id
            elif isinstance(e, ConsultationReopened) or (
                isinstance(e, ConsultationTriaged) and e.decision == "redirected"
            ):
                owner[e.consultation_id] = None
                joined[e.consultation_id] = 0
        assert all(n <= 1 for n in joined.values())
        for c in self.ledger.cases.values():
            if c.status == "accepted":
                assert owner.get(c.consultation_id) == c.assigned_to


TestReferral = Referral.TestCase
TestReferral.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
