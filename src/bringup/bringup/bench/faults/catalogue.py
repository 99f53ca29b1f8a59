"""Every fault of the matrix: how it begins and ends, what must happen, and what diagnostics must say of it."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from trajectory_msgs.msg import JointTrajectory

from bringup.bench.faults.starvation import Starvation
from bringup.bench.faults.trial import Trial
from node_kit import messages

CHUNK_S, FRAME_S = 0.1, 1 / 30
STOPPED, LOST = "stopped", "lost"
SECOND = 1_000_000_000
Act = Callable[[Trial], None]


class Expected(str, Enum):
    """What must happen."""

    STOPS = "all stop and stay stopped until a person resets"
    HOLDS = "all stop while it lasts, and go on afterwards"
    ENDS = "all stop, and the graph ends"
    GOES_ON = "the work goes on"
    BOUNDED = "whatever moves keeps to its limits, and the work goes on afterwards"

    def __str__(self) -> str:
        return self.value


def nothing(trial: Trial) -> None:
    """No act."""


@dataclass(frozen=True)
class Fault:
    """`reported`: each of these texts must stand in the diagnostics while the fault lasts; `lasts_s` how long it does.

    `prepare` brings the graph into the state in which the fault is to meet it; `moving`: the robots move then.
    """

    name: str
    expected: Expected
    begin: Act
    end: Act = nothing
    reported: tuple[str, ...] = ()
    lasts_s: float = 1.5
    prepare: Act = field(default=nothing)
    moving: bool = True


def frozen(node: str, expected: Expected, *reported: str, lasts_s: float = 1.5) -> Fault:
    """A process that hangs."""
    halt, go_on = (partial(Trial.signal, node=node, number=n) for n in (signal.SIGSTOP, signal.SIGCONT))
    return Fault(f"{node} frozen", expected, halt, go_on, reported, lasts_s)


def killed(node: str) -> Fault:
    """A process that is gone."""
    return Fault(f"{node} killed", Expected.ENDS, partial(Trial.signal, node=node, number=signal.SIGKILL))


def device(part: str, setting: str, expected: Expected, *reported: str, name: str) -> Fault:
    """A fault of an emulated device, as its emulator has it."""
    kind = setting.split()[0]
    begin = lambda trial: trial.injector.device_fault(part, setting)  # noqa: E731
    end = lambda trial: trial.injector.device_fault(part, f"{kind} 0")  # noqa: E731
    return Fault(name, expected, begin, end, reported)


def forged(
    name: str, change: Callable[[JointTrajectory], None], *reported: str, commands: bool = False, **other: object
) -> Fault:
    """A policy (or, with `commands`, codecs) that says something wrong: it is silenced, and its last words changed."""
    silenced = ("left_codec", "right_codec") if commands else ("policy",)

    def begin(trial: Trial) -> None:
        topics = trial.injector.command_topics if commands else trial.injector.latent_topics
        _to_all(trial, silenced, signal.SIGSTOP)
        trial.injector.stream(CHUNK_S, lambda count: trial.injector.forge(topics, change))

    def end(trial: Trial) -> None:
        trial.injector.quiet()
        _to_all(trial, silenced, signal.SIGCONT)

    return Fault(name, other.pop("expected", Expected.HOLDS), begin, end, reported, **other)  # type: ignore[arg-type]


def pictures(name: str, ahead_s: float, frozen: bool, *reported: str) -> Fault:
    """A camera whose pictures are wrong: the node is silenced, and what it showed last goes on, with other stamps."""

    def begin(trial: Trial) -> None:
        trial.signal("front_camera", signal.SIGSTOP)
        images = list(trial.injector.images)[-1:] if frozen else list(trial.injector.images)

        def show(count: int) -> None:
            trial.injector.show(images[count % len(images)], time.time_ns() + round(ahead_s * SECOND))

        trial.injector.stream(FRAME_S, show)

    def end(trial: Trial) -> None:
        trial.injector.quiet()
        trial.signal("front_camera", signal.SIGCONT)

    return Fault(name, Expected.HOLDS, begin, end, reported)


def _to_all(trial: Trial, nodes: Iterable[str], number: int) -> None:
    for node in nodes:
        trial.signal(node, number)


# --- one thing wrong in a message -------------------------------------------------------------------------------------


def with_number(joint: int, number: float) -> Callable[[JointTrajectory], None]:
    """One number of the third point replaced."""

    def change(message: JointTrajectory) -> None:
        message.points[min(2, len(message.points) - 1)].positions[joint] = number

    return change


def moved(axis: str, by: float) -> Callable[[JointTrajectory], None]:
    """All points moved along one axis."""

    def change(message: JointTrajectory) -> None:
        place = message.joint_names.index(axis)
        for point in message.points:
            point.positions[place] += by

    return change


def stamped(by_s: float) -> Callable[[JointTrajectory], None]:
    """The stamp so much later."""

    def change(message: JointTrajectory) -> None:
        stamp = messages.stamp_ns(message.header) + round(by_s * SECOND)
        message.header.stamp = messages.to_stamp(stamp)

    return change


def other_space(message: JointTrajectory) -> None:
    """Another latent space."""
    message.header.frame_id = "other_space@000000000000"


def truncated_names(message: JointTrajectory) -> None:
    """One name too few."""
    message.joint_names = message.joint_names[:-1]


def truncated_points(message: JointTrajectory) -> None:
    """One number too few in each point."""
    for point in message.points:
        point.positions = point.positions[:-1]


def backwards(message: JointTrajectory) -> None:
    """Times that descend."""
    message.points = message.points[::-1]


def renamed(message: JointTrajectory) -> None:
    """The joints of some other robot."""
    message.joint_names = [f"other_{name}" for name in message.joint_names]


def wild(message: JointTrajectory) -> None:
    """Targets that jump from one end of the world to the other."""
    for index, point in enumerate(message.points):
        point.positions = [(-3.0 if index % 2 else 3.0) + 0.1 * value for value in point.positions]


# --- acts that take more than one line --------------------------------------------------------------------------------


def _again(trial: Trial, ago: int) -> None:
    """Each chunk is followed by the one that came `ago` chunks before it (0: itself)."""
    for topic in trial.injector.latent_topics:
        past: list[JointTrajectory] = []

        def react(topic: str, message: JointTrajectory, past: list[JointTrajectory] = past) -> None:
            past.append(message)
            if len(past) > ago:
                trial.injector.tell(topic, past[-1 - ago])
                del past[: -ago or None]

        trial.injector.on_chunk(topic, react)


def _set_clock(trial: Trial, offset_s: float) -> None:
    trial.injector.quiet()
    trial.clock.set(offset_s)


def _starve(trial: Trial) -> None:
    with Starvation():
        time.sleep(10.0)


def _stop_each(trial: Trial) -> None:
    for driver in trial.drivers:
        trial.injector.call(f"/{driver}/stop")


def _lose_a_hand(trial: Trial) -> None:
    trial.injector.device_fault("left/hand", "silent 1")
    time.sleep(1.5)


def _find_the_hand(trial: Trial) -> None:
    trial.injector.device_fault("left/hand", "silent 0")
    _release_stop(trial)


def _release_stop(trial: Trial) -> None:
    trial.injector.estop(False)


def _halt_policy(trial: Trial) -> None:
    trial.signal("policy", signal.SIGSTOP)
    time.sleep(1.0)


def _estop(trial: Trial) -> None:
    trial.injector.estop(True)


def _estop_and_go_on(trial: Trial) -> None:
    _estop(trial)
    trial.signal("policy", signal.SIGCONT)


CAMERA = [
    pictures("camera frozen", 0.0, True, "frozen_image"),
    pictures("camera stamps in the future", 1.0, False, "future_image"),
    pictures("camera stamps of the past", -1.0, False, "stale_image"),
    frozen("front_camera", Expected.HOLDS, "no_image"),
]
POLICY = [
    frozen("policy", Expected.HOLDS, "command timeout"),
    forged("NaN in an action", with_number(9, math.nan), "not_finite"),
    forged("Inf in an action", with_number(9, math.inf), "not_finite"),
    forged("latent of another space", other_space, "wrong_latent_space"),
    forged("latent out of range", moved("z0", 50.0), "latent_outside"),
    forged("wrist out of reach", moved("wrist.x", 3.0), "wrist_unreachable"),
    forged("late chunk", stamped(-0.8), "chunk_stale"),
    forged("chunk from the future", stamped(0.8), "chunk_from_the_future"),
    forged("truncated names", truncated_names, "wrong_axes"),
    forged("truncated points", truncated_points, "wrong_shape"),
    forged("times that descend", backwards, "not_ascending"),
    Fault("reordered chunks", Expected.GOES_ON, partial(_again, ago=1), lambda t: t.injector.quiet(), ("superseded",)),
    Fault("duplicated chunk", Expected.GOES_ON, partial(_again, ago=0), lambda t: t.injector.quiet()),
]
COMMANDS = [
    frozen("left_codec", Expected.HOLDS, "command timeout"),
    forged("NaN in a command", with_number(0, math.nan), "not_finite", commands=True),
    forged("names of another robot", renamed, "wrong_names", commands=True),
    forged("truncated command", truncated_points, "wrong_shape", commands=True),
    forged("wild commands", wild, commands=True, expected=Expected.BOUNDED),
    frozen("left_arm_driver", Expected.HOLDS, "command timeout"),
]
MACHINE = [
    Fault("clock set forward 10 s", Expected.BOUNDED, partial(_set_clock, offset_s=10.0)),
    Fault("clock set back 10 s", Expected.BOUNDED, partial(_set_clock, offset_s=0.0)),
    Fault("10 s of CPU starvation", Expected.BOUNDED, _starve, lasts_s=0.5),
]
STOPS = [
    Fault("emergency stop while tracking", Expected.STOPS, _estop, _release_stop, ("emergency stop",)),
    Fault(
        "emergency stop while holding",
        Expected.STOPS,
        _estop_and_go_on,
        _release_stop,
        ("emergency stop",),
        prepare=_halt_policy,
        moving=False,
    ),
    Fault(
        "emergency stop while stopped",
        Expected.STOPS,
        _estop,
        _release_stop,
        ("stop requested",),
        prepare=_stop_each,
        moving=False,
    ),
    Fault(
        "emergency stop while lost", Expected.STOPS, _estop, _find_the_hand, (LOST,), prepare=_lose_a_hand, moving=False
    ),
    Fault("~/stop of all drivers", Expected.STOPS, _stop_each, reported=("stop requested",)),
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
    "emergency stop before the start", Expected.STOPS, nothing, _release_stop, ("emergency stop",), moving=False
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
