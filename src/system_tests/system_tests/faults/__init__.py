"""Breaks a running graph in every way there is, and sees what it does; `./ws bench faults`."""
