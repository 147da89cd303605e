"""What we assume of the platform, one small test for each assumption: see docs/upgrades.md."""
