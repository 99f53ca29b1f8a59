"""Every fault of the matrix: how it begins and ends, what must happen, and what diagnostics must say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from bringup.bench.faults import acts, changes
from bringup.bench.faults.fault import Expected, Fault, device, forged, frozen, killed, nothing, pictures
from bringup.bench.faults.trial import Trial

STOPPED, LOST = "stopped", "lost"

CAMERA = [
    pictures("camera frozen", 0.0, True, "frozen_image"),
    pictures("camera stamps in the future", 1.0, False, "future_image"),
    pictures("camera stamps of the past", -1.0, False, "stale_image"),
    frozen("front_camera", Expected.HOLDS, "no_image"),
]
POLICY = [
    frozen("policy", Expected.HOLDS, "command timeout"),
    forged("NaN in an action", changes.with_number(9, math.nan), "not_finite"),
    forged("Inf in an action", changes.with_number(9, math.inf), "not_finite"),
    forged("latent of another space", changes.other_space, "wrong_latent_space"),
    forged("latent out of range", changes.moved("z0", 50.0), "latent_outside"),
    forged("wrist out of reach", changes.moved("wrist.x", 3.0), "wrist_unreachable"),
    forged("late chunk", changes.stamped(-0.8), "chunk_stale"),
    forged("chunk from the future", changes.stamped(0.8), "chunk_from_the_future"),
    forged("truncated names", changes.truncated_names, "wrong_axes"),
    forged("truncated points", changes.truncated_points, "wrong_shape"),
    forged("times that descend", changes.backwards, "not_ascending"),
    Fault(
        "reordered chunks", Expected.GOES_ON, partial(acts.again, ago=1), lambda t: t.injector.quiet(), ("superseded",)
    ),
    Fault("duplicated chunk", Expected.GOES_ON, partial(acts.again, ago=0), lambda t: t.injector.quiet()),
]
COMMANDS = [
    frozen("left_codec", Expected.HOLDS, "command timeout"),
    forged("NaN in a command", changes.with_number(0, math.nan), "not_finite", commands=True),
    forged("names of another robot", changes.renamed, "wrong_names", commands=True),
    forged("truncated command", changes.truncated_points, "wrong_shape", commands=True),
    forged("wild commands", changes.wild, commands=True, expected=Expected.BOUNDED),
    frozen("left_arm_driver", Expected.HOLDS, "command timeout"),
]
MACHINE = [
    Fault("clock set forward 10 s", Expected.BOUNDED, partial(acts.set_clock, offset_s=10.0)),
    Fault("clock set back 10 s", Expected.BOUNDED, partial(acts.set_clock, offset_s=0.0)),
    Fault("10 s of CPU starvation", Expected.BOUNDED, acts.starve, lasts_s=0.5),
]
STOPS = [
    Fault("emergency stop while tracking", Expected.STOPS, acts.estop, acts.release_stop, ("emergency stop",)),
    Fault(
        "emergency stop while holding",
        Expected.STOPS,
        acts.estop_and_go_on,
        acts.release_stop,
        ("emergency stop",),
        prepare=acts.halt_policy,
        moving=False,
    ),
    Fault(
        "emergency stop while stopped",
        Expected.STOPS,
        acts.estop,
        acts.release_stop,
        ("stop requested",),
        prepare=acts.stop_each,
        moving=False,
    ),
    Fault(
        "emergency stop while lost",
        Expected.STOPS,
        acts.estop,
        acts.find_the_hand,
        (LOST,),
        prepare=acts.lose_a_hand,
        moving=False,
    ),
    Fault("~/stop of all drivers", Expected.STOPS, acts.stop_each, reported=("stop requested",)),
]
KILLED = [
    killed(node)
    for node in ("policy", "left_codec", "left_arm_driver", "left_hand_driver", "right_hand_driver", "front_camera")
]

SUPERVISOR = Fault("supervisor killed", Expected.ENDS, Trial.kill_supervisor)


def of_device(part: str, name: str, code: int, tcp: bool = False) -> list[Fault]:
    """The faults of one emulated device, which has its error `code`.

    An arm that does not follow is noticed, once its command is far enough away; a hand is stopped by what it holds. A
    pseudo terminal cannot refuse a connection. TCP frames of an xArm have no checksum: not each changed byte shows.
    """
    stuck = ("does not follow",) if part.endswith("/arm") else ()
    refuses = [device(part, "refuse 1", Expected.STOPS, LOST, name=f"{name} refuses connections")] if tcp else []
    return [
        device(part, "silent 1", Expected.STOPS, LOST, name=f"{name} is silent"),
        *refuses,
        device(part, "cut 1", Expected.STOPS, LOST, name=f"{name} cuts its answers"),
        device(part, "late_s 0.5", Expected.STOPS, LOST, name=f"{name} answers .5 s late"),
        device(part, f"code {code}", Expected.STOPS, STOPPED, name=f"{name} has error {code}"),
        device(part, "corrupt 1", Expected.BOUNDED if tcp else Expected.STOPS, name=f"{name} sends corrupted bytes"),
        device(part, "frozen 1", Expected.BOUNDED, *stuck, name=f"{name} does not move"),
    ]


BEFORE_START = Fault(
    "emergency stop before the start", Expected.STOPS, nothing, acts.release_stop, ("emergency stop",), moving=False
)


@dataclass(frozen=True)
class Group:
    """Faults that one graph goes through, started with these arguments.

    `stopped`: emergency stop before the start; `apart`: the world runs outside, so that the supervisor can be killed.
    """

    arguments: tuple[str, ...]
    faults: tuple[Fault, ...]
    stopped: bool = False
    apart: bool = False


def groups() -> list[Group]:
    """The whole matrix."""
    hands = ("left_hand:=inspire", "right_hand:=ability")
    grippers = ("left_hand:=xarm_gripper", "right_hand:=robotiq_2f85")
    arm = of_device("left/arm", "xarm7", 31, tcp=True)
    devices = [*arm, *of_device("left/hand", "inspire", 2), *of_device("right/hand", "ability", 4)]
    work = (BEFORE_START, *CAMERA, *POLICY, *COMMANDS, *STOPS, *devices, *MACHINE)
    return [
        Group(hands, work, stopped=True),
        Group(grippers, tuple(of_device("right/hand", "robotiq_2f85", 9))),
        *(Group(hands, (fault,)) for fault in KILLED),
        Group(hands, (SUPERVISOR,), apart=True),
    ]
