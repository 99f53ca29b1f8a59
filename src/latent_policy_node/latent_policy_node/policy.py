"""The policy at run time: onnxruntime, one thread, no torch, no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
import onnxruntime

from contracts.bundle import BundleError, load_manifest, read_verified
from contracts.manifest import MANIFEST_NAME, PolicyManifest
from contracts.onnx_session import CPU, open_session
from episodes.dataset import resize_area

# image (1, h, w, 3) uint8; state (1, dims) in raw latent units; noise (1, horizon, dims), normal. The action prefix has
# the names of format 1: plan (1, most, dims) in raw latent units; planned (1,) int64, how many points of it count.
INPUTS = ("image", "state", "noise", "plan", "planned")


class PolicyStatus(str, Enum):
    """Why an inference was refused, or OK."""

    OK = "ok"
    INPUT_SHAPE = "input_shape"
    INPUT_NOT_FINITE = "input_not_finite"
    OUTPUT_NOT_FINITE = "output_not_finite"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Observation:
    """Inputs of the policy.

    Attributes:
        stamp_ns: Stamp of the image.
        images: Camera -> (H, W, 3) uint8 rgb of any size.
        state: Side -> (axes,) raw units.
        prefix: Side -> (K, axes), the action prefix: the first K points of the new chunk, which the robots follow
            already; K is at most `Policy.prefix_points` and the same on both sides. The state of a hand is then what it
            was commanded. Empty: the robots follow no chunk, and the state is measured.
    """

    stamp_ns: int
    images: Mapping[str, np.ndarray]
    state: Mapping[str, np.ndarray]
    prefix: Mapping[str, np.ndarray] = field(default_factory=dict)


class Policy:
    """A verified policy bundle.

    `horizon` points of a chunk are `period_s` apart; point i is at the observation's stamp + (i + 1) * period_s. An
    observation older than `max_age_s` must not be acted on.
    """

    def __init__(self, directory: Path, manifest: PolicyManifest, session: onnxruntime.InferenceSession) -> None:
        contract = manifest.policy
        self.directory, self.manifest = directory, manifest
        self.latent_space, self.axes = manifest.latent_space, manifest.axes
        self.period_s, self.horizon, self.prefix_points = contract.period_s, contract.horizon, contract.plan
        self.sides: tuple[str, ...] = contract.sides
        self.cameras: dict[str, tuple[int, int]] = dict(contract.observation.cameras)
        self.trained = contract.trained(next(iter(self.cameras)))
        self.max_age_s = contract.observation.max_age_s
        self._session = session
        self._noise = self.noise(np.random.default_rng(0))

    @classmethod
    def load(cls, bundle: Path | str, threads: int = 1, providers: tuple[str, ...] = CPU) -> Policy:
        """Verify the whole bundle and load it.

        Raises:
            BundleError: The bundle is damaged, or not one of a policy with one camera.
        """
        directory = Path(bundle)
        manifest = load_manifest(directory, "policy")
        return cls(directory, manifest, _session(directory, manifest, threads, providers))

    @property
    def times_s(self) -> np.ndarray:
        """Times (horizon,) of a chunk's points, in seconds after the observation's stamp."""
        return self.period_s * np.arange(1, self.horizon + 1)

    def noise(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the noise (1, horizon, sides * axes) that sampling starts from."""
        shape = (1, self.horizon, len(self.sides) * len(self.axes))
        return rng.standard_normal(shape, dtype=np.float32)

    def prepare(self, image: np.ndarray, camera: str | None = None) -> np.ndarray:
        """Return an image (H, W, 3) uint8 in the size of the network's input; datasets are converted by this, too."""
        return resize_area(image, self.cameras[camera or next(iter(self.cameras))])

    def infer(
        self, observation: Observation, noise: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], PolicyStatus]:
        """Return the points of a chunk, side -> (horizon, axes) in raw latent units; empty unless the status is OK."""
        state, status = self._state(observation)
        camera = next(iter(self.cameras))
        image = observation.images.get(camera)
        if image is None or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            return {}, PolicyStatus.INPUT_SHAPE
        prefix, count, prefix_status = self._prefix(observation)
        status = prefix_status if status is PolicyStatus.OK else status
        if status is not PolicyStatus.OK:
            return {}, status
        noise = self._noise if noise is None else noise
        inputs = {"image": self.prepare(image)[None], "state": state[None], "noise": noise}
        if self.prefix_points:
            inputs |= {"plan": prefix[None], "planned": np.array([count])}
        action = self._session.run(None, inputs)[0][0].astype(float)
        if not np.isfinite(action).all():
            return {}, PolicyStatus.OUTPUT_NOT_FINITE
        parts = np.split(action, len(self.sides), axis=-1)
        return dict(zip(self.sides, parts, strict=True)), PolicyStatus.OK

    def warm_up(self) -> PolicyStatus:
        """Run one inference on a grey image, since the first one is slow."""
        images = {name: np.full((*size, 3), 128, np.uint8) for name, size in self.cameras.items()}
        state = {side: np.zeros(len(self.axes)) for side in self.sides}
        return self.infer(Observation(0, images, state))[1]

    def _state(self, observation: Observation) -> tuple[np.ndarray, PolicyStatus]:
        parts = [np.asarray(observation.state.get(side, ()), dtype=np.float32) for side in self.sides]
        if any(part.shape != (len(self.axes),) for part in parts):
            return np.empty(0), PolicyStatus.INPUT_SHAPE
        state = np.concatenate(parts)
        return state, PolicyStatus.OK if np.isfinite(state).all() else PolicyStatus.INPUT_NOT_FINITE

    def _prefix(self, observation: Observation) -> tuple[np.ndarray, int, PolicyStatus]:
        """The action prefix (prefix_points, dims), zeros beyond the points that count, and their number."""
        prefix = np.zeros((self.prefix_points, len(self.sides) * len(self.axes)), np.float32)
        if not observation.prefix:
            return prefix, 0, PolicyStatus.OK
        parts = [np.asarray(observation.prefix.get(side, ()), dtype=np.float32) for side in self.sides]
        count = len(parts[0])
        if count > self.prefix_points or any(part.shape != (count, len(self.axes)) for part in parts):
            return prefix, 0, PolicyStatus.INPUT_SHAPE
        prefix[:count] = np.concatenate(parts, axis=1)
        return prefix, count, PolicyStatus.OK if np.isfinite(prefix).all() else PolicyStatus.INPUT_NOT_FINITE


def _session(
    directory: Path, manifest: PolicyManifest, threads: int, providers: tuple[str, ...]
) -> onnxruntime.InferenceSession:
    contract = manifest.policy
    cameras = contract.observation.cameras
    if len(cameras) != 1:
        raise BundleError(directory / MANIFEST_NAME, "policy.observation.cameras", list(cameras), "one camera")
    dims = len(contract.sides) * len(manifest.axes)
    (size,) = cameras.values()
    inputs = {"image": (1, *size, 3), "state": (1, dims), "noise": (1, contract.horizon, dims)}
    outputs = {"action": inputs["noise"]}
    if contract.plan:
        inputs |= {"plan": (1, contract.plan, dims), "planned": (1,)}
    content = read_verified(directory, manifest, contract.model)
    return open_session(content, directory / contract.model, inputs, outputs, threads, providers)
