"""What the referral service must be told to run: nothing beyond what every service needs."""

from chassis.settings import ServiceSettings


class ReferralSettings(ServiceSettings):
    """No variables of its own: the policy of a team and the rules for clocks are set by commands."""
