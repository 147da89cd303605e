"""Notification: tells the right people, within their contact policy, and knows what became of each message."""
