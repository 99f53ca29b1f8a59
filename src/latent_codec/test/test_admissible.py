"""The score of latents in torch, and what a new hand's latents lack of being accepted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latent_codec.density import Density
from latent_codec.training.add_hand.admissible import MARGIN, Admissible, Score


@pytest.fixture(scope="module")
def density():
    rng = np.random.default_rng(0)
    factors = 0.3 * rng.normal(size=(5, 6, 6)) + np.eye(6)
    covariances = factors @ factors.transpose(0, 2, 1)
    weights = rng.uniform(0.5, 1, 5)
    return Density(weights / weights.sum(), 2 * rng.normal(size=(5, 6)), covariances)


@pytest.mark.parametrize("spread", [0.1, 1, 5, 40])
def test_the_score_in_torch_is_that_of_the_density(density, spread):
    latents = (spread * np.random.default_rng(1).normal(size=(200, 6))).astype(np.float32)
    found = Score(density)(torch.from_numpy(latents)).numpy()
    np.testing.assert_allclose(found, density.score(latents), rtol=1e-4, atol=2e-3)


class OneDensity:
    hands = ("a", "b")

    def __init__(self, density, threshold):
        self.values = density, threshold

    def density(self, _):
        return self.values[0]

    def threshold(self, _):
        return self.values[1]


def test_latents_well_above_the_threshold_lack_nothing(density):
    latents = density.means[:1]
    admissible = Admissible(OneDensity(density, float(density.score(latents)[0]) - MARGIN - 1))
    assert admissible(torch.from_numpy(latents)) == 0
    assert len(admissible.scores) == 1


def test_a_step_against_the_gradient_makes_latents_likelier(density):
    latents = torch.from_numpy(density.means[:1] + 3).requires_grad_()
    admissible = Admissible(OneDensity(density, 0.0))
    lacking = admissible(latents)
    lacking.backward()
    assert lacking > 0 and admissible(latents - 0.05 * latents.grad) < lacking
