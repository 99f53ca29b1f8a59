"""The policy's loop without ROS: observations in, chunks out. The node and the offline evaluation both run this."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from contracts.axes import WRIST_SIZE
from contracts.bundle import BundleError
from contracts.chunk import SECOND, Chunk, after, hold
from contracts.framing import Fit, framed, size_text
from contracts.freshness import Freshness, freshness
from contracts.image_contract import FIT_DESCRIPTION, check_fit, fit_for, view_difference
from contracts.manifest import MANIFEST_NAME
from contracts.servo import ServoSettings
from latent_policy_node.chunking import blend
from latent_policy_node.observation_checks import (
    Frame,
    ObservationStatus,
    State,
    check_age,
    check_frozen,
    check_states,
    follow,
    state_at,
)
from latent_policy_node.policy import Observation, Policy

STATE_HISTORY = 64
# A camera's jitter must not turn "every third frame" into "every fourth".
PERIOD_TOLERANCE = 0.15
TOO_LATE = "too_late"


class LoopSettings(BaseModel):
    """Bounds and rates of the loop."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
    renamed: ClassVar[dict[str, str]] = {
        "frozen_motion_m": "frozen_wrist_motion_m",
        "lost_m": "max_following_error_m",
        "ahead_s": "publish_horizon_s",
    }

    max_image_age_s: float | None = Field(
        default=None, gt=0, le=2, description="oldest image that may be acted on; default and upper limit: the bundle's"
    )
    max_state_age_s: float = Field(default=0.06, gt=0, le=2, description="largest time between image and latent state")
    frozen_frames: int = Field(
        default=1, ge=0, le=1000, description="identical frames in a row that stop motion; 0: never"
    )
    frozen_wrist_motion_m: float = Field(
        default=0.002, ge=0, le=1, description="they do so once a wrist has moved this far meanwhile"
    )
    min_period_s: float = Field(default=0.1, ge=0, le=1, description="least time between the images of two inferences")
    crossfade_s: float = Field(
        default=0.3, ge=0, le=1, description="duration of the cross-fade from the running chunk to a new one"
    )
    max_following_error_m: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="a wrist farther than this from the running chunk does not follow it; the next chunk then starts "
        "without an action prefix",
    )
    publish_horizon_s: float = Field(
        default=ServoSettings.model_fields["command_timeout_s"].default,
        gt=0,
        le=10,
        description="how far after its observation a published chunk reaches, no less than the drivers' command "
        "timeout; points beyond are left out",
    )
    image_fit: Fit | None = Field(default=None, description=FIT_DESCRIPTION)
    seed: int = Field(default=0, ge=0, description="with an image's stamp, seed of the noise of its chunk")


@dataclass(frozen=True)
class Decision:
    """The result of one step.

    Attributes:
        status: "ok", "idle" (no new image is due), TOO_LATE (robots would not follow the chunk any more), or why the
            observation or the inference was refused.
        stamp_ns: Stamp of the image.
        chunks: Side -> chunk; empty unless the status is "ok".
        inference_ms: Duration of the inference.
        inferred_ns: When the inference ended, on the clock given to `step`.
        state_stamps_ns: Side -> stamp of the state that was used with the image.
    """

    status: str
    stamp_ns: int = 0
    chunks: Mapping[str, Chunk] = field(default_factory=dict)
    inference_ms: float = 0.0
    inferred_ns: int = 0
    state_stamps_ns: Mapping[str, int] = field(default_factory=dict)


