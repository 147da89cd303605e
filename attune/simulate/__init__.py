"""A simulated city: seeded families and staff who live through a year on a running system, by its public APIs alone."""
