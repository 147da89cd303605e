"""The workforce service as a process."""

from chassis.service import main
from services.workforce.main import SERVICE

main(SERVICE)
