"""`./ws add-hand`: tries a hand's grasp in simulation, adds the hand to the latent space, lets the policy try it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from contracts import command_line
from contracts.rendering import RenderError
from contracts.results import wide_console
from embodiments import Embodiment
from embodiments.urdf_import.importer import Options
from latent_codec.training.add_hand.add_hand import ERRORS, STEPS, add
from latent_codec.training.add_hand.place import Arguments
from simulation.evaluate import assemble, roll_out
from simulation.grasp_search import DISTURBANCES_M, FloatingHand

Triple = tuple[float, float, float]
SEED = 7  # of the cans that the policy tries
GOOD = 0.8  # share of them that it ought to place


class Kind(str, Enum):
    """What is added."""

    HAND = "hand"
    GRIPPER = "gripper"


class Side(str, Enum):
    """Which hand a URDF describes."""

    LEFT = "left"
    RIGHT = "right"


class ArgumentsError(ValueError):
    """An argument that cannot be used; one line with what was found and expected."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    hint = "nothing changed; the same command continues at the last checkpoint"
    lists, errors = ("--tips", "--freeze"), (ArgumentsError, *ERRORS)
    return command_line.run(command, arguments, name="add-hand", lists=lists, errors=errors, hint=hint)


def command(
    name: Annotated[str, typer.Option(help="of the hand: lower case letters, digits, _")],
    urdf: Annotated[
        Path | None, typer.Option(help="of the hand; left out, the robot NAME is taken as its YAML in robots/ has it")
    ] = None,
    tips: Annotated[
        list[str] | None, typer.Option(metavar="FINGER=LINK...", help="thumb=LINK index=LINK ..., or LINK@X,Y,Z in m")
    ] = None,
    kind: Annotated[Kind, typer.Option(help="what the URDF describes")] = Kind.HAND,
    side: Annotated[Side | None, typer.Option(help="default: found from the geometry")] = None,
    forward: Annotated[
        Triple | None, typer.Option(metavar="X Y Z", help="where fingers point, in axes of the root link")
    ] = None,
    palm: Annotated[
        Triple | None, typer.Option(metavar="X Y Z", help="where the palm faces, in axes of the root link")
    ] = None,
    mount_xyz: Annotated[Triple | None, typer.Option(metavar="X Y Z", help="arm flange -> root link, m")] = None,
    mount_rpy: Annotated[Triple | None, typer.Option(metavar="R P Y", help="arm flange -> root link, rad")] = None,
    grasp_xyz: Annotated[
        Triple | None, typer.Option(metavar="X Y Z", help="root link -> axis of a can in the hand, m")
    ] = None,
    freeze: Annotated[
        list[str] | None, typer.Option(metavar="JOINT[=POSITION]...", help="joints that shall not move, as a wrist")
    ] = None,
    postures: Annotated[
        Path | None, typer.Option(help="YAML with open, pregrasp, grasp, or some: lists or joint: position")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="train a hand that cannot hold a can in simulation, too")
    ] = False,
    picks: Annotated[
        int,
        typer.Option(min=0, help="of a can on each side that the policy tries with the hand at the end, in simulation"),
    ] = 10,
    policy: Annotated[Path, typer.Option(help="the bundle that tries them")] = Path("models/policy"),
    replace: Annotated[bool, typer.Option("--replace", help="a hand that was added before")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="train from the first step, whatever checkpoint there is")
    ] = False,
    steps: Annotated[int, typer.Option(min=2, help="of training")] = STEPS,
    seed: int = 0,
    codec: Annotated[Path, typer.Option(help="the bundle that gets the hand")] = Path("models/codec"),
    robots: Annotated[Path, typer.Option(help="folder of YAML and URDF of added hands")] = Path("robots"),
    work: Annotated[Path, typer.Option(help="folder of checkpoints")] = Path("out/train/added"),
) -> int:
    """Add a hand to the shipped latent space; nothing else is retrained, and an interrupted training continues."""
    if (urdf is None) != (not tips):
        raise ArgumentsError("--tips: give them with --urdf FILE; without both, the robot NAME is taken as it is")
    options = Options(
        kind=kind.value,
        side=side.value if side is not None else None,
        forward=forward,
        palm=palm,
        mount_xyz=mount_xyz,
        mount_rpy=mount_rpy,
        grasp_xyz=grasp_xyz,
        frozen=dict(map(frozen, freeze or [])),
        postures=postures,
        seed=seed,
    )
    found = Arguments(
        name, codec, robots, work, urdf, dict(map(tip, tips or [])), options, steps, seed, replace, restart
    )
    console = wide_console()
    add(found, console, partial(check_grasp, anyway=anyway))
    if picks:
        console.print(try_policy(name, picks, (policy, codec)), soft_wrap=True, highlight=False)
    return 0


