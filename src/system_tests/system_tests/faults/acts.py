"""Actions on a running graph that take more than one line."""

from __future__ import annotations

import copy
import signal
import time

from trajectory_msgs.msg import JointTrajectory

from node_kit import messages
from node_kit.testing import until
from system_tests.faults.short_lived import ShortLived
from system_tests.faults.starvation import Starvation
from system_tests.faults.trial import Trial

APART_NS = 20_000_000  # two chunks
DUE = 3  # images from one inference to the next
BEGUN_S = (0.0, 0.002, 0.004, 0.008, 0.016)  # after an image; its inference runs at one of them, on any machine
HALT_S = 0.25  # longer than a chunk is followed
PUSHED_JOINT, PUSHED = "left/arm joint7", 0.3  # rad


def again(trial: Trial, ago: int) -> None:
    """Publish after each chunk the one `ago` chunks before it (0: itself), stamped as if chunks came every 20 ms.

    With its own stamp, an old chunk would be refused as stale on a slow machine, whatever its order.
    """
    for topic in trial.injector.latent_topics:
        past: list[JointTrajectory] = []

        def react(topic: str, message: JointTrajectory, past: list[JointTrajectory] = past) -> None:
            past.append(message)
            if len(past) > ago:
                older = copy.deepcopy(past[-1 - ago])
                older.header.stamp = messages.to_stamp(messages.stamp_ns(message.header) - ago * APART_NS)
                trial.injector.publish(topic, older)
                del past[: -ago or None]

        trial.injector.on_chunk(topic, react)


def set_clock(trial: Trial, offset_s: float) -> None:
    """Set the graph's system clock, relative to that of the machine."""
    trial.injector.quiet()
    trial.clock.set(offset_s)


def starve(trial: Trial) -> None:
    """Take the CPUs away for 10 s."""
    with Starvation():
        time.sleep(10.0)


def stop_each(trial: Trial) -> None:
    """Call ~/stop of every driver."""
    for driver in trial.drivers:
        trial.injector.call(f"/{driver}/stop")


def lose_a_hand(trial: Trial) -> None:
    """Make the left hand a lost device."""
    trial.injector.device_fault("left/hand", "silent 1")
    time.sleep(1.5)


def find_the_hand(trial: Trial) -> None:
    """End the left hand's fault, and release the emergency stop."""
    trial.injector.device_fault("left/hand", "silent 0")
    release_stop(trial)


def set_device(trial: Trial, part: str, setting: str) -> None:
    """Set a fault of an emulated device."""
    trial.injector.device_fault(part, setting)


def push_and_release(trial: Trial) -> None:
    """Turn the left arm's last joint by PUSHED, and end the safeguard's stop."""
    before = trial.truth.position(PUSHED_JOINT)
    trial.injector.device_fault("left/arm", f"pushed {PUSHED}")
    until(lambda: abs(trial.truth.position(PUSHED_JOINT) - before) > 0.95 * PUSHED)
    time.sleep(0.3)  # until its servo is at rest
    trial.injector.device_fault("left/arm", "safeguard 0")


def interrupt_inference(trial: Trial) -> None:
    """Halt the policy's process for HALT_S in the midst of every second inference, some ms after its image."""

    def step(count: int) -> None:
        for _ in range(DUE):
            trial.injector.wait_for_image()
        time.sleep(BEGUN_S[count % len(BEGUN_S)])
        trial.signal("policy", signal.SIGSTOP)
        time.sleep(HALT_S)
        trial.signal("policy", signal.SIGCONT)

    trial.injector.stream(0.0, step)


def end_interruptions(trial: Trial) -> None:
    """Let the policy's process run all the time again."""
    trial.injector.quiet()
    trial.signal("policy", signal.SIGCONT)


def release_stop(trial: Trial) -> None:
    """Release the emergency stop."""
    trial.injector.estop(False)


def halt_policy(trial: Trial) -> None:
    """Stop the policy's process."""
    trial.signal("policy", signal.SIGSTOP)
    time.sleep(1.0)


def estop(trial: Trial) -> None:
    """Assert the emergency stop."""
    trial.injector.estop(True)


class StopOfSome:
    """An emergency stop of a short-lived publisher that `count` drivers discover, and no other node."""

    def __init__(self, count: int) -> None:
        self._count = count

    def prepare(self, trial: Trial) -> None:
        """Start the publisher, and let the drivers discover it."""
        running = trial.supervisor.running()
        self._publisher = ShortLived([running[driver] for driver in trial.drivers[: self._count]])
        trial.begin_work()

    def begin(self, trial: Trial) -> None:
        """Stop."""
        self._publisher.stop()

    def end(self, trial: Trial) -> None:
        """Wait until the publisher has left, and release the stop."""
        self._publisher.end()
        release_stop(trial)


def estop_and_go_on(trial: Trial) -> None:
    """Assert the emergency stop, and let the policy's process continue."""
    estop(trial)
    trial.signal("policy", signal.SIGCONT)
