"""A team sets its policy: the next version counts for whatever the pool decides from then on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.decision import Cause, Decision, Reply, derived_id
from chassis.value import replace, value
from services.referral.domain.commands import SetPolicy
from services.referral.domain.consultation import staff
from services.referral.domain.policy import STANDARD, Policy
from services.referral.domain.pool import Pool
from services.referral.domain.refusals import PolicyVersionTaken


@value(frozen=True, slots=True)
class PolicySet:
    """A version as it was set, kept for whoever recomputes a decision."""

    policy_id: UUID
    team_id: UUID
    policy: Policy
    set_by: UUID
    set_at: datetime


class PolicyInForce(Reply):
    """The policy of a team from now on."""

    team_id: UUID
    version: int


def set_policy(pool: Pool | None, command: SetPolicy, cause: Cause) -> Decision[PolicyInForce]:
    """Cases that are in the list keep their place and weight; those that come are treated by the new version."""
    before = pool or Pool(command.team_id, (), 0, hands_over=False, next_due_at=None)
    policy = _policy(command)
    reply: PolicyInForce = {"team_id": command.team_id, "version": policy.version}
    if policy == before.policy:
        return Decision(reply=reply)
    if policy.version != (before.policy or STANDARD).version + 1:
        raise PolicyVersionTaken
    kept = PolicySet(
        policy_id=derived_id(command.team_id, f"policy {policy.version}"),
        team_id=command.team_id,
        policy=policy,
        set_by=staff(cause),
        set_at=cause.at,
    )
    return Decision(rows=(replace(before, policy=policy), kept), reply=reply)


def _policy(command: SetPolicy) -> Policy:
    return Policy(
        version=command.version,
        head_start_days={"urgent": command.urgent_head_start_days, "routine": 0},
        points={
            "case_consultation": command.case_consultation_points,
            "reflective_discussion": command.reflective_discussion_points,
        },
        offer_working_days=command.offer_working_days,
    )
