"""A training lowers its loss, can be interrupted, and ends in a bundle equal to the trained networks."""

from __future__ import annotations

import io
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from small_training import trainer_of, weights

import embodiments
from embodiments.schema import PREGRASP_SHARE
from latent_codec.codec import Codec
from latent_codec.training import checkpoint, onnx_export
from latent_codec.training.checkpoint import CheckpointError
from latent_codec.training.config import DEFAULT_CONFIG, ConfigError, load_config
from latent_codec.training.data import array_cache, poses
from latent_codec.training.data.inputs import changed_hands, input_hashes
from latent_codec.training.data.pools import latent_spread, padded
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.main import build_recipe, main
from latent_codec.training.model import Space
from latent_codec.training.trainer import Trainer, learning_rate


def test_a_few_steps_lower_the_loss(tiny_config, tmp_path):
    trainer = trainer_of(tiny_config, tmp_path / "work")
    first = trainer.run(steps=1)["loss"]
    assert trainer.run()["loss"] < 0.6 * first


def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(tiny_config, tmp_path):
    whole = trainer_of(tiny_config, tmp_path / "whole")
    whole.run()
    trainer_of(tiny_config, tmp_path / "parts").run(steps=13)
    rest = trainer_of(tiny_config, tmp_path / "parts")
    assert rest.step == 13
    rest.run()
    assert rest.step == whole.step == 30
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(rest)[name], value, err_msg=name)


def test_a_checkpoint_of_another_training_is_refused_and_kept(tiny_config, tmp_path):
    trainer = trainer_of(tiny_config, tmp_path)
    trainer.run(steps=5)
    before = trainer.path.read_bytes()
    with pytest.raises(CheckpointError, match=r"found step 5 of another training .* give --restart"):
        trainer_of(tiny_config, tmp_path, seed=1)
    assert trainer.path.read_bytes() == before


def test_a_training_that_is_to_start_anew_ignores_any_checkpoint(tiny_config, tmp_path):
    trainer_of(tiny_config, tmp_path).run(steps=5)
    config = load_config(tiny_config)
    again = Trainer(build_recipe(config, "tiny"), config, "another", tmp_path, restart=True)
    assert again.step == 0


