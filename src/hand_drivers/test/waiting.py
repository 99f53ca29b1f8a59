"""What reading a device says."""

from __future__ import annotations

from hand_drivers.device import Device, DeviceError


def silent(device: Device) -> str:
    """What reading fails with, "" when it does not."""
    try:
        device.read()
    except DeviceError as error:
        return str(error)
    return ""
