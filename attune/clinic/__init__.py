"""A day of a clinic: synthetic people and families from `samples/`, sent to a running system and told as it happens."""
