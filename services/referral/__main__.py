"""`python -m services.referral`: serve, migrate, topics or describe."""

import chassis.lean  # noqa: F401 - first
from chassis.process import main
from services.referral.main import SERVICE

if __name__ == "__main__":
    main(SERVICE)
