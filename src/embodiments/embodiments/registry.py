"""Robots by name, checked: `load("inspire", "left")`.

Beside the robots of this package there are those of the folders that the environment variable `CROSSHAND_EMBODIMENTS`
lists, separated like `PATH`; `./ws` sets it to `robots/` of the workspace. A name is one robot: two of it are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from contracts.transforms import pose
from embodiments.checks import check_links, check_offsets, check_ranges, joint_limits, posture
from embodiments.errors import EmbodimentError
from embodiments.kinematics import Kinematics
from embodiments.mirror import mirror_pose, mirror_urdf, with_origins
from embodiments.schema import FINGERS, EmbodimentData, PoseData, SidePostures, read
from embodiments.urdf import parse
from embodiments.urdf_plain import plain
from embodiments.urdf_xml import read_text

SIDES = ("left", "right")
DATA = Path(__file__).parent / "data"
FOLDERS_VARIABLE = "CROSSHAND_EMBODIMENTS"


@dataclass(frozen=True, eq=False)
class Embodiment:
    """One robot on one side. Arrays are read-only; positions in rad (m for prismatic joints), transforms (4, 4).

    Attributes:
        urdf: XML text; of left hands, grippers and handed arms already the mirror image.
        joints: actuated joints in canonical order, which is the wire order of messages; mimic joints excluded.
        lower, upper, velocity, acceleration: (n,) command limits.
        tips: finger name -> tip link, only fingers that exist.
        flange: the link of an arm that hands are mounted on; None for hands.
        mount: arm flange -> hand root. grasp_frame: hand root -> grasp frame. Identity for arms.
        postures: "home" of arms; "open", "pregrasp", "grasp" of hands, each (n,).
        payload: what an arm carries, the hand included, kg; None where it is not known, and for hands.
        turned: joints whose values have the opposite sign in the maker's interface of this side.
    """

    name: str
    kind: str
    side: str
    urdf: str
    joints: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    root: str
    tips: Mapping[str, str]
    flange: str | None
    mount: np.ndarray
    grasp_frame: np.ndarray
    postures: Mapping[str, np.ndarray]
    payload: float | None = None
    turned: tuple[str, ...] = ()

    @cached_property
    def kinematics(self) -> Kinematics:
        """Forward kinematics of this robot, built once."""
        return Kinematics(self.urdf, self.joints, self.tips, self.name)


def folders() -> tuple[Path, ...]:
    """The folders that are searched, this package's own first. A relative one is ignored: nodes start anywhere.

    Raises:
        EmbodimentError: One is no folder.
    """
    listed = (Path(text) for text in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if text)
    found = dict.fromkeys(folder.resolve() for folder in listed if folder.is_absolute())
    for folder in found:
        if folder.exists() and not folder.is_dir():
            raise EmbodimentError(FOLDERS_VARIABLE, "", str(folder), "a folder of robots")
    return (DATA, *found)


def names(kind: str | None = None) -> tuple[str, ...]:
    """Return the names of all known embodiments, or those of one kind ("arm", "hand", "gripper", "human")."""
    found = (path for folder in folders() for path in folder.glob("*.yaml") if path.is_file())
    files = sorted(found, key=lambda path: path.stem)
    return tuple(dict.fromkeys(p.stem for p in files if kind is None or read(p).kind == kind))


def load(name: str, side: str = "right") -> Embodiment:
    """Return a known embodiment.

    Args:
        name: Name of the robot, as listed by `names`. NAME@left: the left hand as a mirror shows it, which is a right
            hand; another one than NAME where the two sides differ.
        side: "left" or "right"; left hands, grippers and handed arms are mirror images, but for what differs.

    Raises:
        EmbodimentError: The name is unknown (the message lists the known ones) or used twice, or the files are wrong.
    """
    known, (name, _, shown) = names(), name.partition("@")
    if shown not in ("", "left"):
        raise EmbodimentError(f"embodiment '{name}@{shown}'", "name", shown, "left, or no @")
    if name not in known:
        raise EmbodimentError(f"embodiment '{name}'", "name", name, f"one of {', '.join(known)}")
    files = [path for folder in folders() if (path := folder / f"{name}.yaml").is_file()]
    if len(files) > 1:
        raise EmbodimentError(str(files[1]), "name", name, f"a name of its own, which {files[0]} does not have already")
    return _load(files[0], files[0].stat().st_mtime_ns, side, shown == "left")


@lru_cache(maxsize=64)
def _load(path: Path, changed_ns: int, side: str, mirrored_left: bool) -> Embodiment:
    """The robot of a file, cached until the file changes."""
    return load_file(path, side, mirrored_left=mirrored_left)


def load_file(path: str | Path, side: str = "right", *, mirrored_left: bool = False) -> Embodiment:
    """Return the embodiment described by a YAML file and the URDF beside it.

    Args:
        path: The YAML file.
        side: "left" or "right".
        mirrored_left: Whether it is the left hand as a mirror shows it; see `load`.

    Raises:
        EmbodimentError: A file cannot be read, a field is wrong, or the two files contradict each other.
    """
    path = Path(path)
    if side not in SIDES:
        raise EmbodimentError(str(path), "side", side, f"one of {', '.join(SIDES)}")
    data = read(path)
    if data.name != path.stem:
        raise EmbodimentError(str(path), "name", data.name, f"the file's own name '{path.stem}'")
    urdf_path = path.parent / data.urdf
    try:
        urdf = read_text(urdf_path)
    except EmbodimentError as error:
        raise EmbodimentError(path, "urdf", data.urdf, f"a readable URDF ({error})") from None
    urdf = plain(urdf, str(urdf_path))
    tree = parse(urdf, str(urdf_path))
    check_ranges(tree, data.kind, str(urdf_path))
    check_offsets(tree, str(urdf_path))
    check_links(data, tree, str(path))
    mirrored = side == "left" and (data.kind != "arm" or data.handed)
    if data.left.origins and (mirrored or mirrored_left):
        urdf = with_origins(urdf, data.left.origins, str(path))
    robot = _embodiment(data, side, mirror_urdf(urdf) if mirrored else urdf, tree.root, mirrored, path)
    if mirrored_left:
        postures = _postures(data, "left", (robot.lower, robot.upper), path)
        robot = replace(robot, name=f"{robot.name}@left", postures=postures)
    return robot


def _embodiment(data: EmbodimentData, side: str, urdf: str, root: str, mirrored: bool, path: Path) -> Embodiment:
    limits = joint_limits(data, parse(urdf, str(path)), str(path))
    tips = {finger: data.tips[finger] for finger in FINGERS if finger in data.tips}
    return Embodiment(
        name=data.name,
        kind=data.kind,
        side=side,
        urdf=urdf,
        joints=tuple(joint.name for joint in data.joints),
        lower=limits[0],
        upper=limits[1],
        velocity=limits[2],
        acceleration=limits[3],
        root=root,
        tips=MappingProxyType(tips),
        flange=data.flange,
        mount=_transform(data.mount, mirrored),
        grasp_frame=_transform(data.grasp_frame, mirrored),
        postures=_postures(data, side, limits, path),
        payload=data.payload,
        turned=data.left.turned if side == "left" else (),
    )


def _postures(data: EmbodimentData, side: str, limits: tuple[np.ndarray, ...], path: Path) -> Mapping[str, np.ndarray]:
    postures = {}
    for name, value in data.postures.items():
        values = getattr(value, side) if isinstance(value, SidePostures) else value
        postures[name] = posture(name, values, limits, str(path))
    return MappingProxyType(postures)


def _transform(value: PoseData, mirrored: bool) -> np.ndarray:
    transform = pose(value.xyz, value.rpy)
    result = mirror_pose(transform) if mirrored else transform
    result.flags.writeable = False
    return result
