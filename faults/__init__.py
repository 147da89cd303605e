"""The fault campaign: a real system under load is broken on purpose, healed, and then looked at from outside."""
