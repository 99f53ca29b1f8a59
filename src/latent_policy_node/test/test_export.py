"""Export writes a bundle that runs, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from policy_toy import SPACE, TINY, demonstrations

from contracts.bundle import BundleError
from contracts.image_contract import Framing, Trained
from contracts.manifest import MANIFEST_NAME
from latent_codec.training.onnx_export import ExportError
from latent_policy_node.bench import measure
from latent_policy_node.policy import Observation, Policy, PolicyStatus
from latent_policy_node.training import export as exporting
from latent_policy_node.training.config import PolicyConfig
from latent_policy_node.training.export import Origin, Sampler, export
from latent_policy_node.training.trainer import Trainer

pytestmark = pytest.mark.graph

SIZE = (24, 32)


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    data = demonstrations(episodes=4, steps=8)
    trainer = Trainer(
        PolicyConfig.model_validate(TINY), data, tmp_path_factory.mktemp("run") / "checkpoint.safetensors"
    )
    return Sampler(trainer.average, trainer.scale)


@pytest.fixture(scope="module")
def exported(sampler: Sampler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundle")
    export(sampler, SIZE, origin(), directory)
    return directory


FRAMING = Framing(fit="crop", camera=(30, 32), fovy_deg=35.0)


def test_bundle_states_the_images_of_the_training(exported: Path) -> None:
    assert Policy.load(exported).trained == Trained(SIZE, 10.0, FRAMING)


def origin() -> Origin:
    return Origin(
        name="toy",
        latent_space=SPACE,
        axes=demonstrations(episodes=2, steps=2).axes,
        period_s=0.1,
        camera="front",
        framing=FRAMING,
        recipe="test",
        config={},
        inputs={},
        steps=0,
        seed=0,
        seconds=0.0,
        metrics={},
        options={},
    )


@pytest.mark.parametrize("length", [0, 1, 3])
def test_exported_bundle_gives_what_the_network_gives(sampler: Sampler, exported: Path, length: int) -> None:
    policy = Policy.load(exported)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    state = {side: rng.normal(size=len(policy.axes)).astype(np.float32) for side in policy.sides}
    noise = policy.noise(np.random.default_rng(3))
    prefix = {side: rng.normal(size=(length, len(policy.axes))).astype(np.float32) for side in policy.sides}
    actions, status = policy.infer(Observation(0, {"front": image}, state, prefix), noise)
    assert status is PolicyStatus.OK
    with torch.no_grad():
        both = torch.from_numpy(np.concatenate([state["left"], state["right"]]))[None]
        ahead = np.full(
            (1, policy.prefix_points, both.shape[1]), 9.0, np.float32
        )  # what lies beyond the prefix does not matter
        ahead[0, :length] = np.concatenate([prefix["left"], prefix["right"]], axis=1)
        inputs = (torch.from_numpy(image)[None], both, torch.from_numpy(noise), torch.from_numpy(ahead))
        wanted = sampler(*inputs, torch.tensor([length]))[0].numpy()
    np.testing.assert_allclose(np.concatenate([actions["left"], actions["right"]], axis=1), wanted, atol=1e-4)


def test_parity_gate_refuses_a_graph_that_differs(
    sampler: Sampler, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_broken(_: Sampler, __: tuple[int, int], path: Path) -> None:
        model = onnx.load(exported / "policy.onnx")
        weight = max(model.graph.initializer, key=lambda item: np.prod(item.dims))
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.05), weight.name))
        onnx.save(model, path)

    monkeypatch.setattr(exporting, "write_onnx", write_broken)
    with pytest.raises(ExportError, match="expected at most 1e-04"):
        export(sampler, SIZE, origin(), tmp_path)
    assert not any(tmp_path.iterdir())


def test_changed_byte_in_the_model_is_refused(exported: Path, tmp_path: Path) -> None:
    for name in (MANIFEST_NAME, "policy.onnx"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    content = bytearray((tmp_path / "policy.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "policy.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"policy.onnx: sha256"):
        Policy.load(tmp_path)


def test_bench_reports_latency_of_a_bundle(exported: Path) -> None:
    figures = measure(exported, runs=20)
    assert 0 < figures["inference_ms"]["p50"] <= figures["inference_ms"]["p99"] <= figures["inference_ms"]["max"]
