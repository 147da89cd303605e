"""The workforce service as a process."""

import chassis.lean  # noqa: F401 - first
from chassis.process import main
from services.workforce.main import SERVICE

main(SERVICE)
