"""The loss terms that align the latents of different hands measure what they define."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from latent_codec.training import losses  # noqa: E402


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_contrast_is_low_only_where_each_pose_is_nearest_to_itself():
    source = drawn(64, 8)
    near, other = source + 0.05 * drawn(3, 64, 8, seed=1), drawn(3, 64, 8, seed=2)
    assert losses.contrast(near, source, 0.05) < 0.01
    assert losses.contrast(other, source, 0.05) > 3
    assert losses.contrast(near[:, torch.randperm(64)], source, 0.05) > 3


def test_contrast_of_many_sources_is_the_mean_of_each_with_its_own():
    source, latents = drawn(4, 16, 6), drawn(4, 16, 6, seed=1)
    each = torch.stack([losses.contrast(mine[None], own, 0.1) for mine, own in zip(latents, source, strict=True)])
    assert losses.contrast(latents, source, 0.1) == pytest.approx(float(each.mean()), rel=1e-5)


def test_moment_gap_is_zero_for_equal_sets_and_sees_mean_and_covariance():
    crowd = drawn(4000, 5)
    assert losses.moment_gap(torch.stack([crowd, crowd])) == pytest.approx(0, abs=1e-8)
    assert losses.moment_gap(torch.stack([crowd, crowd + 0.5])) > 0.1
    turned = crowd * torch.tensor([2.0, 1, 1, 1, 0.5])
    assert losses.moment_gap(torch.stack([crowd, turned])) > 0.1


def test_pseudo_huber_is_the_square_near_zero_and_grows_linearly_far_away():
    near, far = torch.tensor(1e-6), torch.tensor([1.0, 4.0])
    assert losses.pseudo_huber(near, 0.01) == pytest.approx(1e-6, rel=0.01)
    one, two = losses.pseudo_huber(far, 0.01)
    assert two / one == pytest.approx(2, rel=0.02)


def test_thumb_vector_errors_have_a_gradient_where_fingertips_meet():
    target = torch.zeros(1, 3, requires_grad=True)
    distance, direction = losses.thumb_vector_errors(torch.tensor([[0.03, 0, 0]]), target)
    assert float(distance.detach()) == pytest.approx(0.03**2, rel=0.01)
    (distance + direction).sum().backward()
    assert torch.isfinite(target.grad).all()


def test_unit_statistics_are_nothing_at_mean_zero_and_variance_one():
    latent = drawn(2, 3000, 4)
    latent = (latent - latent.mean(1, keepdim=True)) / latent.std(1, keepdim=True)
    assert losses.unit_statistics(latent) == pytest.approx(0, abs=1e-6)
    assert losses.unit_statistics(latent + 1) == pytest.approx(1, rel=1e-3)