def tip(text: str) -> tuple[str, tuple[str, Triple]]:
    """Read `FINGER=LINK` or `FINGER=LINK@X,Y,Z`. Raises ArgumentsError."""
    finger, equals, place = text.partition("=")
    link, at, point = place.partition("@")
    try:
        x, y, z = (float(word) for word in point.split(",")) if at else (0.0, 0.0, 0.0)
    except ValueError:
        raise ArgumentsError(f"--tips: found {text!r}, expected FINGER=LINK or FINGER=LINK@X,Y,Z") from None
    if not (finger and equals and link):
        raise ArgumentsError(f"--tips: found {text!r}, expected FINGER=LINK or FINGER=LINK@X,Y,Z")
    return finger, (link, (x, y, z))


def frozen(text: str) -> tuple[str, float | None]:
    """Read `JOINT` or `JOINT=POSITION`; None: zero, or the limit nearest to it. Raises ArgumentsError."""
    joint, _, position = text.partition("=")
    try:
        return joint, float(position) if position else None
    except ValueError:
        raise ArgumentsError(f"--freeze: found {text!r}, expected JOINT or JOINT=POSITION") from None


def check_grasp(robot: Embodiment, *, anyway: bool = False) -> str:
    """How many of the grasps of a can succeed in simulation, with the approach up to 15 mm off.

    Raises:
        ArgumentsError: Fewer than half of them, unless the hand is to be trained `anyway`.
    """
    try:
        hand, postures = FloatingHand(robot), dict(robot.postures)
    except ValueError as error:  # of MuJoCo
        raise ArgumentsError(f"check: {' '.join(str(error).split())}") from None
    tried = [hand.attempt(robot.grasp_frame, np.asarray(offset, float), postures) for offset in DISTURBANCES_M]
    held = sum(trial.lifted for trial in tried)
    text = f"check: a can is held in {held} of {len(tried)} simulated grasps"
    if 2 * held < len(tried) and not anyway:
        raise ArgumentsError(
            f"{text}, expected half of them; --grasp-xyz, --postures, or --anyway to train it as it is"
        )
    return text if held == len(tried) else f"{text}; for a better frame: ./ws run simulation grasp_search {robot.name}"


def placed(name: str, picks: int, bundles: tuple[Path, Path]) -> dict[str, int]:
    """How many of `picks` cans a side a policy places with a hand on both sides, in simulation, by side.

    Args:
        name: The hand.
        picks: Of a can on each side.
        bundles: Policy and codec.

    Raises:
        ValueError, OSError, RenderError: The station cannot be assembled or drawn.
    """
    return roll_out(assemble(name, name, "", bundles), picks, seed=SEED, continuous=False)["successes_by_side"]


def try_policy(name: str, picks: int, bundles: tuple[Path, Path]) -> str:
    """What the policy, which never saw the hand, does with it on either side, in simulation, as a line of text."""
    try:
        counts = placed(name, picks, bundles)
    except (ValueError, OSError, RenderError) as error:
        return f"policy: not tried: {' '.join(str(error).split())}"
    text = (
        f"policy: of {picks} cans a side " + ", ".join(f"{side} {count}" for side, count in counts.items()) + " placed"
    )
    poor = [side for side, count in counts.items() if count < GOOD * picks]
    return f"{text}; POOR on the {' and '.join(poor)}: train a policy with this hand" if poor else text


if __name__ == "__main__":
    sys.exit(main())
