"""A bundle is used whole and unchanged, or refused with one line that names the reason."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml

import embodiments
from contracts.bundle import BundleError, bundle_sha256, describe_file, load_manifest, write_manifest
from latent_codec.codec import Codec
from latent_codec.density import Density


def edit(bundle: Path, change) -> None:
    """Change the manifest's data in place."""
    path = bundle / "manifest.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def refusal(bundle: Path, hands=None) -> str:
    """The one line with which a bundle is refused."""
    with pytest.raises(BundleError) as caught:
        Codec.load(bundle, hands)
    text = str(caught.value)
    assert "\n" not in text and ": found " in text and ", expected " in text
    return text


def test_the_shipped_bundle_loads_and_names_its_space(shipped):
    manifest = load_manifest(shipped, "codec")
    assert manifest.latent_space.startswith("crosshand_twelve@")
    hands = {name for name in embodiments.names() if embodiments.load(name).kind != "arm"}
    assert set(manifest.codec.hands) == hands | {"inspire@left", "dexh13@left"}


def test_a_missing_directory_is_refused(tmp_path):
    assert "manifest.yaml: found no such file" in refusal(tmp_path / "nothing")


def test_a_missing_file_is_refused(damaged):
    (damaged / "inspire_decoder.onnx").unlink()
    assert "inspire_decoder.onnx: found no such file" in refusal(damaged)


def test_a_truncated_file_is_refused(damaged):
    path = damaged / "ability_encoder.onnx"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    expected = f"size: found {len(content) // 2} bytes, expected {len(content)} bytes"
    assert expected in refusal(damaged)


def test_a_changed_byte_is_refused_even_in_a_hand_that_is_not_used(damaged):
    path = damaged / "xhand_decoder.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "xhand_decoder.onnx: sha256: found" in refusal(damaged, ["inspire"])


def test_a_truncated_manifest_is_refused(damaged):
    path = damaged / "manifest.yaml"
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")
    assert "manifest.yaml" in refusal(damaged)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"a: [", b"\xff\xfe\x00"])
def test_a_manifest_that_is_no_mapping_is_refused(damaged, content):
    (damaged / "manifest.yaml").write_bytes(content)
    assert "manifest.yaml: " in refusal(damaged)


def test_an_unknown_field_is_refused(damaged):
    edit(damaged, lambda data: data.update(colour="red"))
    assert "manifest.yaml: colour: found an unknown field" in refusal(damaged)


def test_a_missing_field_is_refused(damaged):
    edit(damaged, lambda data: data.pop("latent_space"))
    assert "manifest.yaml: latent_space: found nothing" in refusal(damaged)


def test_a_value_that_is_not_finite_is_refused(damaged):
    edit(damaged, lambda data: data["codec"]["hands"]["inspire"].update(density_threshold=float("inf")))
    assert "codec.hands.inspire.density_threshold: found inf" in refusal(damaged)


def test_a_threshold_that_refuses_no_latent_is_refused(damaged):
    edit(damaged, lambda data: data["codec"]["hands"]["inspire"].update(density_threshold=-1e9))
    assert "codec.hands.inspire.density_threshold: found -1000000000.0, expected greater than" in refusal(damaged)


def test_a_policy_bundle_is_no_codec(shipped):
    with pytest.raises(BundleError, match="kind: found codec, expected policy"):
        load_manifest(shipped, "policy")


def test_an_unknown_hand_is_refused_and_the_known_ones_are_listed(shipped):
    text = refusal(shipped, ["tentacle"])
    assert "codec.hands: found tentacle" in text and "inspire" in text


def test_a_hand_that_has_no_robot_is_refused(damaged):
    edit(damaged, lambda data: data["codec"]["hands"].update(tentacle=deepcopy(data["codec"]["hands"]["inspire"])))
    assert "codec.hands.tentacle" in refusal(damaged)


def test_another_joint_order_than_the_robot_has_is_refused(damaged):
    edit(damaged, lambda data: data["codec"]["hands"]["inspire"]["joints"].reverse())
    assert "codec.hands.inspire.joints: found pinky" in refusal(damaged)


