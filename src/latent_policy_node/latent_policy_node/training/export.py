"""Export: the whole sampler, from camera bytes to raw latent units, as one ONNX graph in a verified bundle."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contracts.bundle import content_id, describe_file, write_manifest
from contracts.image_contract import Framing
from contracts.manifest import FileEntry, ObservationContract, PolicyContract, PolicyManifest, Training
from contracts.onnx_session import open_session
from latent_codec.training.onnx_export import PARITY, ExportError, write_graph
from latent_policy_node.policy import INPUTS
from latent_policy_node.training.inference_graph import InferenceGraph
from latent_policy_node.training.model import PolicyNetwork
from latent_policy_node.training.normalise import Normaliser
from latent_policy_node.training.photometric import scale_image

MODEL_FILE = "policy.onnx"
STATE_BOUND = 1.5
MAX_BUNDLE_BYTES = 20 << 20


class Sampler(nn.Module):
    """What `latent_policy_node.policy` says of the inputs -> action (1, horizon, dims), raw units.

    State and action prefix are clipped to 1.5 times their range in the demonstrations, beyond which the network is
    untrained.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, network: PolicyNetwork, scale: Normaliser) -> None:
        super().__init__()
        self.network, self.bound = network, scale.bound
        self.register_buffer("centre", torch.from_numpy(scale.centre))
        self.register_buffer("scale", torch.from_numpy(scale.scale))

    def forward(self, image: Tensor, state: Tensor, noise: Tensor, prefix: Tensor, prefix_length: Tensor) -> Tensor:
        """Inputs as INPUTS names them to actions (1, horizon, dims) in raw units."""
        seen = self.network.observe(scale_image(image), self.scaled(state), self.scaled(prefix), prefix_length)
        return self.network.sample(seen, noise, self.bound) * self.scale + self.centre

    def scaled(self, raw: Tensor) -> Tensor:
        """State or action prefix (..., dims) in raw units, normalised and clipped."""
        return ((raw - self.centre) / self.scale).clamp(-STATE_BOUND, STATE_BOUND)


@dataclass(frozen=True)
class Origin:
    """What the manifest says about where the policy comes from."""

    name: str
    latent_space: str
    axes: tuple[str, ...]
    period_s: float
    camera: str
    framing: Framing
    recipe: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    steps: int
    seed: int
    seconds: float
    metrics: Mapping[str, Any]
    options: Mapping[str, Any]


def export(sampler: Sampler, size: tuple[int, int], origin: Origin, directory: Path) -> PolicyManifest:
    """Write the bundle into `directory`. Raises ExportError if ONNX and PyTorch differ by more than 1e-4."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / MODEL_FILE
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        draft = Path(scratch) / MODEL_FILE
        write_onnx(sampler, size, draft)
        difference = parity(sampler, size, draft)
        if draft.stat().st_size > MAX_BUNDLE_BYTES:
            raise ExportError(f"{path}: found {draft.stat().st_size} bytes, expected at most {MAX_BUNDLE_BYTES}")
        draft.replace(path)
    metrics = dict(origin.metrics) | {"onnx_parity": difference}
    manifest = _manifest(sampler, size, origin, describe_file(path), path.read_bytes(), metrics)
    write_manifest(directory, manifest)
    return manifest


def example(sampler: Sampler, size: tuple[int, int], seed: int) -> tuple[Tensor, ...]:
    """Random inputs of the graph in the order of INPUTS: state and prefix near the data."""
    generator = torch.Generator().manual_seed(seed)
    network = sampler.network
    image = torch.randint(0, 256, (1, *size, 3), generator=generator, dtype=torch.uint8)
    config, dims = network.config, network.dims
    state = sampler.centre + sampler.scale * torch.randn(1, dims, generator=generator)
    prefix = sampler.centre + sampler.scale * torch.randn(1, config.plan, dims, generator=generator)
    noise = torch.randn(1, config.horizon, dims, generator=generator)
    return image, state, noise, prefix, torch.randint(0, config.plan + 1, (1,), generator=generator)


def write_onnx(sampler: Sampler, size: tuple[int, int], path: Path) -> None:
    """Trace the sampler, all denoising steps unrolled, into one file."""
    write_graph(InferenceGraph(sampler).eval(), example(sampler, size, 0), INPUTS, "action", path, optimize=True)


def parity(sampler: Sampler, size: tuple[int, int], path: Path, trials: int = 5) -> float:
    """Largest difference between the graph and PyTorch on random inputs. Raises ExportError above 1e-4 or for NaN."""
    shapes = {name: tuple(value.shape) for name, value in zip(INPUTS, example(sampler, size, 0), strict=True)}
    session = open_session(path.read_bytes(), path, shapes, {"action": shapes["noise"]})
    worst = 0.0
    for seed in range(1, trials + 1):
        inputs = example(sampler, size, seed)
        with torch.no_grad():
            wanted = sampler(*inputs).numpy()
        found = session.run(None, {k: v.numpy() for k, v in zip(INPUTS, inputs, strict=True)})[0]
        worst = max(worst, float(np.abs(found - wanted).max()))
        if not worst <= PARITY:
            raise ExportError(f"{path.name}: found ONNX {worst:.2e} from PyTorch, expected at most {PARITY:.0e}")
    return worst


def _manifest(
    sampler: Sampler,
    size: tuple[int, int],
    origin: Origin,
    entry: FileEntry,
    content: bytes,
    metrics: Mapping[str, Any],
) -> PolicyManifest:
    config = sampler.network.config
    scaling = {name: tuple(getattr(sampler, name).tolist()) for name in ("centre", "scale")}
    return PolicyManifest(
        id=content_id(origin.name, content),
        latent_space=origin.latent_space,
        axes=origin.axes,
        policy=PolicyContract(
            model=MODEL_FILE,
            sides=("left", "right"),
            period_s=origin.period_s,
            horizon=config.horizon,
            plan=config.plan,
            observation=ObservationContract(
                cameras={origin.camera: size},
                framing={origin.camera: origin.framing},
                min_rate_hz=round(1.0 / origin.period_s, 3),
                max_age_s=0.2,
            ),
            normalisation=scaling,
            options=dict(origin.options),
        ),
        files={MODEL_FILE: entry},
        training=Training(
            recipe=origin.recipe,
            config=dict(origin.config),
            inputs=dict(origin.inputs),
            steps=origin.steps,
            seed=origin.seed,
            seconds=round(origin.seconds, 1),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions={"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
        ),
        metrics=dict(metrics),
    )
