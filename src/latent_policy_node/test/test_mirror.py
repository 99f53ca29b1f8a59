"""The mirror augmentation is the mirror of the kinematics."""

from __future__ import annotations

import numpy as np
import pytest
from policy_toy import demonstrations

import embodiments
from contracts.axes import latent_axes, pose_to_wrist
from embodiments.inverse_kinematics import ArmIK
from embodiments.mirror import mirror_pose
from latent_policy_node.mirror import mirror_image, mirror_signs, mirror_vectors
from latent_policy_node.training.batches import Sampler
from latent_policy_node.training.config import AugmentConfig
from latent_policy_node.training.normalise import fit

QUIET = {"shift_px": 0, "state_position_m": 0, "state_rotation": 0, "state_latent": 0}


def test_mirroring_twice_changes_nothing() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 7, 2 * len(latent_axes(16))))
    np.testing.assert_array_equal(mirror_vectors(mirror_vectors(vectors)), vectors)
    image = np.random.default_rng(1).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(mirror_image(mirror_image(image)), image)


def test_wrist_signs_are_those_of_a_mirrored_pose() -> None:
    rng = np.random.default_rng(2)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = q * np.sign(np.linalg.det(q)), rng.normal(size=3)
    np.testing.assert_allclose(pose_to_wrist(mirror_pose(pose)), pose_to_wrist(pose) * mirror_signs(9), atol=1e-6)


@pytest.mark.parametrize("hand", ["inspire", "xarm_gripper"])
def test_left_station_side_is_the_mirror_of_the_right_one(hand: str) -> None:
    """The same hand on both sides, the arm's wrist mirrored: latent vectors are each other's mirror images."""
    base = {side: np.eye(4) for side in ("left", "right")}
    base["left"][1, 3], base["right"][1, 3] = 0.4, -0.4
    arms = {
        side: ArmIK(embodiments.load("xarm7", side), embodiments.load(hand, side), base[side])
        for side in ("left", "right")
    }
    home = embodiments.load("xarm7", "right").postures["home"]
    right = arms["right"].forward(home)
    joints, status = arms["left"].solve(mirror_pose(right), embodiments.load("xarm7", "left").postures["home"])
    assert status.value == "ok"
    left = pose_to_wrist(arms["left"].forward(joints))
    np.testing.assert_allclose(left, pose_to_wrist(right) * mirror_signs(9), atol=2e-3)


def test_scaling_commutes_with_mirroring() -> None:
    data = demonstrations()
    scale = fit(data.action)
    there = mirror_vectors(scale.apply(data.action))
    np.testing.assert_allclose(there, scale.apply(mirror_vectors(data.action)), atol=1e-5)


def test_mirrored_batches_are_batches_of_the_mirrored_station() -> None:
    """The toy task is drawn from its own vectors, so a mirrored sample must look as if it had been drawn so."""
    data = demonstrations(seed=3)
    plain, mirrored = (
        Sampler(data, np.arange(6), range(1, 5), AugmentConfig(mirror=p, side_mix=0, **QUIET), seed=5).batch(8)
        for p in (0, 1)
    )
    np.testing.assert_allclose(mirrored.state, mirror_vectors(plain.state), atol=1e-6)
    np.testing.assert_allclose(mirrored.chunk, mirror_vectors(plain.chunk), atol=1e-6)
    np.testing.assert_array_equal(mirrored.images, mirror_image(plain.images))


def test_mixed_batches_join_each_side_with_its_own_half_of_the_image() -> None:
    data = demonstrations(seed=4)
    half = data.images.shape[2] // 2
    axes = data.dims // 2
    batch = Sampler(data, np.arange(6), range(1, 5), AugmentConfig(mirror=0, side_mix=1, **QUIET), seed=6).batch(16)
    for image, state in zip(batch.images, batch.state, strict=True):
        right = np.flatnonzero((data.images[:, :, :half] == image[:, :half]).all((1, 2, 3)))
        left = np.flatnonzero((data.images[:, :, half:] == image[:, half:]).all((1, 2, 3)))
        assert any(np.allclose(data.state[i, axes:], state[axes:]) for i in right)
        assert any(np.allclose(data.state[i, :axes], state[:axes]) for i in left)
