"""The notification service: rules, channels, courier, and all of it on a real database."""
