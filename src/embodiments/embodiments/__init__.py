"""Robots as data: URDF, joint order, limits, fingertips, and their kinematics in numpy and torch."""

from embodiments.errors import EmbodimentError
from embodiments.registry import SIDES, Embodiment, load, load_file, names
from embodiments.schema import FINGERS

__all__ = ["FINGERS", "SIDES", "Embodiment", "EmbodimentError", "load", "load_file", "names"]
