"""The screening service as a process."""

import chassis.lean  # noqa: F401 - first
from chassis.process import main
from services.screening.main import SERVICE

main(SERVICE)
