"""The faults of emulated devices, by the way they are spoken with."""

from __future__ import annotations

from system_tests.faults.fault import Expected, Fault, device

STOPPED, LOST = "stopped", "lost"


def of_device(part: str, name: str, code: int, tcp: bool = False) -> list[Fault]:
    """The faults of a device that answers questions on a line of its own and has its error `code`.

    A pseudo terminal cannot refuse a connection. TCP frames of an xArm have no checksum: not each changed byte shows.
    """
    refuses = [device(part, "refuse 1", Expected.STOPS, LOST, name=f"{name} refuses connections")] if tcp else []
    return [
        device(part, "silent 1", Expected.STOPS, LOST, name=f"{name} is silent"),
        *refuses,
        device(part, "cut 1", Expected.STOPS, LOST, name=f"{name} cuts its answers"),
        device(part, "late_s 0.5", Expected.STOPS, LOST, name=f"{name} answers .5 s late"),
        device(part, f"code {code}", Expected.STOPS, STOPPED, name=f"{name} has error {code}"),
        device(part, "corrupt 1", Expected.BOUNDED if tcp else Expected.STOPS, name=f"{name} sends corrupted bytes"),
        _stuck(part, name),
    ]


def of_xarm_gripper(part: str, code: int) -> list[Fault]:
    """The faults of an xArm's gripper. Its words go through the arm's box, whose error 19 says that there are none;
    what befalls the box itself is the arm's fault.
    """
    name, error = "xarm_gripper", f"gripper error {code}"
    return [
        device(part, "silent 1", Expected.STOPS, LOST, "error 19", name=f"{name} is silent"),
        device(part, f"code {code}", Expected.STOPS, STOPPED, error, name=f"{name} has error {code}"),
        _stuck(part, name),
    ]


def of_dds_device(part: str, name: str, code: int, error: str, damage: str) -> list[Fault]:
    """The faults of a device that says over DDS how it is, unasked: no connection can be refused, and DDS drops what is
    cut. `error` is its error `code` in words, `damage` what is said of a message with a flipped bit.
    """
    return [
        device(part, "silent 1", Expected.STOPS, LOST, "no message", name=f"{name} is silent"),
        device(part, "late_s 0.5", Expected.STOPS, LOST, "no message", name=f"{name} is heard .5 s late"),
        device(part, f"code {code}", Expected.STOPS, STOPPED, error, name=f"{name} has error {code}"),
        device(part, "corrupt 1", Expected.STOPS, LOST, damage, name=f"{name} sends corrupted messages"),
        _stuck(part, name),
    ]


TIMED_OUT = device(
    "right/hand", "timed_out 1", Expected.STOPS, STOPPED, "commands were missing", name="dex3 has dropped its commands"
)


def _stuck(part: str, name: str) -> Fault:
    """An arm that does not follow is noticed, once its command is far enough away; a hand may be holding something."""
    name = f"{name} does not move"
    if part.endswith("/arm"):
        return device(part, "frozen 1", Expected.NOTICED, "does not follow", name=name)
    return device(part, "frozen 1", Expected.BOUNDED, name=name)
