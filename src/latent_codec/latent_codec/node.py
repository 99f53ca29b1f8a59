"""`codec_node`: joint states of one side to `/S/latent_state`, `/S/latent_action` to arm and hand commands.

What it refuses it does not publish: the drivers then decelerate and hold when their command timeout passes. The reason
is in the diagnostics `codec/<side>`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

import embodiments
from contracts.hops import CODEC, HopLog
from contracts.latency import LatencyTrace
from embodiments.transforms import pose
from latent_codec.codec import Codec
from latent_codec.gate import Gate, Seed
from latent_codec.side import SideCodec
from node_kit import diagnostics, lifecycle, messages, parameters, qos, scheduling
from node_kit import main as node_main
from node_kit.polled_subscription import DroppedMessages, PolledSubscription

STOP_DEADLINE_S = 2.0


class CodecParameters(parameters.Parameters):
    """Parameters of the codec node of one side."""

    side: Literal["left", "right"] = Field(description="side of the robot; its topics are below /<side>")
    arm: str = Field(description="embodiment of the arm")
    hand: str = Field(description="embodiment of the hand or gripper")
    bundle: str = Field(description="directory of the codec bundle")
    base_xyz: tuple[float, float, float] = Field((0.0, 0.0, 0.0), description="arm root in the station frame, m")
    base_rpy: tuple[float, float, float] = Field((0.0, 0.0, 0.0), description="arm root in the station frame, rad")
    max_chunk_age_s: float = Field(0.5, gt=0, le=5, description="an older latent action is refused, s")
    max_state_age_s: float = Field(0.1, gt=0, le=5, description="with older joint states nothing is decoded, s")
    state_rate_hz: float = Field(50.0, gt=0, le=500, description="rate of the latent state, Hz")


class CodecNode(lifecycle.Lifecycle):
    """See the module."""

    Parameters = CodecParameters

    def __init__(self, name: str = "codec", **options: Any) -> None:
        super().__init__(name, **options)
        self._telling: threading.Thread | None = None
        self._fault = ""
        self._end, self._working = threading.Event(), threading.Lock()  # one computes at a time

    def configure(self, parameters: CodecParameters) -> None:
        """Load bundle and robots, and open the topics. Raises BundleError, EmbodimentError."""
        side = parameters.side
        arm, hand = (embodiments.load(name, side) for name in (parameters.arm, parameters.hand))
        codec = Codec.load(parameters.bundle, [parameters.hand])
        self.side = SideCodec(codec, arm, hand, pose(parameters.base_xyz, parameters.base_rpy))
        self.gate = Gate(codec.latent_space, codec.axes, parameters.max_chunk_age_s, parameters.max_state_age_s)
        self.seed = Seed()
        self.trace, self.hops, self.refused, self.reason = LatencyTrace(), HopLog(CODEC), Counter(), ""
        self.received = self.chunks = self.chunks_refused = 0  # every chunk received is decoded or refused
        self.dropped = DroppedMessages()
        self.states: dict[str, messages.JointArrays] = {}
        self._sent_stamp = 0
        self._name, self._state_period_s = side, 1.0 / parameters.state_rate_hz
        self._open(side)

    def activate(self) -> None:
        """Forget what was received before, and begin to tell the latent state."""
        self.states.clear()
        self.seed.clear()
        self._fault = ""
        self._end.clear()
        self._telling = threading.Thread(target=self._tell, name="latent state", daemon=True)
        self._telling.start()

    def deactivate(self) -> None:
        """Tell no more; without states the policy stops."""
        self._end.set()
        if self._telling is not None:
            self._telling.join(STOP_DEADLINE_S)
            self._telling = None

    def _open(self, side: str) -> None:
        self._warm_up()
        self._state = self.keep(self.create_publisher(JointState, f"/{side}/latent_state", qos.STATE))
        self._commands = {
            part: self.keep(self.create_publisher(JointTrajectory, f"/{side}/{part}/command", qos.COMMAND))
            for part in ("arm", "hand")
        }
        self._polled: list[PolledSubscription] = []
        for part, robot in (("arm", self.side.arm), ("hand", self.side.hand)):
            callback = self._receiver(part, robot.joints)
            self._polled.append(
                PolledSubscription(self, JointState, f"/{side}/{part}/joint_states", callback, qos.STATE)
            )
            self.keep(self._polled[-1].subscription)
        self.keep(self.create_subscription(JointTrajectory, f"/{side}/latent_action", self._on_action, qos.COMMAND))
        self.keep(diagnostics.DiagnosticsPublisher(self, f"codec/{side}", self._diagnose))

    def _warm_up(self) -> None:
        """First calls of onnxruntime and Pinocchio are slow: make them before anything waits for the result."""
        home, hand = self.side.arm.postures["home"], self.side.hand.postures["open"]
        state = self.side.latent_state(home, hand)
        self.side.decode_chunk(np.repeat(state[None], 16, axis=0), home)

    def _receiver(self, part: str, joints: tuple[str, ...]) -> Any:
        def receive(message: JointState) -> None:
            arrays, status = messages.joint_state_arrays(message, joints)
            if status is messages.MessageStatus.OK:
                self.states[part] = arrays
            else:
                self._refuse(f"{part}_joint_states_{status}")

        return receive

    def _look(self) -> None:
        """At the joint states that have come: they are needed for a state and for a chunk, and wake nobody before."""
        for inbox in self._polled:
            inbox.deliver()

    def _tell(self) -> None:
        """The thread of the latent state: to wake an executor for it would take longer than the state itself. An
        unforeseen error ends it, and so ends motion."""
        deadline = time.monotonic()
        try:
            while not self._end.wait(max(deadline - time.monotonic(), 0.0)):
                deadline = max(deadline, time.monotonic() - self._state_period_s) + self._state_period_s
                with self._working:
                    self._publish_state()
        except Exception as error:  # reported in diagnostics too
            self._fault = f"{type(error).__name__}: {error}"
            print(f"error: node {self.get_name()}: latent state ended: {self._fault}", file=sys.stderr, flush=True)

    def _publish_state(self) -> None:
        """The newest latent state, stamped with the older of the two joint states; each only once."""
        self._look()
        if not self.active or self.gate.states(self.states, time.time_ns()):
            return
        arm, hand = self.states["arm"], self.states["hand"]
        stamp = min(arm.stamp_ns, hand.stamp_ns)
        if stamp == self._sent_stamp:  # an older one comes when the clock was set back: it is news
            return
        self._sent_stamp = stamp
        latent = self.side.latent_state(arm.position, hand.position)
        self._state.publish(messages.joint_state(self.side.axes, stamp, latent, frame_id=self.gate.latent_space))

    def _on_action(self, message: JointTrajectory, info: Mapping[str, int | None]) -> None:
        self.dropped.take(info)
        self.received += 1
        if not self.active:
            self.chunks_refused += 1
            return
        received_ns, started = time.time_ns(), time.perf_counter()
        with self._working:
            reason = self._decode(message, received_ns)
        if reason:
            self.chunks_refused += 1
            self._refuse(reason)
            return
        self.trace.add(1e3 * (time.perf_counter() - started))
        self.chunks, self.reason = self.chunks + 1, ""

    def _decode(self, message: JointTrajectory, received_ns: int) -> str:
        """Decode a chunk and publish the commands; returns why not, empty when done."""
        self._look()
        chunk, status = messages.read_chunk(message, self.side.axes)
        now = time.time_ns()
        reason = self.gate.chunk(message.header.frame_id, str(status), chunk.stamp_ns, now)
        reason = reason or self.gate.states(self.states, now)
        if reason:
            return reason
        first_ns = chunk.stamp_ns + int(1e9 * chunk.times_s[0])
        seed = self.seed.at(first_ns, self.states["arm"].position)
        arm, hand, decoded = self.side.decode_chunk(chunk.points, seed)
        if not decoded.ok:
            return str(decoded)
        self.seed.remember(chunk.stamp_ns, chunk.times_s, arm)
        commands = {
            part: messages.joint_trajectory(robot.joints, chunk.stamp_ns, chunk.times_s, points)
            for part, robot, points in (("arm", self.side.arm, arm), ("hand", self.side.hand, hand))
        }
        self.hops.add(chunk.stamp_ns, received_ns, time.time_ns())
        for part, command in commands.items():
            self._commands[part].publish(command)
        return ""

    def _refuse(self, reason: str) -> None:
        """Count a refusal; a reason is printed when it begins, not for each message."""
        kind = reason.split(":")[0]
        if kind != self.reason.split(":")[0]:
            print(f"codec/{self._name}: refused: {reason}", file=sys.stderr, flush=True)
        self.refused[kind] += 1
        self.reason = reason

    def _diagnose(self) -> diagnostics.Report:
        state = ("refusing" if self.reason else "running") if self.active else "inactive"
        level = diagnostics.WARN if self.reason else diagnostics.OK
        if self._fault:
            state, level = f"fault: {self._fault}", diagnostics.ERROR
        counts = {"received": self.received, "chunks": self.chunks, "chunks_refused": self.chunks_refused}
        counts["dropped"] = self.dropped.count
        values = {**counts, "refused": sum(self.refused.values()), "reason": self.reason}
        return (
            level,
            state,
            {**self.trace.values("codec"), **self.hops.values(), **values, "latent_space": self.gate.latent_space},
        )


def main() -> int:
    """Entry point."""
    scheduling.prompt()
    return node_main.spin(CodecNode, "codec")


if __name__ == "__main__":
    sys.exit(main())
