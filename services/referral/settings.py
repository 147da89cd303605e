"""What the referral service must be told to run: nothing beyond what every service needs."""

from chassis.settings import ServiceSettings


class ReferralSettings(ServiceSettings):
    """Weights, bands and the assignment rule are recorded with each decision and live in the domain."""
