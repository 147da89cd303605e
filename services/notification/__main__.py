"""The notification service as a process."""

import chassis.lean  # noqa: F401 - first
from chassis.process import main
from services.notification.main import SERVICE

main(SERVICE)
