"""Measures the whole chain, from a screening over HTTP to a recorded notification, beside a hand-written floor."""
