"""A space in training, to be measured as a bundle is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

import embodiments
from latent_codec.training.model import Space


class TorchSpace:
    """Networks in training: hand -> (encoder, decoder), modules that map (B, n) in rad to (B, N) and back.

    They should be in evaluation mode.
    """

    def __init__(self, networks: Mapping[str, tuple[nn.Module, nn.Module]]) -> None:
        self.networks = dict(networks)
        self.hands = tuple(networks)
        robots = {name: embodiments.load(name) for name in networks}
        self._limits = {name: (robot.lower, robot.upper) for name, robot in robots.items()}

    @classmethod
    def from_group(cls, names: tuple[str, ...], space: Space) -> TorchSpace:
        """The hands `names`, in the order of the members of `space`."""
        return cls({name: space.member(index) for index, name in enumerate(names)})

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """See LatentSpace."""
        return self._run(self.networks[hand][0], np.clip(q, *self._limits[hand]))

    def decode(self, hand: str, z: np.ndarray) -> np.ndarray:
        """See LatentSpace."""
        return np.clip(self._run(self.networks[hand][1], z), *self._limits[hand])

    @staticmethod
    def _run(network: nn.Module, values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            result = network(torch.as_tensor(np.asarray(values), dtype=torch.float32))
        return result.double().cpu().numpy()