def test_a_pipe_shows_progress_between_checkpoints(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("contracts.progress.LINE_EVERY_S", 0.0)
    out = io.StringIO()
    trainer_of(tiny_config, tmp_path).run(steps=3, console=Console(file=out, width=200))
    assert [f"step {step} of 30: loss" in out.getvalue() for step in (1, 2, 3)] == [True] * 3


def test_checkpoint_is_continued_with_another_checkpoint_interval(tiny_config, tmp_path):
    trainer_of(tiny_config, tmp_path).run(steps=5)
    assert trainer_of(tiny_config, tmp_path, checkpoint_every=7).step == 5


def test_a_robot_with_another_posture_needs_another_training():
    hand = embodiments.load("inspire")
    other = replace(hand, postures={**hand.postures, "grasp": hand.postures["grasp"] + 0.01})
    assert input_hashes([hand]) == input_hashes([embodiments.load("inspire")]) != input_hashes([other])


def truncated(content: bytes) -> bytes:
    return content[:1000]


def changed_in_a_weight(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["fifo", "device"])
def test_checkpoint_and_cache_that_are_no_regular_files_are_not_opened(tmp_path, make):
    make(tmp_path / "file.safetensors")
    with pytest.raises(CheckpointError, match="expected a regular file"):
        checkpoint.load(tmp_path / "file.safetensors")
    assert array_cache.load(tmp_path / "file.safetensors", {}) is None


def changed_in_the_step(content: bytes) -> bytes:
    return content.replace(b'step\\": 5', b'step\\": 4')


def changed_in_the_fingerprint(content: bytes) -> bytes:
    at = content.index(b"fingerprint") + 20
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("damage", [truncated, changed_in_a_weight, changed_in_the_step, changed_in_the_fingerprint])
def test_damaged_checkpoint_is_refused_in_one_line(tiny_config, tmp_path, capsys, damage):
    trainer = trainer_of(tiny_config, tmp_path / "work")
    trainer.run(steps=5)
    damaged = damage(trainer.path.read_bytes())
    assert damaged != trainer.path.read_bytes()
    trainer.path.write_bytes(damaged)
    arguments = ["--config", str(tiny_config), "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    assert main(arguments) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "checkpoint.safetensors: " in lines[0] and "expected" in lines[0]
    assert "--restart" in lines[0]
    assert trainer.path.read_bytes() == damaged
    assert not (tmp_path / "out").exists()


@pytest.mark.graph
def test_the_command_trains_and_exports_a_bundle_that_loads(tiny_config, tmp_path, capsys):
    out = tmp_path / "models" / "codec"
    assert main(["--config", str(tiny_config), "--out", str(out), "--work", str(tmp_path / "work")]) == 0
    codec = Codec.load(out)
    assert codec.hands == ("inspire", "xarm_gripper") and codec.latent_space.startswith("tiny@")
    assert codec.manifest.metrics["hands"]["inspire"]["joint_rmse_rad"] > 0
    assert codec.manifest.training.steps == 30 and "inspire" in codec.manifest.training.inputs
    assert changed_hands(codec.manifest, [embodiments.load(name) for name in codec.hands]) == []
    assert codec.latent_space in capsys.readouterr().out
    assert sorted(path.name for path in out.parent.iterdir()) == ["codec"]


def test_a_network_that_differs_from_its_export_is_refused(tiny_config, tmp_path):
    _, decoder = trainer_of(tiny_config, tmp_path).recipe.space.member(1)
    latent = 3 * torch.randn(64, 6)
    wanted = decoder(latent).detach() + 2e-4
    with pytest.raises(onnx_export.ExportError, match=r"decoder.onnx: parity: found a difference of 2"):
        onnx_export.export_network(decoder, latent, wanted, "latent", "joints", tmp_path / "decoder.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": "alchemy"}, "recipe: found alchemy, expected one of crosshand, "),
        ({"settings": {"batsch": 3}}, "settings.batsch: found an unknown field, expected 'batch'"),
        ({"steps": 0}, "steps: found 0"),
        ({"hands": ["inspire", "inspire"]}, "hands: found"),
        ({"hands": ["tentacle"]}, "found tentacle"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_a_failure(tiny_config, tmp_path, capsys, change, message):
    data = yaml.safe_load(tiny_config.read_text(encoding="utf-8")) | change
    tiny_config.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert main(["--config", str(tiny_config), "--out", str(tmp_path / "out")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]


def test_a_configuration_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing.yaml: found no such file"):
        load_config(tmp_path / "nothing.yaml")


def test_the_learning_rate_warms_up_and_ends_near_zero():
    config = load_config(DEFAULT_CONFIG)
    rates = [learning_rate(step, config) for step in range(config.steps)]
    assert rates[0] < 0.01 * config.learning_rate and rates[-1] < 1e-5
    assert max(rates) == pytest.approx(config.learning_rate) and np.argmax(rates) <= config.warmup_steps


def test_a_hand_alone_computes_what_it_computes_among_the_others():
    hands = [embodiments.load(name) for name in ("inspire", "dexh13", "franka_gripper")]
    torch.manual_seed(0)
    layout = Layout(widths=(8, 12), skip=True, norm="before", activation="relu", dropout=0.1)
    space = Space(hands, 5, layout, layout).eval()
    joints = padded(space.group, [poses.uniform(hand, 20, np.random.default_rng(0)) for hand in hands])
    latents = space.encode(joints)
    decoded = space.decode(latents)
    for row, hand in enumerate(hands):
        encoder, decoder = space.member(row)
        own = joints[row, :, : len(hand.joints)]
        torch.testing.assert_close(encoder(own), latents[row], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(decoder(latents[row]), decoded[row, :, : len(hand.joints)], atol=1e-5, rtol=1e-5)


def test_mined_pinches_are_closer_than_random_poses():
    hand, rng = embodiments.load("xhand"), np.random.default_rng(0)
    mined = poses.thumb_distances(poses.grasp_tips(hand, poses.pinches(hand, 5000, 0.01, rng))).min(axis=1)
    random = poses.thumb_distances(poses.grasp_tips(hand, poses.uniform(hand, 1000, rng))).min(axis=1)
    assert np.median(mined) < 0.5 * np.median(random)


@pytest.mark.parametrize("name", ["inspire", "allegro", "dex3", "human"])
def test_a_hand_that_closes_passes_its_three_postures_and_never_turns_back(name):
    hand = embodiments.load(name)
    passed = poses.closing(hand, np.array([0.0, PREGRASP_SHARE, 1.0]))
    np.testing.assert_allclose(passed, [hand.postures[posture] for posture in poses.POSTURES], atol=1e-12)
    steps = np.diff(poses.closing(hand, np.linspace(0, 1, 200)), axis=0)
    assert np.abs(steps).max() < 0.05 and np.abs(steps).max(axis=1).min() > 0


def test_a_gripper_stays_open_until_the_pregrasp():
    hand = embodiments.load("robotiq_2f85")
    shares = np.linspace(0, 1, 21)
    joints, still = poses.closing(hand, shares), shares < PREGRASP_SHARE
    np.testing.assert_array_equal(joints[still], np.broadcast_to(hand.postures["open"], joints[still].shape))
    np.testing.assert_array_equal(poses.is_unambiguous(hand, shares), ~still)
    assert (np.abs(np.diff(joints[~still], axis=0)) > 0).all()
    assert poses.is_unambiguous(embodiments.load("inspire"), shares).all()


def test_only_defined_latents_are_pulled_together():
    latents = torch.tensor([[[1.0], [3.0]], [[1.0], [5.0]], [[9.0], [7.0]]])  # three hands, two anchors
    defined = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    assert latent_spread(latents, defined) == pytest.approx((0 + 0 + 4 + 0 + 4) / 5)


def test_closing_shares_stay_in_range_and_meet_the_postures():
    shares = poses.closing_shares(300, np.random.default_rng(0))
    assert shares.min() == 0 and shares.max() == 1 and (shares == PREGRASP_SHARE).sum() > 10


def test_blends_of_postures_sum_to_one():
    weights = poses.simplex_weights(200, np.random.default_rng(0))
    assert weights.shape == (200, 3) and weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)
