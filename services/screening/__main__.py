"""The screening service as a process."""

from chassis.service import main
from services.screening.main import SERVICE

main(SERVICE)
