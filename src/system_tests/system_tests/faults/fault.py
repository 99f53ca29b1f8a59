"""A fault, and the kinds of faults: frozen and killed processes, forged messages, faults of devices."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from trajectory_msgs.msg import JointTrajectory

from node_kit import messages
from system_tests.faults.trial import Trial

CHUNK_S, FRAME_S = 0.1, 1 / 30
Act = Callable[[Trial], None]


class Expected(str, Enum):
    """The expected reaction."""

    STOPS = "all robots stop and stay stopped until an operator resets them"
    NOTICED = "all robots stop when diagnostics report it, and stay stopped until an operator resets them"
    HOLDS = "all robots hold during the fault, and continue afterwards"
    ENDS = "all robots stop, and the graph ends"
    GOES_ON = "the work continues"
    BOUNDED = "all motion stays within its limits, and the work continues afterwards"

    def __str__(self) -> str:
        return self.value


def nothing(trial: Trial) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: Name of the fault.
        expected: Expected reaction.
        begin: Starts the fault.
        end: Ends it.
        reported: Texts that must be in the diagnostics during the fault.
        lasts_s: Duration, s.
        prepare: Brings the graph into the state in which the fault starts.
        moving: Whether the robots move then.
    """

    name: str
    expected: Expected
    begin: Act
    end: Act = nothing
    reported: tuple[str, ...] = ()
    lasts_s: float = 1.5
    prepare: Act = field(default=nothing)
    moving: bool = True


def frozen(node: str, expected: Expected, *reported: str) -> Fault:
    """A process that hangs."""
    halt, go_on = (partial(Trial.signal, node=node, number=n) for n in (signal.SIGSTOP, signal.SIGCONT))
    return Fault(f"{node} frozen", expected, halt, go_on, reported)


def killed(node: str) -> Fault:
    """A process that is killed."""
    return Fault(f"{node} killed", Expected.ENDS, partial(Trial.signal, node=node, number=signal.SIGKILL))


def device(part: str, setting: str, expected: Expected, *reported: str, name: str) -> Fault:
    """A fault of an emulated device, by the setting of its emulator."""
    kind = setting.split()[0]

    def begin(trial: Trial) -> None:
        trial.injector.device_fault(part, setting)

    def end(trial: Trial) -> None:
        trial.injector.device_fault(part, f"{kind} 0")

    return Fault(name, expected, begin, end, reported)


def forged(
    name: str,
    change: Callable[[JointTrajectory], None],
    *reported: str,
    commands: bool = False,
    expected: Expected = Expected.HOLDS,
) -> Fault:
    """Invalid messages of the policy (with `commands`, of the codecs): it is frozen, and its last messages changed."""
    silenced = ("left_codec", "right_codec") if commands else ("policy",)

    def topics(trial: Trial) -> list[str]:
        return trial.injector.command_topics if commands else trial.injector.latent_topics

    def begin(trial: Trial) -> None:
        _to_all(trial, silenced, signal.SIGSTOP)
        trial.injector.stream(CHUNK_S, lambda count: trial.injector.forge(topics(trial), change))

    def end(trial: Trial) -> None:
        trial.injector.quiet()
        _to_all(trial, silenced, signal.SIGCONT)

    return Fault(name, expected, begin, end, reported, prepare=lambda t: t.injector.wait_for_chunks(topics(t)))


def repeated_image(name: str, *reported: str) -> Fault:
    """The last image again and again, with its stamp: the camera is frozen, and its driver repeats its last message."""

    def begin(trial: Trial) -> None:
        trial.signal("front_camera", signal.SIGSTOP)
        image = trial.injector.images[-1]
        stamp_ns = messages.stamp_ns(image.header)
        trial.injector.stream(FRAME_S, lambda count: trial.injector.publish_image(image, stamp_ns))

    return Fault(name, Expected.HOLDS, begin, _show_again, reported)


def pictures(name: str, ahead_s: float, frozen: bool, *reported: str) -> Fault:
    """Invalid images: the camera is frozen, and its last images are published with other stamps."""

    def begin(trial: Trial) -> None:
        trial.signal("front_camera", signal.SIGSTOP)
        images = list(trial.injector.images)[-1:] if frozen else list(trial.injector.images)

        def show(count: int) -> None:
            trial.injector.publish_image(images[count % len(images)], time.time_ns() + round(ahead_s * messages.SECOND))

        trial.injector.stream(FRAME_S, show)

    return Fault(name, Expected.HOLDS, begin, _show_again, reported)


def second_publisher(topic: str, name: str) -> Fault:
    """A second node that publishes on a topic of the graph; it is noticed when the middleware has discovered it."""

    def begin(trial: Trial) -> None:
        trial.injector.intrude(topic)

    def end(trial: Trial) -> None:
        trial.injector.quiet()

    return Fault(name, Expected.NOTICED, begin, end, (f"two publishers of /forwarded{topic}", "intruder"))


def _show_again(trial: Trial) -> None:
    trial.injector.quiet()
    trial.signal("front_camera", signal.SIGCONT)


def _to_all(trial: Trial, nodes: Iterable[str], number: int) -> None:
    for node in nodes:
        trial.signal(node, number)
