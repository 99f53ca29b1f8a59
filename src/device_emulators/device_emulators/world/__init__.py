"""Emulated devices whose joints belong to a simulated world."""
