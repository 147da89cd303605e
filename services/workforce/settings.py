"""What the workforce service must be told to run: what every service must be told, and nothing else."""

from __future__ import annotations

from chassis.settings import ServiceSettings


class WorkforceSettings(ServiceSettings):
    """No variables of its own."""
