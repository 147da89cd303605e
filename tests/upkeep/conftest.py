"""A running system of their own for operators at work: they empty brokers and leave rubbish in topics."""

from tests.journeys.conftest import field, post_office, stack, state

__all__ = ["field", "post_office", "stack", "state"]