class PolicyLoop:
    """The newest observation, the running chunks, and the step from one to the other.

    Observations may come from another thread than the calls of `step`. A chunk depends on its image and states, the
    chunk before it, and when the inference ended, which is when its first point is due: a recording gives the same
    chunks again.

    Attributes:
        fovy_deg: Vertical field of view of the camera's images, degrees, set by the owner; None: unknown.
        image_refusal: Found and expected, if the newest image has another shape or field of view; else empty.
    """

    def __init__(self, policy: Policy, settings: LoopSettings) -> None:
        """Start without observations.

        Raises:
            BundleError: a parameter permits older images than the bundle does, or another fit.
        """
        self.policy, self.settings = policy, settings
        if expected := check_fit(settings.image_fit, policy.trained):
            raise BundleError(policy.directory / MANIFEST_NAME, "parameter 'image_fit'", settings.image_fit, expected)
        self.fovy_deg: float | None = None
        self._max_image_age_s = _max_image_age_s(policy, settings.max_image_age_s)
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Discard all observations and chunks."""
        with self._lock:
            self._frame: Frame | None = None
            self._frame_status = ObservationStatus.OK
            self.image_refusal = ""
            self._used_ns: int | None = None
            self._states = {side: deque[State](maxlen=STATE_HISTORY) for side in self.policy.sides}
            self._chunks: dict[str, Chunk] = {}

    def observe_image(self, stamp_ns: int, image: np.ndarray) -> ObservationStatus:
        """Store a camera frame (H, W, 3) uint8 rgb in place of the one before.

        Returns:
            Whether its stamp advances, and its shape and field of view are the policy's; else see `image_refusal`.
        """
        image, status, self.image_refusal = self._as_trained(image)
        with self._lock:
            if status is not ObservationStatus.OK:
                self._frame, self._frame_status = None, status
            else:
                self._frame, self._frame_status = follow(self._frame, stamp_ns, image, self._wrists())
            return self._frame_status

    def _as_trained(self, image: np.ndarray) -> tuple[np.ndarray, ObservationStatus, str]:
        """The image framed as in training, or the status and the words with which it is refused."""
        found, trained = (image.shape[0], image.shape[1]), self.policy.trained
        fit, expected = fit_for(found, trained, self.settings.image_fit, "image_fit")
        if expected:
            words = f"found an image of {size_text(found)}, expected {expected}"
            return image[:0], ObservationStatus.IMAGE_SHAPE, words
        if difference := view_difference(self.fovy_deg, found, fit, trained):
            return image[:0], ObservationStatus.FIELD_OF_VIEW, "found {}, expected {}".format(*difference)
        return framed(image, trained.size, fit)[0], ObservationStatus.OK, ""

    def observe_state(self, side: str, stamp_ns: int, vector: np.ndarray) -> None:
        """Store one side's latent state (axes,); older ones are discarded when a clock was set back."""
        with self._lock:
            history = self._states[side]
            if history and stamp_ns < history[-1].stamp_ns:
                history.clear()
            history.append(State(stamp_ns, np.array(vector, dtype=float)))

    def step(self, clock: Callable[[], int] = time.time_ns) -> Decision:
        """Infer a chunk from the newest observation, if it passes the checks and is due.

        Args:
            clock: Returns system time in ns.
        """
        with self._lock:
            frame, frame_status = self._frame, self._frame_status
            states = {side: state_at(history, frame.stamp_ns if frame else 0) for side, history in self._states.items()}
            wrists = self._wrists()
        status = (
            frame_status if frame_status is not ObservationStatus.OK else self._gate(frame, wrists, states, clock())
        )
        if frame is None or status is not ObservationStatus.OK:
            return Decision(str(status), frame.stamp_ns if frame else 0)
        if not self._due(frame.stamp_ns):
            return Decision("idle", frame.stamp_ns)
        self._used_ns = frame.stamp_ns
        return self._act(frame, {side: state for side, state in states.items() if state is not None}, clock)

    def _wrists(self) -> np.ndarray:
        """Newest wrist positions (sides, 3) in m; NaN where no state came yet."""
        unknown = np.full(3, np.nan)
        return np.array([history[-1].vector[:3] if history else unknown for history in self._states.values()])

    def _gate(
        self, frame: Frame | None, wrists: np.ndarray, states: Mapping[str, State | None], now_ns: int
    ) -> ObservationStatus:
        settings = self.settings
        status = check_age(frame, now_ns, self._max_image_age_s)
        if frame is None or status is not ObservationStatus.OK:
            return status
        status = check_frozen(frame, wrists, settings.frozen_frames, settings.frozen_wrist_motion_m)
        if status is not ObservationStatus.OK:
            return status
        return check_states(states, frame.stamp_ns, settings.max_state_age_s)

    def _due(self, stamp_ns: int) -> bool:
        if self._used_ns is None or stamp_ns < self._used_ns:
            return True
        return stamp_ns > self._used_ns and (
            stamp_ns - self._used_ns >= self.settings.min_period_s * (1 - PERIOD_TOLERANCE) * SECOND
        )

    def _act(self, frame: Frame, states: Mapping[str, State], clock: Callable[[], int]) -> Decision:
        camera = next(iter(self.policy.cameras))
        given, prefix = self._given(frame.stamp_ns, states)
        stamps_ns = {side: state.stamp_ns for side, state in states.items()}
        observation = Observation(
            stamp_ns=frame.stamp_ns,
            images={camera: frame.image},
            state=given,
            prefix=prefix,
        )
        began = time.perf_counter()
        # With the same noise each time, the policy would be a fixed function of the observation: at rest (a hand closed
        # on an object) it would repeat the same chunk for ever.
        actions, status = self.policy.infer(observation, self.policy.noise(self._rng(frame.stamp_ns)))
        inference_ms = 1e3 * (time.perf_counter() - began)
        now_ns, fade = clock(), self.settings.crossfade_s
        if actions and freshness(frame.stamp_ns, now_ns, self.settings.publish_horizon_s) is Freshness.STALE:
            return Decision(TOO_LATE, frame.stamp_ns, {}, inference_ms, now_ns)
        chunks = {}
        for side, points in actions.items():
            new = Chunk(frame.stamp_ns, self.policy.times_s, points)
            chunks[side] = blend(self._running(side, states[side], now_ns), new, now_ns, fade)
        self._chunks = chunks or self._chunks
        sent = {side: self._sent(chunk) for side, chunk in chunks.items()}
        return Decision(str(status), frame.stamp_ns, sent, inference_ms, now_ns, stamps_ns)

    def _sent(self, chunk: Chunk) -> Chunk:
        """The first points of a chunk, up to the one at the publish horizon or the next beyond it.

        Drivers brake once the observation is as old as their command timeout, so points far ahead are never reached;
        but decoding them takes time before the first one is executed.
        """
        end_ns = chunk.stamp_ns + round(self.settings.publish_horizon_s * SECOND)
        beyond = chunk.times_ns[chunk.times_ns >= end_ns]
        return chunk.until(int(beyond[0])) if len(beyond) else chunk

    def _rng(self, stamp_ns: int) -> np.random.Generator:
        """Noise depends on the image's stamp, not on how many inferences came before."""
        return np.random.default_rng([self.settings.seed, abs(stamp_ns)])

    def _given(self, stamp_ns: int, states: Mapping[str, State]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What the policy is given of the robots: state and action prefix, by side.

        The action prefix holds the points of the chunk of `stamp_ns` that the robots follow whatever is decided now:
        those of the running chunks during the cross-fade. The state of a hand is then what it was commanded. Where a
        robot does not follow its chunk (held, refused, not begun), there is no prefix, and the state is measured.
        """
        measured = {side: state.vector for side, state in states.items()}
        due_ns = after(stamp_ns, self.policy.times_s[: self.policy.prefix_points])
        due_ns = due_ns[due_ns <= stamp_ns + round(self.settings.crossfade_s * SECOND)]
        given, prefix = {}, {}
        for side, vector in measured.items():
            chunk = self._chunks.get(side)
            if not self.policy.prefix_points or chunk is None or not chunk.stamp_ns <= stamp_ns <= chunk.end_ns:
                return measured, {}
            here = chunk.at(stamp_ns)[0]
            if np.linalg.norm((vector - here)[:3]) > self.settings.max_following_error_m:
                return measured, {}
            given[side] = np.concatenate([vector[:WRIST_SIZE], here[WRIST_SIZE:]])
            prefix[side] = chunk.sample(due_ns)
        return given, prefix

    def _running(self, side: str, state: State, now_ns: int) -> Chunk:
        """The chunk that the robot follows now; after its end the robot is at rest where it was measured."""
        chunk = self._chunks.get(side)
        if chunk is None or not chunk.stamp_ns <= now_ns <= chunk.end_ns:
            return hold(state.vector, state.stamp_ns)
        return chunk


def _max_image_age_s(policy: Policy, asked: float | None) -> float:
    """The maximum observation age of the bundle, or what a parameter tightens it to. Raises BundleError."""
    if asked is not None and asked > policy.max_age_s:
        field, expected = "policy.observation.max_age_s", f"at least {asked:g}, the parameter 'max_image_age_s'"
        raise BundleError(policy.directory / MANIFEST_NAME, field, policy.max_age_s, expected)
    return policy.max_age_s if asked is None else asked
