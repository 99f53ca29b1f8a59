"""What can be measured: anything that encodes joints of named hands to latents and decodes them again."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from latent_codec.codec import Codec


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
    """A loaded bundle: the networks that run, without the refusal of latents that nobody sends.

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
