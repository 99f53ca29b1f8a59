"""Waiting for what other threads do."""

from __future__ import annotations

import time
from collections.abc import Callable

from hand_drivers.device import Device, DeviceError


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


def silent(device: Device) -> str:
    """What reading fails with, "" when it does not."""
    try:
        device.read()
    except DeviceError as error:
        return str(error)
    return ""
