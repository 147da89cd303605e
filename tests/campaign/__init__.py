"""The fault campaign itself: its plan, its proxy, its figures."""