def test_limits_that_do_not_fit_the_joints_are_refused(damaged):
    edit(damaged, lambda data: data["codec"]["hands"]["inspire"]["lower"].pop())
    assert "codec.hands.inspire" in refusal(damaged) and "lower" in refusal(damaged)


def test_axes_in_another_order_are_refused(damaged):
    edit(damaged, lambda data: data["axes"].reverse())
    assert "axes: found z" in refusal(damaged)


def test_networks_of_two_hands_swapped_are_refused_by_their_shape(damaged):
    def swap(data):
        hands = data["codec"]["hands"]
        hands["inspire"]["decoder"], hands["xhand"]["decoder"] = hands["xhand"]["decoder"], hands["inspire"]["decoder"]

    edit(damaged, swap)
    assert "xhand_decoder.onnx: outputs: found {'joints': [None, 12]}, expected {'joints': [None, 6]}" in refusal(
        damaged
    )


def test_encoder_and_decoder_swapped_are_refused_by_their_ports(damaged):
    def swap(data):
        hand = data["codec"]["hands"]["inspire"]
        hand["encoder"], hand["decoder"] = hand["decoder"], hand["encoder"]

    edit(damaged, swap)
    assert "inputs: found" in refusal(damaged)


def test_a_file_that_is_no_network_is_refused_although_its_hash_is_right(damaged):
    (damaged / "inspire_encoder.onnx").write_bytes(b"not a network")
    entry = describe_file(damaged / "inspire_encoder.onnx").model_dump()
    edit(damaged, lambda data: data["files"].update({"inspire_encoder.onnx": entry}))
    assert "inspire_encoder.onnx: found" in refusal(damaged)


def test_a_file_that_is_no_density_is_refused_although_its_hash_is_right(damaged):
    (damaged / "density.npz").write_bytes(b"not a density")
    entry = describe_file(damaged / "density.npz").model_dump()
    edit(damaged, lambda data: data["files"].update({"density.npz": entry}))
    assert "density.npz: found" in refusal(damaged)


def test_a_hand_without_a_density_is_refused(damaged):
    edit(damaged, lambda data: data["codec"]["hands"]["xhand"].pop("density"))
    assert "codec.hands.xhand.density: found nothing" in refusal(damaged)


def test_a_density_of_another_size_is_refused(damaged):
    size = load_manifest(damaged, "codec").codec.latent_dim
    (damaged / "density.npz").write_bytes(Density(np.ones(1), np.zeros((1, 4)), np.eye(4)[None]).to_bytes())
    entry = describe_file(damaged / "density.npz").model_dump()
    edit(damaged, lambda data: data["files"].update({"density.npz": entry}))
    assert f"density.npz: means: found float32 (1, 4), expected float32 (1, {size})" in refusal(damaged)


def test_a_file_outside_of_the_bundle_is_refused(damaged):
    entry = {"sha256": "0" * 64, "bytes": 1}
    edit(damaged, lambda data: data["files"].update({"../secret": entry}))
    assert "files" in refusal(damaged)


def test_a_file_that_the_contract_names_must_be_listed(damaged):
    edit(damaged, lambda data: data["files"].pop("inspire_encoder.onnx"))
    assert "inspire_encoder.onnx" in refusal(damaged)


def test_a_manifest_is_not_written_for_files_it_does_not_describe(damaged):
    manifest = load_manifest(damaged, "codec")
    (damaged / "inspire_encoder.onnx").write_bytes(b"changed")
    with pytest.raises(BundleError, match="size"):
        write_manifest(damaged, manifest)


def test_writing_a_manifest_and_reading_it_changes_nothing(damaged):
    manifest = load_manifest(damaged, "codec")
    before = bundle_sha256(damaged)
    write_manifest(damaged, manifest)
    assert load_manifest(damaged, "codec") == manifest and bundle_sha256(damaged) == before
