"""The arguments of `./ws add-hand`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embodiments.urdf_import.importer import Options
from embodiments.urdf_import.read_urdf import Tips

STEPS = 7000


class ArgumentsError(ValueError):
    """An argument that is not one; a line that says what was found and expected."""


@dataclass(frozen=True)
class Arguments:
    """What to add and where. Without a `urdf`, the robot of that name is taken as its YAML has it."""

    name: str
    urdf: Path | None
    tips: Tips
    options: Options
    codec: Path
    robots: Path
    work: Path
    steps: int
    seed: int
    check: bool
    replace: bool


def parse(arguments: Sequence[str] | None = None) -> Arguments:
    """Read the command line; ends the process on what argparse refuses. Raises ArgumentsError."""
    found = _parser().parse_args(arguments)
    if (found.urdf is None) != (not found.tips):
        raise ArgumentsError("--tips: give them with --urdf FILE; without both, the robot NAME is taken as it is")
    options = Options(
        kind=found.kind,
        side=found.side,
        forward=_triple(found.forward),
        palm=_triple(found.palm),
        mount_xyz=_triple(found.mount_xyz),
        mount_rpy=_triple(found.mount_rpy),
        grasp_xyz=_triple(found.grasp_xyz),
        frozen=dict(_frozen(text) for text in found.freeze),
        postures=found.postures,
        seed=found.seed,
    )
    return Arguments(
        name=found.name,
        urdf=found.urdf,
        tips=dict(_tip(text) for text in found.tips),
        options=options,
        codec=found.codec,
        robots=found.robots,
        work=found.work / found.name,
        steps=found.steps,
        seed=found.seed,
        check=found.check,
        replace=found.replace,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="add-hand", description="Add a hand to the shipped latent space.")
    add, numbers = parser.add_argument, {"type": float, "nargs": 3, "metavar": ("X", "Y", "Z")}
    add("--name", required=True, help="what the hand is to be called: lower case letters, digits, _")
    add("--urdf", type=Path, help="its URDF; left out, the robot NAME is taken as its YAML in robots/ has it")
    add("--tips", nargs="+", default=[], metavar="FINGER=LINK", help="thumb=LINK index=LINK ..., or LINK@X,Y,Z in m")
    add("--kind", choices=("hand", "gripper"), default="hand")
    add("--side", choices=("left", "right"), help="default: what the geometry says")
    add("--forward", help="where fingers point, in axes of the root link", **numbers)
    add("--palm", help="where the palm faces, in axes of the root link", **numbers)
    add("--mount-xyz", help="arm flange -> root link, m", **numbers)
    add("--mount-rpy", help="arm flange -> root link, rad", **numbers)
    add("--grasp-xyz", help="root link -> axis of a can in the hand, m", **numbers)
    add("--freeze", nargs="+", default=[], metavar="JOINT[=POSITION]", help="joints that shall not move, as a wrist")
    add("--postures", type=Path, help="YAML with open, pregrasp, grasp, or some of them: lists or joint: position")
    add("--check", action="store_true", help="try the grasp in simulation")
    add("--replace", action="store_true", help="of a hand that was added before")
    add("--steps", type=_positive, default=STEPS, help=f"of training (default {STEPS})")
    add("--seed", type=int, default=0)
    add("--codec", type=Path, default=Path("models/codec"), help="the bundle that gets the hand")
    add("--robots", type=Path, default=Path("robots"), help="where YAML and URDF of added hands are")
    add("--work", type=Path, default=Path("out/train/added"), help="where checkpoints go")
    return parser


def _tip(text: str) -> tuple[str, tuple[str, tuple[float, float, float]]]:
    finger, equals, place = text.partition("=")
    link, at, point = place.partition("@")
    try:
        x, y, z = (float(word) for word in point.split(",")) if at else (0.0, 0.0, 0.0)
    except ValueError:
        raise ArgumentsError(f"--tips: found {text!r}, expected FINGER=LINK or FINGER=LINK@X,Y,Z") from None
    if not (finger and equals and link):
        raise ArgumentsError(f"--tips: found {text!r}, expected FINGER=LINK or FINGER=LINK@X,Y,Z")
    return finger, (link, (x, y, z))


def _frozen(text: str) -> tuple[str, float]:
    joint, _, position = text.partition("=")
    try:
        return joint, float(position or 0)
    except ValueError:
        raise ArgumentsError(f"--freeze: found {text!r}, expected JOINT or JOINT=POSITION") from None


def _triple(values: Sequence[float] | None) -> tuple[float, float, float] | None:
    return None if values is None else (values[0], values[1], values[2])


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return value
