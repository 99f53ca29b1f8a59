"""What is done to a running graph, where that takes more than one line."""

from __future__ import annotations

import copy
import signal
import time

from trajectory_msgs.msg import JointTrajectory

from node_kit import messages
from system_tests.faults.starvation import Starvation
from system_tests.faults.trial import Trial

APART_NS = 20_000_000  # two chunks


def again(trial: Trial, ago: int) -> None:
    """Each chunk is followed by the one that came `ago` chunks before it (0: itself), as if those had come every 20 ms:
    on a slow machine an older one would be refused as too late, whatever its order.
    """
    for topic in trial.injector.latent_topics:
        past: list[JointTrajectory] = []

        def react(topic: str, message: JointTrajectory, past: list[JointTrajectory] = past) -> None:
            past.append(message)
            if len(past) > ago:
                older = copy.deepcopy(past[-1 - ago])
                older.header.stamp = messages.to_stamp(messages.stamp_ns(message.header) - ago * APART_NS)
                trial.injector.tell(topic, older)
                del past[: -ago or None]

        trial.injector.on_chunk(topic, react)


def set_clock(trial: Trial, offset_s: float) -> None:
    trial.injector.quiet()
    trial.clock.set(offset_s)


def starve(trial: Trial) -> None:
    with Starvation():
        time.sleep(10.0)


def stop_each(trial: Trial) -> None:
    for driver in trial.drivers:
        trial.injector.call(f"/{driver}/stop")


def lose_a_hand(trial: Trial) -> None:
    trial.injector.device_fault("left/hand", "silent 1")
    time.sleep(1.5)


def find_the_hand(trial: Trial) -> None:
    trial.injector.device_fault("left/hand", "silent 0")
    release_stop(trial)


def release_stop(trial: Trial) -> None:
    trial.injector.estop(False)


def halt_policy(trial: Trial) -> None:
    trial.signal("policy", signal.SIGSTOP)
    time.sleep(1.0)


def estop(trial: Trial) -> None:
    trial.injector.estop(True)


def estop_and_go_on(trial: Trial) -> None:
    estop(trial)
    trial.signal("policy", signal.SIGCONT)
