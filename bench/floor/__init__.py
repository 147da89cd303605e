"""The yardstick: the same chain written by hand, tuned, and without what a product needs."""
