"""The faults of emulated devices, by protocol."""

from __future__ import annotations

from functools import partial

from system_tests.faults import acts
from system_tests.faults.fault import Expected, Fault, device

STOPPED, LOST = "stopped", "lost"


def of_device(part: str, name: str, code: int, tcp: bool = False) -> list[Fault]:
    """The faults of a device with requests and responses on its own line, and an error `code`.

    A pseudo terminal cannot refuse a connection. TCP frames of an xArm have no checksum, so that not every changed byte
    is detected.
    """
    refuses = [device(part, "refuse 1", Expected.STOPS, LOST, name=f"{name} refuses connections")] if tcp else []
    return [
        device(part, "silent 1", Expected.STOPS, LOST, name=f"{name} is silent"),
        *refuses,
        device(part, "cut 1", Expected.STOPS, LOST, name=f"{name} cuts its responses"),
        device(part, "late_s 0.5", Expected.STOPS, LOST, name=f"{name} responds .5 s late"),
        _late_once(part, name, *(("0.19", "no response in time") if tcp else ("0.05",))),
        device(part, f"code {code}", Expected.STOPS, STOPPED, name=f"{name} has error {code}"),
        device(part, "corrupt 1", Expected.BOUNDED if tcp else Expected.STOPS, name=f"{name} sends corrupted bytes"),
        _stuck(part, name),
    ]


def of_xarm_gripper(part: str, code: int) -> list[Fault]:
    """The faults of an xArm's gripper, which is connected through the arm's box; faults of the box are the arm's.

    The box reports error 19 if the gripper does not respond.
    """
    name, error = "xarm_gripper", f"gripper error {code}"
    return [
        device(part, "silent 1", Expected.STOPS, LOST, "error 19", name=f"{name} is silent"),
        device(part, "late_once_s 0.12", Expected.GOES_ON, name=f"{name} responds once .12 s late"),
        device(part, f"code {code}", Expected.STOPS, STOPPED, error, name=f"{name} has error {code}"),
        _stuck(part, name),
    ]


def of_dds_device(part: str, name: str, code: int, error: str, damage: str) -> list[Fault]:
    """The faults of a device that publishes its state over DDS; there are no connections, and DDS drops cut messages.

    Args:
        part: Part of the station.
        name: Name of the device.
        code: An error code.
        error: The diagnostic text of the code.
        damage: The diagnostic text for a message with a flipped bit.
    """
    return [
        device(part, "silent 1", Expected.STOPS, LOST, "no message", name=f"{name} is silent"),
        device(part, "late_s 0.5", Expected.STOPS, LOST, "no message", name=f"{name} is .5 s late"),
        device(part, "late_once_s 0.05", Expected.GOES_ON, name=f"{name} is once .05 s late"),
        device(part, f"code {code}", Expected.STOPS, STOPPED, error, name=f"{name} has error {code}"),
        device(part, "corrupt 1", Expected.STOPS, LOST, damage, name=f"{name} sends corrupted messages"),
        _stuck(part, name),
    ]


SAFEGUARD = Fault(
    "xarm7 is stopped by a safeguard and pushed",
    Expected.STOPS,
    partial(acts.set_device, part="left/arm", setting="safeguard 1"),
    acts.push_and_release,
    (STOPPED, "the box is in mode 0 (position)"),
)
TIMED_OUT = device(
    "right/hand", "timed_out 1", Expected.STOPS, STOPPED, "commands were missing", name="dex3 has dropped its commands"
)


def _late_once(part: str, name: str, late_s: str, *reported: str) -> Fault:
    """One response after its request was given up; .19 s is what a lost packet costs TCP."""
    setting, name = f"late_once_s {late_s}", f"{name} responds once {late_s.removeprefix('0')} s late"
    return device(part, setting, Expected.GOES_ON, *reported, name=name)


def _stuck(part: str, name: str) -> Fault:
    """A device whose joints do not move: detected by the following error of an arm; a hand may hold an object."""
    name = f"{name} does not move"
    if part.endswith("/arm"):
        return device(part, "frozen 1", Expected.NOTICED, "does not follow", name=name)
    return device(part, "frozen 1", Expected.BOUNDED, name=name)
