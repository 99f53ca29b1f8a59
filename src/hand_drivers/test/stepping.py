"""Settings of drivers in the tests' own hands."""

from __future__ import annotations

from hand_drivers.settings import DriverSettings


def stepped(**changes: float) -> DriverSettings:
    """Settings of a driver that a test ticks: 100 Hz, however fast it is ticked, so a device may be far behind."""
    return DriverSettings(**{"part": "arm", "rate_hz": 100.0, "max_following_error": 0.0, "rt_priority": 0, **changes})
