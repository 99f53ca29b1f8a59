"""Emulators of devices on their own protocols; joints follow with a lag, and faults can be set."""
