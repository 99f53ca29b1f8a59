"""Random images, camera infos and latent states for the policy node: inference continues, chunks are valid."""

from __future__ import annotations

import time
from random import Random

import numpy as np
from sensor_msgs.msg import CameraInfo
from trajectory_msgs.msg import JointTrajectory

from bringup.paths import workspace
from latent_policy_node.node import PolicyNode
from node_kit import messages
from node_kit.diagnostics import ERROR
from node_kit.messages import MessageStatus
from system_tests.fuzz import random_messages
from system_tests.fuzz.nodes import Mailbox, Said, active, listening
from system_tests.fuzz.outcome import ACCEPTED, Outcome, Wrong, repeat

SPREAD = 0.03  # of latents around a pose
AT_ONCE, SETTLE_S = 500, 0.02  # messages between two pauses for the inference thread
OUTPUT_POINTS = 64  # largest number of points of a chunk of the policy


def fuzz_policy(count: int, seed: int) -> Outcome:
    """Send images and latent states to a real policy node, whose inference thread runs meanwhile."""
    outcome, rng = Outcome("policy node"), Random(f"{seed} policy node")
    parameters = {"bundle": str(workspace() / "models" / "policy"), "min_period_s": 0.0}
    with active(PolicyNode, "policy", **parameters) as node, listening() as said:
        bench = _PolicyBench(node, said, rng)
        repeat(outcome, count, lambda: bench.event(outcome), bench.settle, AT_ONCE)
        outcome.note = f"{bench.chunks} chunks checked"
    return outcome


class _PolicyBench:
    """The messages of a camera and the codecs for the policy."""

    def __init__(self, node: PolicyNode, said: Said, rng: Random) -> None:
        self.chunks = 0
        self._said, self._rng, self._mailbox = said, rng, Mailbox(node)
        policy = node._policy
        self._sides, self._axes, self._space = policy.sides, policy.axes, policy.latent_space
        ((self._camera, self._size),) = policy.cameras.items()
        self._infos = f"/camera/{self._camera}/camera_info"
        self._latent = np.zeros(len(self._axes))
        self._latent[[3, 7]] = 1.0  # the first two columns of a rotation

    def event(self, outcome: Outcome) -> None:
        """Send one message; the reaction to images is checked later, in the published messages."""
        if self._rng.random() < 0.4:
            message = random_messages.image(self._rng, self._size)
            self._mailbox.deliver(f"/camera/{self._camera}/image_raw", message)
            outcome.take(_became(messages.image_array(message)[1]))
            return
        if self._rng.random() < 0.05:
            self._mailbox.deliver(self._infos, random_messages.camera_info(self._rng))
            outcome.take(ACCEPTED)
            return
        message = random_messages.joint_state(self._rng, self._axes, self._latent, SPREAD, self._space)
        self._mailbox.deliver(f"/{self._rng.choice(self._sides)}/latent_state", message)
        if message.header.frame_id != self._space:
            outcome.take("latent_space")
        else:
            outcome.take(_became(messages.joint_state_arrays(message, self._axes)[1]))

    def settle(self) -> None:
        """Let inference run with valid messages, then check the published messages and the node's status."""
        self._mailbox.deliver(self._infos, CameraInfo())  # not calibrated: images are used again
        for _ in range(3):
            for side in self._sides:
                state = messages.joint_state(self._axes, time.time_ns(), self._latent, frame_id=self._space)
                self._mailbox.deliver(f"/{side}/latent_state", state)
            picture = np.full((*self._size, 3), self._rng.randrange(256), np.uint8)
            self._mailbox.deliver(f"/camera/{self._camera}/image_raw", messages.image(picture, time.time_ns()))
            time.sleep(SETTLE_S)
        self._mailbox.tick()
        for topic, message in list(self._said):
            if topic.endswith("/latent_action"):
                self._check_chunk(message)
            elif topic == "/diagnostics" and message.status[0].level == ERROR:
                raise Wrong(f"the node reports {[(v.key, v.value) for v in message.status[0].values]}")
        self._said.clear()

    def _check_chunk(self, message: JointTrajectory) -> None:
        status = messages.read_chunk(message, self._axes)[1]
        if status is not MessageStatus.OK or message.header.frame_id != self._space:
            raise Wrong(f"said a chunk that is {status}, of {message.header.frame_id}")
        if len(message.points) > OUTPUT_POINTS:
            raise Wrong(f"said a chunk of {len(message.points)} points")
        self.chunks += 1


def _became(status: MessageStatus) -> str:
    return ACCEPTED if status is MessageStatus.OK else str(status)
