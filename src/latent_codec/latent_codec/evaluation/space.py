"""What can be measured: encoders and decoders of named hands, in a bundle or in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import nn

import embodiments
from latent_codec.codec import Codec
from latent_codec.training.model import Space


class LatentSpace(Protocol):
    """Encoders and decoders of several hands. Joints (B, n) in rad (m for prismatic joints), latents (B, N)."""

    @property
    def hands(self) -> tuple[str, ...]:
        """Names of the hands, as `embodiments.load` knows them."""
        ...

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """Joints (B, n) within the limits to latents (B, N)."""
        ...

    def decode(self, hand: str, z: np.ndarray) -> np.ndarray:
        """Any finite latents (B, N) to joints (B, n) within the limits."""
        ...


class CodecSpace:
    """A loaded bundle: the networks that run, without the check that a latent is admissible.

    Measuring goes through noise and straight lines in latent space, where the decoder must be smooth, and through
    latents of other hands; whether a latent may be executed is another question, which `Codec.decode` answers.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.hands = codec.hands

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """See LatentSpace."""
        return self.codec.encode(hand, q)

    def decode(self, hand: str, z: np.ndarray) -> np.ndarray:
        """See LatentSpace."""
        return self.codec.decode_anything(hand, z)


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
