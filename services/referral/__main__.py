"""`python -m services.referral`: serve, migrate, topics or describe."""

from chassis.service import main
from services.referral.main import SERVICE

if __name__ == "__main__":
    main(SERVICE)
