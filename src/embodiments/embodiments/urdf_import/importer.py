"""An embodiment from a URDF and the names of its fingertips: everything else is estimated, reported, and can be set."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from contracts.files import write_atomic
from contracts.transforms import pose
from embodiments.errors import EmbodimentError
from embodiments.registry import DATA, Embodiment, load_file
from embodiments.schema import FINGERS
from embodiments.urdf_import.frames import Axes, find_axes, find_mount
from embodiments.urdf_import.hand import Hand, prepare
from embodiments.urdf_import.postures import find_postures
from embodiments.urdf_import.read_urdf import Source, Tips, mirrored, read_source
from embodiments.urdf_import.report import direction_text, report
from embodiments.urdf_import.shapes import cleaned_urdf
from embodiments.urdf_import.write_yaml import given_postures, yaml_text

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
REACH_M = (0.02, 0.8)  # from the root to a fingertip; beyond it, the URDF is not in metres


@dataclass(frozen=True)
class Options:
    """What the user sets instead of the estimate: directions in root axes, poses flange -> root -> grasp frame."""

    kind: str = "hand"
    side: str | None = None
    forward: tuple[float, float, float] | None = None
    palm: tuple[float, float, float] | None = None
    mount_xyz: tuple[float, float, float] | None = None
    mount_rpy: tuple[float, float, float] | None = None
    grasp_xyz: tuple[float, float, float] | None = None
    frozen: Mapping[str, float | None] = field(default_factory=dict)
    postures: Path | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Intake:
    """A new robot, checked but not yet in a registry: the texts of its files, and what was found, line by line."""

    name: str
    urdf: str
    description: str
    robot: Embodiment
    report: tuple[str, ...]


def take_in(urdf: Path, name: str, tips: Tips, options: Options | None = None) -> Intake:
    """Make an embodiment of a URDF.

    Args:
        urdf: The file.
        name: Name of the new robot.
        tips: Finger -> link and point in it, m; at least thumb and index.
        options: What is not to be estimated.

    Raises:
        EmbodimentError: The URDF or an argument cannot be used.
    """
    options = options or Options()
    _check_arguments(name, tips, options)
    tips = {finger: tips[finger] for finger in FINGERS if finger in tips}
    source, hand, axes, side = _oriented(read_source(urdf, tips, options.frozen), options)
    text = cleaned_urdf(hand, axes, name)
    found = find_postures(hand, axes, options.kind, given_postures(hand, options.postures), options.seed)
    mount = find_mount(hand, axes, exact=options.forward is not None or options.palm is not None)
    if options.mount_rpy is not None:
        mount[:3, :3] = pose((0, 0, 0), options.mount_rpy)[:3, :3]
    if options.mount_xyz is not None:
        mount[:3, 3] = options.mount_xyz
    if options.grasp_xyz is not None:
        found.grasp[:3, 3] = options.grasp_xyz
    description = yaml_text(name, options.kind, source, found, mount)
    robot = _checked(name, description, text)
    return Intake(name, text, description, robot, tuple(report(source, hand, axes, side, found, robot)))


def write(intake: Intake, folder: Path, *, replace: bool = False) -> Path:
    """Write the two files into a registry folder.

    Args:
        intake: The new robot.
        folder: Folder of the registry; created if necessary.
        replace: Whether a robot of the same name in this folder is replaced.

    Returns:
        The path of the YAML file.

    Raises:
        EmbodimentError: The name is taken.
        OSError: A file cannot be written.
    """
    target = folder / f"{intake.name}.yaml"
    taken = DATA / target.name if (DATA / target.name).exists() else target
    if taken.exists() and (taken != target or not replace):
        raise EmbodimentError(str(taken), "name", intake.name, "a name that no robot has yet")
    for path, text in ((folder / f"{intake.name}.urdf", intake.urdf), (target, intake.description)):
        write_atomic(path, text)
    return target


def _check_arguments(name: str, tips: Tips, options: Options) -> None:
    if not NAME.fullmatch(name):
        raise EmbodimentError("arguments", "name", name, "lower case letters, digits and _, a letter first")
    if options.kind not in ("hand", "gripper"):
        raise EmbodimentError("arguments", "kind", options.kind, "hand or gripper")
    if options.side not in (None, "left", "right"):
        raise EmbodimentError("arguments", "side", options.side, "left or right")
    for finger in tips:
        if finger not in FINGERS:
            raise EmbodimentError("arguments", "tips", finger, f"one of {', '.join(FINGERS)}")
    if not {"thumb", "index"} <= set(tips):
        raise EmbodimentError("arguments", "tips", list(tips), "at least thumb and index")


def _oriented(source: Source, options: Options) -> tuple[Source, Hand, Axes, str]:
    """The hand as a right one, and the side it came as; a side that contradicts the geometry is refused."""
    given = {k: v for k, v in (("forward", options.forward), ("palm", options.palm)) if v is not None}
    hand = prepare(source, ElementTree.tostring(source.kinematics, encoding="unicode"))
    _check_size(hand)
    axes = find_axes(hand, options.kind, given)
    side = options.side or axes.side
    if side != axes.side and options.kind == "hand":
        palm = direction_text(axes.rotation[:, 1])
        expected = f"{axes.side}: from index to the last finger, with the palm facing {palm} of {source.tree.root}"
        raise EmbodimentError(source.file, "side", side, f"{expected}; if it faces elsewhere, give --palm")
    if side == "right":
        return source, hand, axes, side
    source = mirrored(source)
    flip = np.array([1.0, -1.0, 1.0])
    hand = prepare(source, ElementTree.tostring(source.kinematics, encoding="unicode"))
    return source, hand, find_axes(hand, options.kind, {k: flip * v for k, v in given.items()}), side


def _check_size(hand: Hand) -> None:
    reach = np.linalg.norm(hand.kinematics.tip_positions(hand.rest), axis=-1)
    if reach.max() < REACH_M[0] or reach.max() > REACH_M[1]:
        found = f"fingertips {reach.max():.3g} from the root link"
        raise EmbodimentError(hand.source.file, "tips", found, f"{REACH_M[0]} to {REACH_M[1]} m: is it in metres?")


def _checked(name: str, description: str, urdf: str) -> Embodiment:
    """The robot as the registry will load it; both sides are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(description, encoding="utf-8")
        path.with_suffix(".urdf").write_text(urdf, encoding="utf-8")
        load_file(path, "left")
        return load_file(path, "right")
