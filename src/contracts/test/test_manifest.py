"""A manifest is a codec's or a policy's: what belongs to the other kind is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.axes import latent_axes
from contracts.bundle import BundleError, describe_file, load_manifest
from contracts.manifest import CodecManifest, PolicyManifest

HAND = {"joints": ["a"], "lower": [0.0], "upper": [1.0], "encoder": "net", "decoder": "net", "density": "net"}
CODEC: dict[str, Any] = {"latent_dim": 2, "hands": {"inspire": HAND | {"density_threshold": 0.0}}}


def codec_with(**fields: object) -> dict[str, Any]:
    """The contract with other fields of its hand."""
    return {"latent_dim": 2, "hands": {"inspire": CODEC["hands"]["inspire"] | fields}}


OBSERVATION = {"cameras": {"front": [9, 16]}, "max_age_s": 0.2}
POLICY: dict[str, Any] = {"model": "net", "sides": ["left"], "period_s": 0.1, "horizon": 4, "observation": OBSERVATION}
TRAINING = {"recipe": "none", "config": {}, "steps": 0, "seed": 0, "seconds": 0.0, "created": "never"}


def write(folder: Path, **fields: object) -> Path:
    """A bundle of one file in `folder`, with these fields in its manifest; None leaves one out."""
    (folder / "net").write_bytes(b"network")
    files = {"net": describe_file(folder / "net").model_dump()}
    names = {"id": "a@000000000000", "latent_space": "b@000000000000", "axes": list(latent_axes(2))}
    content = {"format": 1, **names, "files": files, "training": TRAINING} | fields
    text = yaml.safe_dump({name: value for name, value in content.items() if value is not None})
    (folder / "manifest.yaml").write_text(text)
    return folder


def test_manifest_of_each_kind_is_of_its_own_type(tmp_path: Path) -> None:
    codec = load_manifest(write(tmp_path, kind="codec", codec=CODEC), "codec")
    assert isinstance(codec, CodecManifest) and codec.codec.latent_dim == 2
    policy = load_manifest(write(tmp_path, kind="policy", policy=POLICY), "policy")
    assert isinstance(policy, PolicyManifest) and policy.policy.horizon == 4


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"kind": "policy", "policy": POLICY}, "kind: found policy, expected codec"),
        ({"codec": CODEC}, "kind: found nothing, expected codec"),
        ({"kind": "codec"}, "codec: found nothing, expected a value"),
        ({"kind": "codec", "codec": CODEC, "policy": POLICY}, "policy: found an unknown field"),
        ({"kind": "codec", "codec": CODEC | {"latent_dim": 3}}, "axes: found wrist.x"),
        ({"kind": "codec", "codec": CODEC, "format": 2}, "format: found 2, expected 1"),
        (
            {"kind": "codec", "codec": {"latent_dim": 2, "hands": {"inspire": HAND}}},
            "codec.hands.inspire.density_threshold: found nothing, expected a value",
        ),
        (
            {
                "kind": "codec",
                "codec": codec_with(lower=[]),
            },
            "codec.hands.inspire.lower: found 0 values, expected 1, one a joint",
        ),
        (
            {"kind": "codec", "codec": codec_with(encoder="b")},
            "files: found no entry b, expected one because the contract names it",
        ),
    ],
)
def test_wrong_field_is_named_with_what_was_found_and_expected(tmp_path: Path, fields: dict, line: str) -> None:
    with pytest.raises(BundleError) as caught:
        load_manifest(write(tmp_path, **fields), "codec")
    assert str(caught.value).startswith(f"{tmp_path / 'manifest.yaml'}: {line}")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"networks", "net: size: found 8 bytes, expected 7 bytes"),
        (b"netWork", "net: sha256: found "),
        (None, "net: found no such file or directory"),
    ],
)
def test_file_that_is_not_as_listed_is_refused(tmp_path: Path, content: bytes | None, line: str) -> None:
    write(tmp_path, kind="codec", codec=CODEC)
    (tmp_path / "net").unlink()
    if content is not None:
        (tmp_path / "net").write_bytes(content)
    with pytest.raises(BundleError) as caught:
        load_manifest(tmp_path, "codec")
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(line)
