"""The ways by which a letter leaves. Each channel passes the same tests (tests/notification/test_channels.py)."""
