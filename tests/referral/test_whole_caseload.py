"""A whole caseload changes hands: nothing before it was looked at, then exactly what was shown, or nothing."""

from typing import Any

import pytest

from attune_contracts.referral import CaseHandedOver
from chassis.decision import Cause
from services.referral.domain import whole_caseload
from services.referral.domain.commands import HandOverCaseload
from services.referral.domain.consultation import Terms
from services.referral.domain.refusals import NotInThisPool, PreviewOutOfDate, TooManyCases
from services.referral.domain.whole_caseload import Caseloads, Preview, preview
from tests.referral.builders import TEAM, held, member, pool
from tests.support.given import NOON, Then, given, replace, some_id

ANN, BEN, CYD = map(some_id, ("ann", "ben", "cyd"))
MEMBERS = (member("ann", used=6, capacity=6), member("ben", capacity=2), member("cyd", capacity=4, used=2))
CASES = (held("a", "ann"), held("b", "ann"), held("c", "ann"), held("d", "cyd"))
FOUND = Caseloads(pool(*MEMBERS), CASES)
CAUSE = Cause(some_id("cause"), NOON)


def shown(found: Caseloads = FOUND, no_place: Any = "stays") -> Preview:
    return preview(found, ANN, no_place, CAUSE)


def handed_over(found: Caseloads = FOUND, **said: Any) -> Then:
    fields = {
        "team_id": TEAM,
        "from_practitioner_id": ANN,
        "preview": shown(FOUND, said.get("no_place", "stays")).version,
    }
    return given(found).by(some_id("lead")).when(whole_caseload.hand_over, HandOverCaseload(**{**fields, **said}))


def test_cases_go_by_the_rule_within_the_capacity_and_the_rest_stays() -> None:
    effect = shown()
    assert [m.to_practitioner_id for m in effect.moves] == [BEN, CYD]
    assert effect.stays == (some_id("case c"),)
    assert [(n.before, n.after) for n in effect.loads] == [(6, 2), (0, 2), (2, 4)]


def test_or_goes_back_to_the_list() -> None:
    effect = shown(no_place="waits")
    assert [m.to_practitioner_id for m in effect.moves] == [BEN, CYD, None]
    assert effect.stays == ()
    assert effect.loads[0].after == 0
    assert effect.version != shown().version


def test_what_was_shown_is_what_happens() -> None:
    then = handed_over(no_place="waits")
    *cases, after = then.then_decided().rows
    assert [c.assigned_to for c in cases] == [BEN, CYD, None]
    assert (cases[2].waiting_since, cases[2].place, cases[2].not_to) == (NOON, NOON, ANN)
    assert cases[2].terms == Terms(without_owner_since=NOON)
    assert [m.used_points for m in after.members] == [n.after for n in shown(no_place="waits").loads]
    assert after.next_due_at == NOON
    assert all(isinstance(e, CaseHandedOver) and e.reason == "manual" for e in then.events)
    reply = then.then_decided().reply
    assert (reply["to_others"], reply["to_the_list"], reply["stayed"]) == (2, 1, 0)


def test_siblings_stay_together_where_the_points_allow() -> None:
    twins = (held("a", "ann", family_id=some_id("twins")), held("b", "ann", family_id=some_id("twins")))
    both = Caseloads(pool(member("ann", used=4), member("ben", capacity=8), member("cyd", capacity=8)), twins)
    assert len({m.to_practitioner_id for m in shown(both).moves}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        Caseloads(pool(replace(MEMBERS[0], used_points=4), *MEMBERS[1:]), (CASES[0], CASES[1], CASES[3])),
        Caseloads(pool(MEMBERS[0], replace(MEMBERS[1], left_at=NOON), MEMBERS[2]), CASES),
        Caseloads(pool(MEMBERS[0], replace(MEMBERS[1], used_points=2), MEMBERS[2]), CASES),
    ],
)
def test_another_effect_than_was_shown_is_refused(changed: Caseloads) -> None:
    handed_over(changed).then_refused(PreviewOutOfDate, field="preview")


def test_a_change_that_does_not_touch_the_effect_does_no_harm() -> None:
    handed_over(Caseloads(FOUND.pool, tuple(replace(c, question="?") for c in CASES))).then_decided()


def test_who_is_not_in_the_pool_has_no_caseload_to_hand_over() -> None:
    for found in (Caseloads(None, ()), Caseloads(pool(member("ben")), ())):
        handed_over(found).then_refused(NotInThisPool, field="from_practitioner_id")


def test_more_cases_than_can_be_looked_at_are_not_handed_over_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_caseload, "LIMIT", 4)
    with pytest.raises(TooManyCases):
        shown()
