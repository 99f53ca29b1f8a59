"""Random messages for the codec node: refused with a reason, or decoded to valid commands. Uses the shipped bundle."""

from __future__ import annotations

import re
from random import Random

import numpy as np
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory

from bringup.paths import workspace
from embodiments import Embodiment
from latent_codec.node import CodecNode
from node_kit import messages
from node_kit.messages import MessageStatus
from system_tests.fuzz import random_messages
from system_tests.fuzz.nodes import Mailbox, Said, active, listening
from system_tests.fuzz.outcome import ACCEPTED, Outcome, Wrong, repeat

SPREAD = 0.03  # of latents around that of the present pose
TOLERANCE = 1e-6  # rad
REASON = re.compile(r"[a-z][a-z_]+")
AT_ONCE = 500
TIMERS = 0.01  # share of messages after which the node's timers are called


def fuzz_codec(count: int, seed: int) -> Outcome:
    """Send latent actions and joint states to a real codec node."""
    outcome, rng = Outcome("codec node"), Random(f"{seed} codec node")
    bundle = str(workspace() / "models" / "codec")
    parameters = {"side": "left", "arm": "xarm7", "hand": "inspire", "bundle": bundle, "base_xyz": [0.0, 0.4, 0.0]}
    with active(CodecNode, "left_codec", **parameters) as node, listening() as said:
        bench = _CodecBench(node, said, rng)
        repeat(outcome, count, lambda: bench.event(outcome), bench.settle, AT_ONCE)
        outcome.note = f"{bench.commands} pairs of commands checked"
    return outcome


class _CodecBench:
    """The messages of one side's drivers and policy for a codec."""

    def __init__(self, node: CodecNode, said: Said, rng: Random) -> None:
        self.commands = 0
        self._node, self._said, self._rng, self._mailbox = node, said, rng, Mailbox(node)
        side = node.loop.side
        self._robots = {"arm": side.arm, "hand": side.hand}
        self._postures = {"arm": side.arm.postures["home"], "hand": side.hand.postures["pregrasp"]}
        self._latent = side.latent_state(self._postures["arm"], self._postures["hand"])
        self._space = side.codec.latent_space

    def event(self, outcome: Outcome) -> None:
        """Send one message, and check the node's reaction."""
        self._said.clear()
        kind = self._rng.random()
        if kind < 0.7:
            self._act(outcome)
        else:
            self._tell(outcome, "arm" if kind < 0.85 else "hand")
        if self._rng.random() < TIMERS:
            self._mailbox.tick()
            self._check_states()

    def settle(self) -> None:
        """Do nothing."""

    def _tell(self, outcome: Outcome, part: str) -> None:
        robot, before = self._robots[part], self._node.loop.newest(part)
        message = random_messages.joint_state(self._rng, robot.joints, self._postures[part], SPREAD)
        self._mailbox.deliver(f"/left/{part}/joint_states", message)
        taken = self._node.loop.newest(part) is not before
        sound = messages.joint_state_arrays(message, robot.joints)[1] is MessageStatus.OK
        if taken != sound:
            raise Wrong(f"{part} joint states: took {taken}, expected {sound}")
        outcome.take(ACCEPTED if taken else self._reason())

    def _act(self, outcome: Outcome) -> None:
        message = random_messages.trajectory(self._rng, self._node.loop.side.axes, self._latent, SPREAD, self._space)
        chunks = self._node.loop.counts.decoded
        self._mailbox.deliver("/left/latent_action", message)
        commands = {topic: message for topic, message in self._said if topic.endswith("/command")}
        if self._node.loop.counts.decoded == chunks:
            if commands:
                raise Wrong("a command of what was refused")
            outcome.take(self._reason())
            return
        if len(commands) != 2:
            raise Wrong(f"found commands on {sorted(commands)}, expected arm and hand")
        for part, robot in self._robots.items():
            check_command(commands[f"/left/{part}/command"], robot, message.header)
        self.commands += 1
        outcome.take(ACCEPTED)

    def _check_states(self) -> None:
        for topic, message in self._said:
            if topic == "/left/latent_state" and not np.isfinite(message.position).all():
                raise Wrong(f"latent state {list(message.position)}")

    def _reason(self) -> str:
        reason = self._node.loop.counts.reason.split(":")[0]
        if not REASON.fullmatch(reason):
            raise Wrong(f"refused for {reason!r}, expected a reason")
        return reason


def check_command(message: JointTrajectory, robot: Embodiment, header: Header) -> None:
    """Check a robot's command: names, limits, finite values, ascending times, and the observation's stamp."""
    chunk, status = messages.read_chunk(message, robot.joints)
    if status is not MessageStatus.OK:
        raise Wrong(f"{robot.name}: a command that is {status}")
    if not ((chunk.points >= robot.lower - TOLERANCE) & (chunk.points <= robot.upper + TOLERANCE)).all():
        raise Wrong(f"{robot.name}: a command beyond its limits: {chunk.points.tolist()}")
    if messages.stamp_ns(message.header) != messages.stamp_ns(header):
        raise Wrong(f"{robot.name}: a command with another stamp")
