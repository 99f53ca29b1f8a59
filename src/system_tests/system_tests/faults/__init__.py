"""Injects faults into a running graph and judges its reaction; `./ws bench faults`."""
