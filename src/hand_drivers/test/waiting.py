"""The error of reading a device."""

from __future__ import annotations

from hand_drivers.device import Device, DeviceError


def read_error(device: Device) -> str:
    """The message of the error that reading raises, or "" if it succeeds."""
    try:
        device.read()
    except DeviceError as error:
        return str(error)
    return ""
