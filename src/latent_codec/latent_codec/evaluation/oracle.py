"""What a hand can do at best for the poses of another, computed once and kept: cross-hand errors are read against it.

Results are kept in one file for each pair of hands, named by a hash of everything they depend on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from embodiments.registry import Embodiment
from latent_codec.evaluation.torch_oracle import FitSettings, fit
from latent_codec.evaluation.vectors import (
    SEED,
    Errors,
    PoseSet,
    common_fingers,
    compare,
    pose_set,
    thumb_vectors,
)
from latent_codec.training.data import array_cache, poses
from latent_codec.training.shape import Goals

CACHE = Path("out/cache/oracle")
VERSION = 1  # raise it when the optimisation changes
SAMPLES = 64
SETTINGS = {"starts": 4, "library": 8192, "iterations": 20}


@dataclass(frozen=True, eq=False)
class Best:
    """The best poses `joints` (M, n) of `target` for the poses of `source`."""

    source: PoseSet
    target: Embodiment
    joints: np.ndarray

    @cached_property
    def errors(self) -> Errors:
        """What remains wrong with the best: (M, F) over the fingers that both hands have."""
        fingers = common_fingers(self.source.hand, self.target)
        wanted = thumb_vectors(self.source.hand, self.source.joints, fingers)
        return compare(wanted, thumb_vectors(self.target, self.joints, fingers))

    @property
    def reachable(self) -> np.ndarray:
        """Cases (M, F) that the target can match within 2 degrees and 2 mm."""
        return self.errors.reached

    @property
    def reachable_rows(self) -> np.ndarray:
        """Poses (M,) of which the target can match every finger so."""
        return np.all(self.reachable, axis=1)


@dataclass(eq=False)
class Oracle:
    """Best poses by pair of hands; looks into `directory` first and writes there what it computed.

    Args:
        directory: of the cache; None keeps nothing.
        settings: starts and library poses a start, iterations; see `torch_oracle`.
    """

    directory: Path | None = CACHE
    seed: int = SEED
    settings: dict[str, int] = field(default_factory=lambda: dict(SETTINGS))

    def best(self, source: PoseSet, target: Embodiment, goals: Goals | None = None) -> Best:
        """The best of `target` for the poses of `source`; by the published objective alone unless there are `goals`."""
        path, shape = self._path(source, target, goals), (len(source.joints), len(target.joints))
        found = None if path is None else array_cache.load(path, {"joints": shape})
        if found is None:
            found = {"joints": self._compute(source, target, goals).astype(np.float32)}
            if path is not None:
                array_cache.save(path, found)
        return Best(source, target, found["joints"].astype(float))

    def missing(self, pairs: Iterable[tuple[PoseSet, Embodiment]]) -> list[tuple[PoseSet, Embodiment]]:
        """Those of `pairs` that have to be computed."""
        found = [(pair, self._path(*pair)) for pair in pairs]
        return [pair for pair, path in found if path is None or not path.is_file()]

    def _path(self, source: PoseSet, target: Embodiment, goals: Goals | None = None) -> Path | None:
        return None if self.directory is None else self.directory / f"{self.key(source, target, goals)}.safetensors"

    def key(self, source: PoseSet, target: Embodiment, goals: Goals | None = None) -> str:
        """Names of the two hands and 16 digits of a hash of what is wanted, how the target moves, seed and settings.

        How a hand moves is read off its fingertips in a few poses, so that new postures or masses change nothing.
        """
        digest = hashlib.sha256(f"{VERSION} {self.seed} {sorted(self.settings.items())}".encode())
        fingers = common_fingers(source.hand, target)
        samples = pose_set(target, SAMPLES, seed=0).joints
        vectors = (thumb_vectors(source.hand, source.joints, fingers), thumb_vectors(target, samples, fingers))
        wanted = () if goals is None else (np.asarray(part) for part in (goals.tips, goals.weight, goals.travel))
        for values in (target.lower, target.upper, *vectors, *wanted):
            digest.update(np.round(values, 7).astype("<f8").tobytes())
        return f"{source.hand.name}-{target.name}-{digest.hexdigest()[:16]}"

    def _compute(self, source: PoseSet, target: Embodiment, goals: Goals | None) -> np.ndarray:
        fingers = common_fingers(source.hand, target)
        wanted = thumb_vectors(source.hand, source.joints, fingers)
        seed = int(poses.generator(self.seed, target.name, "oracle").integers(2**31))
        return fit(wanted, target, fingers, FitSettings(**self.settings), seed, goals)
