"""The notification service as a process."""

from chassis.service import main
from services.notification.main import SERVICE

main(SERVICE)
