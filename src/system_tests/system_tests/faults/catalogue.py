"""The faults of the matrix: start and end, expected reaction, expected diagnostics."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from functools import partial

from device_emulators.addresses import UNITREE_MODULES
from system_tests.faults import acts, changes
from system_tests.faults.devices import LOST, SAFEGUARD, TIMED_OUT, of_dds_device, of_device, of_xarm_gripper
from system_tests.faults.fault import (
    Expected,
    Fault,
    forged,
    frozen,
    killed,
    nothing,
    pictures,
    repeated_image,
    second_publisher,
)
from system_tests.faults.trial import Trial

CAMERA = [
    pictures("camera frozen", 0.0, True, "frozen_image"),
    repeated_image("camera repeats its last message", "stamp_not_advancing"),
    pictures("camera stamps in the future", 1.0, False, "future_image"),
    pictures("camera stamps of the past", -1.0, False, "stale_image"),
    frozen("front_camera", Expected.HOLDS, "no_image"),
]
POLICY = [
    frozen("policy", Expected.HOLDS, "command timeout"),
    Fault(
        "inference longer than its chunk",
        Expected.BOUNDED,
        acts.interrupt_inference,
        acts.end_interruptions,
        ("inference took", "command timeout"),
    ),
    forged("NaN in an action", changes.with_number(9, math.nan), "not_finite"),
    forged("Inf in an action", changes.with_number(9, math.inf), "not_finite"),
    forged("latent of another space", changes.other_space, "wrong_latent_space"),
    forged("latent out of range", changes.moved("z0", 50.0), "latent_outside"),
    forged("wrist out of reach", changes.moved("wrist.x", 3.0), "wrist_unreachable"),
    forged("late chunk", changes.stamped(-0.8), "chunk_stale"),
    forged("chunk from the future", changes.stamped(0.8), "chunk_from_the_future"),
    forged("truncated names", changes.truncated_names, "wrong_axes"),
    forged("truncated points", changes.truncated_points, "wrong_shape"),
    forged("points of zero padding", changes.padded, "wrist_without_rotation"),
    forged("times that descend", changes.backwards, "not_ascending"),
    Fault(
        "reordered chunks", Expected.GOES_ON, partial(acts.again, ago=1), lambda t: t.injector.quiet(), ("superseded",)
    ),
    Fault("duplicated chunk", Expected.GOES_ON, partial(acts.again, ago=0), lambda t: t.injector.quiet()),
]
COMMANDS = [
    second_publisher("/left/latent_action", "second policy"),
    second_publisher("/left/arm/command", "second publisher of commands"),
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


def reaching(count: int) -> Fault:
    """An emergency stop that only `count` of the four drivers receive from its publisher."""
    some = acts.StopOfSome(count)
    name = f"emergency stop reaches {count} of 4 drivers"
    return Fault(name, Expected.STOPS, some.begin, some.end, ("emergency stop",), prepare=some.prepare, moving=False)


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
    *(reaching(count) for count in (1, 2, 3)),
    Fault("~/stop of all drivers", Expected.STOPS, acts.stop_each, reported=("stop requested",)),
]
KILLED = [
    killed(node)
    for node in ("policy", "left_codec", "left_arm_driver", "left_hand_driver", "right_hand_driver", "front_camera")
]

SUPERVISOR = [
    Fault(f"supervisor {how}", Expected.ENDS, partial(Trial.end_supervisor, number=number))
    for how, number in (("killed", signal.SIGKILL), ("terminated", signal.SIGTERM), ("hung up", signal.SIGHUP))
]


BEFORE_START = Fault(
    "emergency stop before the start", Expected.STOPS, nothing, acts.release_stop, ("emergency stop",), moving=False
)


@dataclass(frozen=True)
class Group:
    """Faults of one run of a graph.

    Attributes:
        arguments: Arguments of the station.
        faults: The faults, in order.
        stopped: Whether the emergency stop is asserted before the start.
        apart: Whether the world runs outside, so that the supervisor can be killed.
        needs: Modules without which the group is skipped.
    """

    arguments: tuple[str, ...]
    faults: tuple[Fault, ...]
    stopped: bool = False
    apart: bool = False
    needs: tuple[str, ...] = ()


def groups() -> list[Group]:
    """The whole matrix."""
    hands = ("left_hand:=inspire", "right_hand:=ability")
    grippers = ("left_hand:=xarm_gripper", "right_hand:=robotiq_2f85")
    unitree = ("station:=g1", "right_hand:=dex3")
    arm = of_device("left/arm", "xarm7", 31, tcp=True)
    devices = [*arm, SAFEGUARD, *of_device("left/hand", "inspire", 2), *of_device("right/hand", "ability", 4)]
    g1 = of_dds_device("left/arm", "g1_arm", 512, "winding too hot", "wrong checksum")
    dex3 = of_dds_device("right/hand", "dex3", 1, "overcurrent", "at most one turn")
    work = (BEFORE_START, *CAMERA, *POLICY, *COMMANDS, *STOPS, *devices, *MACHINE)
    return [
        Group(hands, work, stopped=True),
        Group(grippers, (*of_xarm_gripper("left/hand", 11), *of_device("right/hand", "robotiq_2f85", 9))),
        Group(unitree, (*g1, *dex3, TIMED_OUT), needs=UNITREE_MODULES),
        *(Group(hands, (fault,)) for fault in KILLED),
        *(Group(hands, (fault,), apart=True) for fault in SUPERVISOR),
    ]
