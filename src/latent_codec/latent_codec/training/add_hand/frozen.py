"""A shipped latent space as torch networks that are not trained, read from its ONNX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from contracts.bundle import BundleError, read_verified
from contracts.manifest import CodecManifest
from contracts.onnx_session import open_session
from embodiments import Embodiment
from latent_codec.training.data import poses
from latent_codec.training.data.pools import padded
from latent_codec.training.grouped_mlp import GroupedLinear, GroupedMLP, GroupedNorm, Layout
from latent_codec.training.model import OVERSHOOT, Space

PARITY = 1e-5  # of latents, and of joints in units of half of each range
SAMPLES = 256
SQUASHES = (OVERSHOOT, 1.0)
Weights = Mapping[str, np.ndarray]  # "blocks.0.weight" -> array


@dataclass(frozen=True, eq=False)
class Frozen:
    """Networks without gradient, and how each of them is built."""

    space: Space
    encoder: Layout
    decoder: Layout


def load_frozen(directory: Path, manifest: CodecManifest, robots: Sequence[Embodiment]) -> Frozen:
    """The networks of `robots`, hands of the bundle, evaluated together.

    Raises BundleError where a file is no network of this project or torch does not make of it what onnxruntime does.
    """
    contract = manifest.codec
    files = [(contract.hands[robot.name].encoder, contract.hands[robot.name].decoder) for robot in robots]
    encoders, decoders = ([_weights(directory, manifest, name) for name in part] for part in zip(*files, strict=True))
    layouts = [_layout(directory / files[0][part], manifest, part) for part in (0, 1)]
    tips = encoders[0]["blocks.0.weight"].shape[1] > len(robots[0].joints)
    errors = []
    for squash in SQUASHES if _operations(directory, manifest, files[0][1]) & {"Tanh"} else (None,):
        space = Space(robots, contract.latent_dim, *layouts, tips=tips, squash=squash)
        _fill(space, encoders, decoders, directory)
        errors.append(_difference(space, robots, directory, manifest, files))
        if errors[-1] <= PARITY:
            return Frozen(space.requires_grad_(False).eval(), *layouts)
    raise BundleError(
        directory, "parity", f"a difference of {min(errors):.1e}", f"at most {PARITY:.0e} from onnxruntime"
    )


def _model(directory: Path, manifest: CodecManifest, name: str) -> onnx.ModelProto:
    return onnx.load_model_from_string(read_verified(directory, manifest, name))


def _operations(directory: Path, manifest: CodecManifest, name: str) -> set[str]:
    return {node.op_type for node in _model(directory, manifest, name).graph.node}


def _weights(directory: Path, manifest: CodecManifest, name: str) -> Weights:
    """Learned arrays of a file by their name in the network."""
    graph = _model(directory, manifest, name).graph
    prefix = "mlp."
    found = {i.name: numpy_helper.to_array(i) for i in graph.initializer if i.name.startswith(prefix)}
    weights = {key.removeprefix(prefix): np.array(value, dtype=np.float32) for key, value in found.items()}
    if "blocks.0.weight" not in weights:
        raise BundleError(directory / name, "content", sorted(weights), "a network exported by this project")
    return weights


def _layout(path: Path, manifest: CodecManifest, part: int) -> Layout:
    """How a network is built, told from the shapes of its arrays and from its activation."""
    weights = _weights(path.parent, manifest, path.name)
    indices = sorted({int(key.split(".")[1]) for key in weights if key.startswith("blocks.")})
    ranks = [weights[f"blocks.{index}.weight"].ndim for index in indices]
    widths = tuple(len(weights[f"blocks.{i}.weight"]) for i, rank in zip(indices, ranks, strict=True) if rank == 2)
    # a norm right after a linear layer stands at the next index, one before the next layer behind the activation
    after = any(rank == 1 and index - 1 in indices for index, rank in zip(indices, ranks, strict=True))
    return Layout(
        widths=widths[:-1],
        activation="relu" if "Relu" in _operations(path.parent, manifest, path.name) else "gelu",
        norm="none" if 1 not in ranks else "after" if after else "before",
        skip="skip.weight" in weights,
    )


def _fill(space: Space, encoders: Sequence[Weights], decoders: Sequence[Weights], directory: Path) -> None:
    """Put the arrays of each hand into its row, at the inputs and outputs that are not padding."""
    everything = slice(None)
    for row, (encoder, decoder) in enumerate(zip(encoders, decoders, strict=True)):
        known = space.features.mask[row].nonzero()[:, 0]
        joints = slice(0, space.group.joint_counts[row])
        try:
            _fill_row(space.encoders, row, encoder, known, everything)
            _fill_row(space.decoders, row, decoder, everything, joints)
        except (KeyError, RuntimeError) as error:
            raise BundleError(directory, space.group.names[row], str(error), "networks built as the others") from None


def _fill_row(mlp: GroupedMLP, row: int, weights: Weights, inputs: Tensor | slice, outputs: Tensor | slice) -> None:
    layers = {f"blocks.{index}": layer for index, layer in enumerate(mlp.blocks)}
    last = f"blocks.{len(mlp.blocks) - 1}"
    if mlp.skip is not None:
        layers["skip"] = mlp.skip
    for name, layer in layers.items():
        if not isinstance(layer, (GroupedLinear, GroupedNorm)):
            continue
        weight, bias = (torch.from_numpy(weights[f"{name}.{key}"]) for key in ("weight", "bias"))
        with torch.no_grad():
            layer.weight[row].zero_()
            layer.bias[row].zero_()
            if isinstance(layer, GroupedNorm):
                layer.weight[row, 0], layer.bias[row, 0] = weight, bias
                continue
            into = inputs if name in ("blocks.0", "skip") else slice(None)
            out = outputs if name in (last, "skip") else slice(None)
            columns = layer.weight[row][:, out].clone()
            columns[into] = weight.T
            layer.weight[row][:, out] = columns
            layer.bias[row, 0, out] = bias


def _difference(
    space: Space,
    robots: Sequence[Embodiment],
    directory: Path,
    manifest: CodecManifest,
    files: Sequence[tuple[str, str]],
) -> float:
    """Largest difference from onnxruntime on uniform poses: latents, and joints in units of half of their range."""
    rng = np.random.default_rng(0)
    joints = padded(space.group, [poses.uniform(robot, SAMPLES, rng) for robot in robots])
    with torch.no_grad():
        latents = space.encode(joints)
        decoded = space.group.normalise(space.decode(latents))
    worst = 0.0
    for row, (robot, names) in enumerate(zip(robots, files, strict=True)):
        count = len(robot.joints)
        contents = [read_verified(directory, manifest, name) for name in names]
        ports = {"joints": (None, count)}, {"latent": (None, latents.shape[-1])}
        encoder = open_session(contents[0], directory / names[0], ports[0], ports[1])
        decoder = open_session(contents[1], directory / names[1], ports[1], ports[0])
        latent = encoder.run(None, {"joints": joints[row, :, :count].numpy()})[0]
        back = torch.from_numpy(decoder.run(None, {"latent": latents[row].numpy()})[0])
        middle, half = space.group.middle[row, :, :count], space.group.half_range[row, :, :count]
        worst = max(worst, float(np.abs(latent - latents[row].numpy()).max()))
        worst = max(worst, float(((back - middle) / half - decoded[row, :, :count]).abs().max()))
    return worst
