"""Hostile and careless input by the thousand: every route, raw HTTP and Kafka, against a running system."""
