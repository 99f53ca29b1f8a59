"""`policy_node`: camera images and latent states in, latent chunks out; inference in a thread of its own.

Subscribes `camera/<name>/image_raw` and `<side>/latent_state`; publishes `<side>/latent_action`, stamped with the
image's acquisition time, and `<side>/observation`: which latent state went with the image. An image's arrival triggers
inference, nothing else does: no image, no motion. `camera_info` beside the images gives their field of view.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np
from pydantic import Field
from sensor_msgs.msg import Image, JointState, TimeReference
from trajectory_msgs.msg import JointTrajectory

from contracts.bundle import BundleError
from contracts.hops import POLICY, HopLog
from contracts.latency import LatencyTrace
from contracts.manifest import MANIFEST_NAME
from contracts.station import Inference
from latent_policy_node.camera_view import CameraView
from latent_policy_node.loop import PERIOD_TOLERANCE, TOO_LATE, Decision, LoopSettings, PolicyLoop
from latent_policy_node.observation_checks import ImageRate
from latent_policy_node.policy import Policy, PolicyStatus
from node_kit import cdr, log, messages, qos
from node_kit.diagnostics import ERROR, OK, WARN, DiagnosticsPublisher
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.messages import MessageStatus
from node_kit.parameters import Parameters
from node_kit.polled_subscription import AwaitedSubscription, PolledSubscription

SILENCE_S = 0.5
STOP_DEADLINE_S = 2.0
QUIET = ("ok", "idle")


class PolicyParameters(LoopSettings, Inference, Parameters):
    """Parameters of the policy node."""

    bundle: str = Field(description="directory of the policy bundle")
    latent_space: str = Field(default="", description="latent space that the codecs speak; empty: the bundle's own")
    image_topic: str = Field(default="", description="image topic; empty: camera/<name in the bundle>/image_raw")
    threads: int = Field(default=1, ge=1, le=64, description="threads of one inference")


class PolicyNode(Lifecycle):
    """See the module's docstring."""

    Parameters = PolicyParameters

    def __init__(self, name: str = "policy", **options: object) -> None:
        super().__init__(name, **options)
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._counts: Counter[str] = Counter()
        self._trace, self._hops = LatencyTrace(), HopLog(POLICY)
        self._received_ns: int | None = None  # when the image came that is to be acted on
        self._reason, self._fault, self._said = "not configured", "", ""
        self._conflict = ""  # the newest that was printed
        self._too_late = ""  # what the last late inference took, until it is reported
        self._loop: PolicyLoop | None = None
        self._rate, self._slow = ImageRate(), False

    def configure(self, parameters: PolicyParameters) -> None:
        """Load and verify the bundle, and run one inference.

        Raises:
            BundleError: The bundle is damaged, has another latent space than the codecs, or permits only newer images.
        """
        policy = Policy.load(parameters.bundle, parameters.threads, tuple(parameters.providers))
        if parameters.latent_space and parameters.latent_space != policy.latent_space:
            path = policy.directory / MANIFEST_NAME
            raise BundleError(path, "latent_space", policy.latent_space, f"{parameters.latent_space}, the codecs' own")
        status = policy.warm_up()
        if status is not PolicyStatus.OK:
            raise BundleError(policy.directory, "first inference", status, "finite actions")
        self._policy = policy
        self._loop, self._horizon_s = PolicyLoop(policy, parameters), parameters.publish_horizon_s
        if parameters.image_fit == "pad" != policy.trained.framing.fit:
            log.warning(self, "image_fit: found pad, and the policy was trained on images without black bars")
        self._counts.clear()
        self._trace, self._hops, self._reason, self._fault = LatencyTrace(), HopLog(POLICY), "inactive", ""
        self._connect(parameters.image_topic or f"camera/{next(iter(policy.cameras))}/image_raw")

    def _connect(self, image_topic: str) -> None:
        self._chunks = {
            side: self.keep(self.create_publisher(JointTrajectory, f"{side}/latent_action", qos.COMMAND))
            for side in self._policy.sides
        }
        self._observations = {
            side: self.keep(self.create_publisher(TimeReference, f"{side}/observation", qos.COMMAND))
            for side in self._policy.sides
        }
        self._images = self.keep(
            AwaitedSubscription(self, Image, image_topic, self._on_image, qos.IMAGE, self._on_conflict)
        )
        view_deg = self._policy.trained.framing.fovy_deg
        self._view = CameraView(self, image_topic, view_deg, self._on_conflict)
        self.keep(self._view.subscription)
        self._polled: list[PolledSubscription] = []
        for side in self._policy.sides:
            topic, receive = f"{side}/latent_state", partial(self._on_state, side)
            self._polled.append(
                PolledSubscription(self, JointState, topic, receive, qos.STATE, self._on_conflict, serialized=True)
            )
            self.keep(self._polled[-1].subscription)
        self.keep(DiagnosticsPublisher(self, "policy", self._diagnose))

    def activate(self) -> None:
        """Discard what was received before, and start the inference thread."""
        assert self._loop is not None
        self._loop.reset()
        self._view.reset()
        self._rate, self._slow = ImageRate(), False
        self._end.clear()
        self._images.deliver()  # discards images of before
        self._reason = "no_image"
        self._thread = threading.Thread(target=self._infer, name="inference", daemon=True)
        self._thread.start()

    def deactivate(self) -> None:
        """Stop the inference thread; the command timeout of the drivers then ends the motion."""
        self._end.set()
        if self._thread is not None:
            self._images.interrupt()
            self._thread.join(STOP_DEADLINE_S)
            self._thread = None
        self._reason = "inactive"

    def cleanup(self) -> None:
        """Release the bundle."""
        self._loop = None
        self._reason = "not configured"

    def _on_image(self, message: Image) -> None:
        pixels, status = messages.image_array(message)
        self._counts["images_received"] += 1
        if status is MessageStatus.WRONG_ENCODING:
            refusal = f"found the encoding {message.encoding[:32]!r}, expected {' or '.join(messages.ENCODINGS)}"
            self._say(refusal)
            self._refuse(f"{status}: {refusal}")
        elif status is not MessageStatus.OK:
            self._refuse(str(status))
        elif self.active and self._loop is not None:
            self._observe(self._loop, messages.stamp_ns(message.header), pixels)

    def _observe(self, loop: PolicyLoop, stamp_ns: int, pixels: np.ndarray) -> None:
        received_ns = time.time_ns()
        self._measure_rate(stamp_ns)
        if refusal := self._view.poll():
            self._refuse(refusal)
            return
        self._received_ns, loop.fovy_deg = received_ns, self._view.fovy_deg
        loop.observe_image(stamp_ns, pixels)
        self._say(loop.image_refusal)

    def _measure_rate(self, stamp_ns: int) -> None:
        """Log once that images come more seldom than in the policy's training."""
        self._rate.add(stamp_ns)
        least = self._policy.trained.rate_hz
        slow = self._rate.hz is not None and self._rate.hz < least * (1 - PERIOD_TOLERANCE)
        if slow and not self._slow:
            found = f"found {self._rate.hz:.1f} images per second, expected at least {least:g}"
            log.warning(self, f"{self._images.subscription.topic_name}: {found}, as in the policy's training")
        self._slow = slow

    def _on_state(self, side: str, message: bytes) -> None:
        if not self.active or self._loop is None:
            return
        if messages.frame_id(message) != self._policy.latent_space:
            self._refuse("latent_space")
            return
        state, status = messages.joint_state_arrays(message, self._policy.axes)
        if status is MessageStatus.OK:
            self._loop.observe_state(side, state.stamp_ns, state.position)
        else:
            self._refuse(str(status))

    def _infer(self) -> None:
        """The inference thread: one step for each image. An unexpected error ends the thread, and so the motion."""
        loop = self._loop
        assert loop is not None
        try:
            while not self._end.is_set():
                if not self._images.wait(SILENCE_S):
                    self._reason = self._why_no_image()
                    continue
                self._received_ns = None
                self._images.deliver()
                if self._received_ns is not None:
                    self._poll_states()
                    self._conclude(loop.step(), self._received_ns)
        except Exception as error:  # reported in diagnostics; without chunks the drivers hold
            self._fault = f"{type(error).__name__}: {error}"
            log.error(self, f"inference stopped: {self._fault}")

    def _why_no_image(self) -> str:
        topic = self._images.subscription.topic_name
        names = sorted(end.node_name for end in self.get_publishers_info_by_topic(topic))
        if not names:
            return f"no_image: no node publishes {topic}"
        return f"no_image: {' and '.join(names)} publishes {topic}, no whole image arrives: packets lost, or it hangs"

    def _poll_states(self) -> None:
        """Deliver the states that have come; they are needed only together with an image."""
        for inbox in self._polled:
            inbox.deliver()

    def _conclude(self, decision: Decision, received_ns: int) -> None:
        if decision.status == TOO_LATE:
            self._trace.add(decision.inference_ms)
            self._too_late = self._why_too_late(decision)
            self._refuse(f"{TOO_LATE}: {self._too_late}")
            return
        if decision.status not in QUIET:
            refusal = self._loop.image_refusal if self._loop is not None else ""
            self._refuse(f"{decision.status}: {refusal}" if refusal else decision.status)
            return
        if decision.chunks:
            self._trace.add(decision.inference_ms)
            published_ns = self._publish(decision)
            began_ns = decision.inferred_ns - round(1e6 * decision.inference_ms)
            self._hops.add(decision.stamp_ns, received_ns, began_ns, decision.inferred_ns, published_ns)
            self._counts["chunks"] += 1
            self._reason = ""

    def _why_too_late(self, decision: Decision) -> str:
        age_ms, horizon_ms = 1e-6 * (decision.inferred_ns - decision.stamp_ns), 1e3 * self._horizon_s
        times = f"inference took {decision.inference_ms:.0f} ms and ended {age_ms:.0f} ms after the image"
        return f"{times}, whose chunk is followed for {horizon_ms:.0f} ms"

    def _publish(self, decision: Decision) -> int:
        """Publish the chunks; returns when that started, ns of system time."""
        axes, space = self._policy.axes, self._policy.latent_space
        made = {
            side: cdr.joint_trajectory(axes, chunk.stamp_ns, chunk.times_s, chunk.points, space)
            for side, chunk in decision.chunks.items()
        }
        began_ns = time.time_ns()
        for side, message in made.items():
            self._chunks[side].publish(message)
        for side, stamp_ns in decision.state_stamps_ns.items():
            self._observations[side].publish(messages.time_reference(decision.stamp_ns, stamp_ns, "latent_state"))
        return began_ns

    def _say(self, refusal: str) -> None:
        """Log why images are refused, once."""
        if refusal and refusal != self._said:
            log.error(self, f"{self._images.subscription.topic_name}: {refusal}")
        self._said = refusal

    def _on_conflict(self, reason: str) -> None:
        """Refuse an image or state that is not from the only publisher, and print who there is."""
        self._refuse(reason)
        if reason != self._conflict:
            self._conflict = reason
            log.warning(self, f"refused: {reason}")

    def _refuse(self, reason: str) -> None:
        self._counts["refused"] += 1
        self._reason = reason

    def _diagnose(self) -> tuple[bytes, str, Mapping[str, str | float]]:
        counts = {name: self._counts[name] for name in ("images_received", "chunks", "refused")}
        values = (
            self._trace.values("inference") | counts | {"reason": self._fault or self._reason} | self._hops.values()
        )
        values |= {"image_rate_hz": self._rate.hz or 0.0, "field_of_view": self._view.words}
        values[TOO_LATE], self._too_late = self._too_late, ""
        if self._fault:
            return ERROR, "fault", values
        if not self.active:
            return OK, "inactive", values
        if self._reason:
            return WARN, "refusing", values
        return (WARN, "slow images", values) if self._slow else (OK, "running", values)


def main() -> int:
    """Entry point of `policy_node`."""
    return spin(PolicyNode, "policy")


if __name__ == "__main__":
    sys.exit(main())
