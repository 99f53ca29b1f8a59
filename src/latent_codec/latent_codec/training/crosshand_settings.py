"""Sizes and weights of the recipe `crosshand`, also used where a hand is added to its space."""

from __future__ import annotations

from pydantic import Field

from latent_codec.training.config import Strict
from latent_codec.training.grouped_mlp import Layout


class Settings(Strict):
    """Sizes and weights of the recipe; distances in m."""

    encoder: Layout = Layout(widths=(128, 128, 128), skip=True)
    decoder: Layout = Layout(widths=(192, 192, 192), skip=True)
    batch: int = Field(160, ge=5)
    sources: int = Field(4, ge=1, description="hands whose latents each decoder gets in a step, its own among them")
    pool: int = Field(65536, ge=64)
    pinch_keep: float = Field(0.01, gt=0, le=1)
    pinch_noise: float = Field(0.05, ge=0)
    near_noise: float = Field(0.1, ge=0)
    latent_noise: float = Field(0.05, ge=0)
    reconstruction: float = 30.0
    statistics: float = 0.1
    # thumb vectors: what each pair of hands counts for, of what their latents decode to
    distance: float = 6000.0
    direction: float = 15.0
    decay: float = 12.0
    distance_scale: float = Field(0.002, gt=0)
    chord_scale: float = Field(0.05, gt=0)
    direct: float = 0.3
    gripper_share: float = Field(0.3, ge=0)
    cycle: float = 0.05
    reach_distance: float = Field(0.004, gt=0)
    reach_chord: float = Field(0.07, gt=0)
    matched: int = Field(8192, ge=0, description="poses of each hand that are matched on all others by optimisation")
    matched_batch: int = Field(128, ge=2)
    distill: float = 2.0
    align: float = 0.05
    moments: float = 2.0
    contrast: float = 0.03
    temperature: float = Field(0.05, gt=0)
    smoothness: float = 0.005
    lines: int = Field(32, ge=1, description="pairs of latents on the line between which decoding is to be smooth")
    anchors: int = Field(32, ge=4)
    anchor_latent: float = 40.0
    anchor_joints: float = 120.0
