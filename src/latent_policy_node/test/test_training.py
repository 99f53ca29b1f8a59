"""Training: chunks come from the right frames, a toy task is learned, an interrupted run resumes where it stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from policy_toy import TINY, demonstrations

from contracts.axes import WRIST_SIZE
from contracts.errors import FileError
from latent_codec.training.checkpoint import CheckpointError
from latent_policy_node.demonstrations import split
from latent_policy_node.training.batches import Sampler
from latent_policy_node.training.config import AugmentConfig, PolicyConfig, default_config, load_config
from latent_policy_node.training.diffusion import ddim_coefficients, inference_schedule, squared_cosine
from latent_policy_node.training.normalise import FLOOR_LATENT, fit
from latent_policy_node.training.trainer import Trainer


def config(**train: object) -> PolicyConfig:
    return PolicyConfig.model_validate(TINY | {"train": TINY["train"] | train})


def test_chunk_follows_its_frame_and_ends_with_the_episode() -> None:
    data = demonstrations(episodes=2, steps=10)
    chunk = data.chunks(np.array([6]), 5)[0]
    np.testing.assert_array_equal(chunk, data.action[[7, 8, 9, 9, 9]])


def test_no_chunk_reaches_into_the_next_episode() -> None:
    data = demonstrations(episodes=3, steps=7)
    frames = np.arange(len(data.images))
    later = np.minimum(frames[:, None] + np.arange(1, 5), data.last[frames][:, None])
    assert np.all(data.episode[later] == data.episode[:, None])


def test_held_out_episodes_are_of_every_pair_and_never_trained_on() -> None:
    data = demonstrations(episodes=12, steps=4)
    training, validation = split(data, 0.2, seed=1)
    assert not set(training) & set(validation)
    assert set(training) | set(validation) == set(range(12))
    assert set(data.pair[validation]) == {0, 1}


def test_each_pair_of_hands_has_equal_weight_for_any_episode_count() -> None:
    data = demonstrations(episodes=6, steps=10)
    episodes = np.array([0, 1, 2, 4])  # pair 0 three times, pair 1 once
    sampler = Sampler(data, episodes, [1], AugmentConfig(), seed=0)
    pairs = data.pair[data.episode[sampler.frames(4000)]]
    assert abs(pairs.mean() - 0.5) < 0.03


def exact(plan_other: float) -> AugmentConfig:
    """No augmentation but that of the action prefix."""
    none = dict.fromkeys(("mirror", "side_mix", "shift_px", "state_rotation", "state_latent"), 0)
    return AugmentConfig(state_position_m=0.005, plan_other=plan_other, **none)


def test_an_action_prefix_is_a_displaced_start_of_its_chunk() -> None:
    batch = Sampler(demonstrations(), np.arange(6), range(1, 7), exact(0), seed=4, prefix=3).batch(300)
    assert set(batch.prefix_length) == {0, 1, 2, 3} and batch.prefix.shape[1] == 3
    off = batch.prefix - batch.chunk[:, :3]
    np.testing.assert_allclose(off, np.broadcast_to(off[:, :1], off.shape), atol=1e-6)
    position = np.arange(off.shape[2]) % (off.shape[2] // 2) < 3
    assert off[..., position].std() == pytest.approx(0.005, rel=0.1)
    np.testing.assert_allclose(off[..., ~position], 0, atol=1e-6)


def test_half_of_the_hands_prefixes_are_off_towards_poses_elsewhere() -> None:
    data = demonstrations()
    batch = Sampler(data, np.arange(6), range(1, 7), exact(1), seed=4, prefix=3).batch(300)
    hands = (batch.prefix - batch.chunk[:, :3])[:, 0].reshape(300, 2, -1)[..., WRIST_SIZE:]
    moved = np.abs(hands).max(axis=2) > 1e-6
    assert 0.15 < moved.mean() < 0.55  # the toy hands often do the same
    reached = batch.prefix[:, 0].reshape(300, 2, -1)[..., WRIST_SIZE:]
    known = data.action.reshape(len(data.action), 2, -1)[..., WRIST_SIZE:]
    assert (reached >= known.min((0, 1)) - 1e-6).all() and (reached <= known.max((0, 1)) + 1e-6).all()


def test_the_state_is_the_target_with_a_prefix_and_measured_without() -> None:
    data = demonstrations()
    sampler = Sampler(data, np.arange(6), range(1, 7), exact(0.5), seed=4, prefix=3)
    frames = Sampler(data, np.arange(6), range(1, 7), exact(0.5), seed=4, prefix=3).frames(300)
    batch = sampler.batch(300)
    hand = np.arange(data.dims) % (data.dims // 2) >= WRIST_SIZE
    off = (batch.prefix - batch.chunk[:, :3])[:, 0]
    measured, commanded = data.state[frames], data.action[frames] + off
    assert np.abs(measured - data.action[frames])[:, hand].max() > 0.01
    given = batch.prefix_length > 0
    np.testing.assert_allclose(batch.state[given][:, hand], commanded[given][:, hand], atol=1e-6)
    np.testing.assert_allclose(batch.state[~given][:, hand], measured[~given][:, hand], atol=1e-6)
    np.testing.assert_allclose(batch.state[:, ~hand], measured[:, ~hand], atol=0.05)  # wrists are always measured


def test_dimensions_that_never_move_are_not_blown_up() -> None:
    scale = fit(np.zeros((10, 26), np.float32))
    assert scale.scale.min() > 0
    assert scale.scale[-1] == pytest.approx(FLOOR_LATENT)


def test_sampler_ends_with_the_clean_prediction() -> None:
    schedule = inference_schedule(100, 8)
    assert schedule[0] == 99
    assert schedule == sorted(set(schedule), reverse=True)
    assert ddim_coefficients(squared_cosine(100), schedule)[-1] == (1.0, 0.0)


@pytest.mark.graph
def test_toy_task_is_learned(tmp_path: Path) -> None:
    trainer = Trainer(config(steps=250), demonstrations(episodes=16), tmp_path / "checkpoint.safetensors")
    before = trainer.validate()["wrist_mm"]
    after = trainer.run()["wrist_mm"]
    assert after < 0.5 * before
    assert after < 60


def test_resumed_run_equals_one_that_was_never_interrupted(tmp_path: Path) -> None:
    data = demonstrations(episodes=4, steps=8)
    whole = Trainer(config(steps=12), data, tmp_path / "whole.npz")
    whole.run()
    path = tmp_path / "parts.npz"
    first = Trainer(config(steps=12), data, path)
    for _ in range(5):
        first._timed_step()
    first.save()
    second = Trainer(config(steps=12), data, path)
    assert second.resume()
    second.run()
    for ours, theirs in zip(second.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    Trainer(config(steps=1), demonstrations(episodes=4, steps=8), path).save()
    other = Trainer(config(steps=1), demonstrations(episodes=4, steps=8, seed=9), path)
    with pytest.raises(CheckpointError, match="dataset"):
        other.resume()


def test_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trainer = Trainer(config(steps=1), demonstrations(episodes=4, steps=8), path)
    trainer.save()
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match=r"checkpoint.safetensors"):
        trainer.resume()


def test_shipped_configuration_is_valid() -> None:
    assert load_config(default_config()).name == "pick_place"


def test_typo_in_a_configuration_names_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("train: {stepz: 3}\n")
    with pytest.raises(FileError, match=r"config.yaml: train.stepz"):
        load_config(path)
