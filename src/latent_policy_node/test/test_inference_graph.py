"""The exported graph computes what the network computes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from policy_toy import TINY

from latent_policy_node.training.config import ModelConfig
from latent_policy_node.training.export import Sampler, example
from latent_policy_node.training.inference_graph import InferenceGraph
from latent_policy_node.training.model import PolicyNetwork

pytestmark = pytest.mark.graph

SIZE, DIMS = (24, 32), 10


def sampler_of(**changes: object) -> Sampler:
    """A sampler whose weights, those of the norms too, are all random."""
    torch.manual_seed(0)
    network = PolicyNetwork(ModelConfig.model_validate(TINY["model"] | changes), DIMS, *SIZE)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    rng = np.random.default_rng(0)
    centre, scale = rng.normal(size=DIMS).astype(np.float32), rng.uniform(0.5, 2.0, DIMS).astype(np.float32)
    return Sampler(network, SimpleNamespace(bound=1.5, centre=centre, scale=scale)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [{}, {"unet_channels": [16]}, {"unet_channels": [16, 32, 48]}, {"kernel": 5}, {"inference_steps": 1}],
    ids=["as_trained", "one_level", "three_levels", "kernel_5", "one_step"],
)
def test_inference_graph_equals_the_network_up_to_rounding(changes: dict[str, object]) -> None:
    sampler = sampler_of(**changes)
    graph = InferenceGraph(sampler).eval()
    for seed in range(4):
        inputs = example(sampler, SIZE, seed)
        with torch.no_grad():
            torch.testing.assert_close(graph(*inputs), sampler(*inputs), rtol=0.0, atol=2e-5)
