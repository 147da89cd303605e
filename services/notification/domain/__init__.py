"""The rules of notification: who is told, whether they may be written to, and what became of each message."""
