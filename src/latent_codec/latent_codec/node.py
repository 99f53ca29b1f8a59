"""`codec_node`: joint states of one side to `S/latent_state`, `S/latent_action` to arm and hand commands.

What it refuses it does not publish: the drivers then decelerate and hold when their command timeout passes. The reason
is in the diagnostics `codec/<side>`.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

import embodiments
from contracts.chunk import Chunk
from contracts.hops import CODEC, HopLog
from contracts.latency import LatencyTrace
from contracts.station import Angles, Position
from contracts.transforms import pose
from latent_codec.codec import Codec
from latent_codec.loop import PARTS, CodecLoop, CodecSettings
from latent_codec.side import SideCodec
from node_kit import cdr, diagnostics, lifecycle, log, messages, parameters, qos, scheduling
from node_kit import main as node_main
from node_kit.emergency_stop import EmergencyStop
from node_kit.polled_subscription import AwaitedSubscription, DroppedMessages, PolledSubscription

STOP_DEADLINE_S = 2.0
IN_MOTION_S = 1.0  # after a chunk, as drivers; they hold sooner, unless the machine stalls


class CodecParameters(CodecSettings, parameters.Parameters):
    """Parameters of the codec node of one side."""

    side: Literal["left", "right"] = Field(description="side of the robot; its topics are below <side>")
    arm: str = Field(description="embodiment of the arm")
    hand: str = Field(description="embodiment of the hand or gripper")
    bundle: str = Field(description="directory of the codec bundle")
    base_xyz: Position = Field((0.0, 0.0, 0.0), description="arm root in the station frame, m")
    base_rpy: Angles = Field((0.0, 0.0, 0.0), description="arm root in the station frame, rad")
    state_rate_hz: float = Field(50.0, gt=0, le=500, description="rate of the latent state, Hz")


class CodecNode(lifecycle.Lifecycle):
    """Reads messages for its `CodecLoop` and publishes what that returns."""

    Parameters = CodecParameters

    def __init__(self, name: str = "codec", **options: Any) -> None:
        super().__init__(name, **options)
        self._thread: threading.Thread | None = None
        self._fault = ""
        self._conflict = ""  # the newest that was printed
        self._end = threading.Event()

    def configure(self, parameters: CodecParameters) -> None:
        """Load bundle and robots, and open the topics. Raises BundleError, EmbodimentError."""
        side = parameters.side
        arm, hand = (embodiments.load(name, side) for name in (parameters.arm, parameters.hand))
        codec = Codec.load(parameters.bundle, [parameters.hand])
        settings = CodecSettings(**{name: getattr(parameters, name) for name in CodecSettings.model_fields})
        self.loop = CodecLoop(SideCodec(codec, arm, hand, pose(parameters.base_xyz, parameters.base_rpy)), settings)
        self.robots = {"arm": arm, "hand": hand}
        self.trace, self.hops, self.dropped = LatencyTrace(), HopLog(CODEC), DroppedMessages()
        self._name, self._printed, self._state_period_s = side, "", 1.0 / parameters.state_rate_hz
        self._open(side)

    def activate(self) -> None:
        """Forget what was received before, and start the thread that decodes."""
        self.loop.reset()
        self._decoded_s = -math.inf  # when the last chunk was decoded, monotonic
        self._fault = ""
        self._end.clear()
        self._actions.deliver()  # ignored: the node is not active yet
        self._thread = threading.Thread(target=self._work, name="codec", daemon=True)
        self._thread.start()

    def deactivate(self) -> None:
        """End that thread; without latent states the policy stops."""
        self._end.set()
        if self._thread is not None:
            self._actions.interrupt()
            self._thread.join(STOP_DEADLINE_S)
            self._thread = None

    def _open(self, side: str) -> None:
        self._warm_up()
        self._state = self.keep(self.create_publisher(JointState, f"{side}/latent_state", qos.STATE))
        self._commands = {
            part: self.keep(self.create_publisher(JointTrajectory, f"{side}/{part}/command", qos.COMMAND))
            for part in self.robots
        }
        self._polled: list[PolledSubscription] = []
        for part in self.robots:
            topic, receive = f"{side}/{part}/joint_states", partial(self._on_joint_state, part)
            self._polled.append(
                PolledSubscription(self, JointState, topic, receive, qos.STATE, self._refuse, serialized=True)
            )
            self.keep(self._polled[-1].subscription)
        action = (JointTrajectory, f"{side}/latent_action", self._on_action, qos.COMMAND, self._on_conflict)
        self._actions = self.keep(AwaitedSubscription(self, *action, serialized=True))
        self._estop = self.keep(EmergencyStop(self))
        self.keep(diagnostics.DiagnosticsPublisher(self, f"codec/{side}", self._diagnose))

    def _warm_up(self) -> None:
        """First calls of onnxruntime and Pinocchio are slow: make them before anything waits for the result."""
        side = self.loop.side
        home, hand = side.arm.postures["home"], side.hand.postures["open"]
        side.decode_chunk(np.repeat(side.latent_state(home, hand)[None], 16, axis=0), home)

    def _on_joint_state(self, part: str, message: bytes) -> None:
        state, status = messages.joint_state_arrays(message, self.robots[part].joints)
        if status is messages.MessageStatus.OK:
            self.loop.observe(part, state.stamp_ns, state.position)
        else:
            self._refuse(f"{part}_joint_states_{status}")

    def _refuse(self, reason: str) -> None:
        self.loop.refuse(reason)
        self._print_refusal()

    def _on_conflict(self, reason: str) -> None:
        """Refuse an action that is not from the only policy, and print who there is.

        Robots in motion are stopped by the emergency stop: they stay stopped when one of the policies has left.
        """
        self.loop.refuse(reason)
        if reason != self._conflict:
            self._conflict = reason
            log.warning(self, f"codec/{self._name}: refused: {reason}")
        if self.active and time.monotonic() - self._decoded_s < IN_MOTION_S:
            self._decoded_s = -math.inf
            self._estop.assert_stop()

    def _take_joint_states(self) -> None:
        """Take the joint states that have come, for a latent state or a chunk."""
        for inbox in self._polled:
            inbox.deliver()

    def _work(self) -> None:
        """The node's own thread: it decodes chunks as they come, and publishes the latent state at its rate.

        One thread does both, so that neither waits for the other's lock. An unforeseen error ends it, and so ends
        motion.
        """
        due_s = time.monotonic()
        try:
            while not self._end.is_set():
                if self._actions.wait(due_s - time.monotonic()):
                    self._actions.deliver()
                if time.monotonic() >= due_s:
                    due_s = max(due_s, time.monotonic() - self._state_period_s) + self._state_period_s
                    self._publish_state()
        except Exception as error:  # reported in diagnostics too
            self._fault = f"{type(error).__name__}: {error}"
            log.error(self, f"decoding ended: {self._fault}")

    def _publish_state(self) -> None:
        self._take_joint_states()
        state = self.loop.latent_state(time.time_ns()) if self.active else None
        if state is not None:
            side = self.loop.side
            values = (side.axes, state.stamp_ns, state.position)
            self._state.publish(cdr.joint_state(*values, frame_id=side.codec.latent_space))

    def _on_action(self, message: bytes, info: Mapping[str, int | None]) -> None:
        self.dropped.take(info)
        if not self.active:
            self.loop.ignore()
            return
        received_ns, started = time.time_ns(), time.perf_counter()
        self._take_joint_states()
        chunk, status = messages.read_chunk(message, self.loop.side.axes)
        commands, _ = self.loop.decode(chunk, messages.frame_id(message), time.time_ns(), str(status))
        self._print_refusal()
        if commands:
            self._decoded_s = time.monotonic()
            self._publish_commands(commands, received_ns)
            self.trace.add(1e3 * (time.perf_counter() - started))

    def _publish_commands(self, commands: Mapping[str, Chunk], received_ns: int) -> None:
        """The arm's first: it waits least for the next step of its servo loop."""
        for part in PARTS:
            chunk = commands[part]
            command = cdr.joint_trajectory(self.robots[part].joints, chunk.stamp_ns, chunk.times_s, chunk.points)
            if part == PARTS[0]:
                self.hops.add(chunk.stamp_ns, received_ns, time.time_ns())
            self._commands[part].publish(command)

    def _print_refusal(self) -> None:
        """A reason is printed when it begins, not for each message."""
        reason = self.loop.counts.reason
        kind = reason.split(":")[0]
        if kind and kind != self._printed:
            log.warning(self, f"codec/{self._name}: refused: {reason}")
        self._printed = kind

    def _diagnose(self) -> diagnostics.Report:
        counts = self.loop.counts
        state = ("refusing" if counts.reason else "running") if self.active else "inactive"
        level = diagnostics.WARN if counts.reason else diagnostics.OK
        if self._fault:
            state, level = f"fault: {self._fault}", diagnostics.ERROR
        values = {
            **self.trace.values("codec"),
            **self.hops.values(),
            "received": counts.received,
            "chunks": counts.decoded,
            "chunks_refused": counts.chunks_refused,
            "dropped": self.dropped.count,
            "refused": sum(counts.refused.values()),
            "reason": counts.reason,
            "latent_space": self.loop.side.codec.latent_space,
        }
        return level, state, values


def main() -> int:
    """Entry point."""
    scheduling.prompt()
    return node_main.spin(CodecNode, "codec")


if __name__ == "__main__":
    sys.exit(main())
