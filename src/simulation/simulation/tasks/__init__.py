"""Tasks of the simulated world."""
