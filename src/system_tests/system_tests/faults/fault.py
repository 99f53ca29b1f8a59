"""What a fault is, and how those that are alike are made: frozen and killed processes, forged messages, devices."""

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
    """What must happen."""

    STOPS = "all stop and stay stopped until a person resets"
    NOTICED = "all stop once diagnostics name it, and stay stopped until a person resets"
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
        trial.injector.wait_for_chunks(topics)
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
            trial.injector.show(images[count % len(images)], time.time_ns() + round(ahead_s * messages.SECOND))

        trial.injector.stream(FRAME_S, show)

    def end(trial: Trial) -> None:
        trial.injector.quiet()
        trial.signal("front_camera", signal.SIGCONT)

    return Fault(name, Expected.HOLDS, begin, end, reported)


def _to_all(trial: Trial, nodes: Iterable[str], number: int) -> None:
    for node in nodes:
        trial.signal(node, number)
