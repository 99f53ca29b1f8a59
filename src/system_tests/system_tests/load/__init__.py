"""Measurements of the running graph: `./ws bench faults|runtime|soak|fuzz`."""
