"""Find where an upright can sits in a hand: the hand's grasp frame, by simulated grasps of a floating hand.

``./ws run simulation grasp_search inspire`` tries random placements of the can in the hand, keeps those that
lift it, refines the best under disturbances of the approach, and prints the ``grasp_frame`` for the hand's YAML.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import mujoco
import numpy as np
import typer

from contracts import command_line
from contracts.progress import track
from contracts.station import Table
from contracts.transforms import matrix_rpy
from embodiments import Embodiment, EmbodimentError, load
from simulation.demonstrator import GRASP_HEIGHT_M, STANDOFF_M
from simulation.scene import ACTUATION, attach, build
from simulation.tasks.pick_place import PickPlace

SIDE = "right"
TIMESTEP_S = 0.002
DISTURBANCES_M = [(0, 0), (0.015, 0), (-0.015, 0), (0, 0.015), (0, -0.015), (0.01, 0.01), (-0.01, -0.01)]
APPROACH_S, LIFT_S, LIFT_M = 0.6, 0.6, 0.12
CLOSE_S, SETTLE_S = 0.45, 0.25


@dataclass(frozen=True)
class Trial:
    """Result of one grasp: whether the can left the table, its slip in the hand (m), and its tilt (rad)."""

    lifted: bool
    slip_m: float
    tilt_rad: float

    @property
    def cost(self) -> float:
        """Lower is better; that of a can left on the table is 1."""
        return 1.0 if not self.lifted else min(0.9, self.slip_m / 0.05 + self.tilt_rad / 0.5)


class FloatingHand:
    """A hand on three stiff sliders above a table with one can: grasps without an arm, some 20 ms each."""

    def __init__(self, hand: Embodiment) -> None:
        self.hand = hand
        self.task = PickPlace(sides=(SIDE,))
        self.model = build({}, Table(), {}, self._add_bodies, TIMESTEP_S)
        self.data = mujoco.MjData(self.model)
        self._sliders = [self.model.actuator(axis).id for axis in "xyz"]
        self._fingers = [self.model.actuator(f"hand/{name}").id for name in hand.joints]
        self._can = self.data.joint(self.task.can(SIDE))

    def attempt(self, grasp_frame: np.ndarray, offset: np.ndarray, postures: dict[str, np.ndarray]) -> Trial:
        """Approach along x, close and lift; the can is `offset` (2,), m, from its assumed position."""
        self._start(grasp_frame, offset, postures["pregrasp"])
        ready, closed = postures["pregrasp"], postures["grasp"]
        self._move([-STANDOFF_M, 0, 0], [0, 0, 0], ready, ready, APPROACH_S)
        self._move([0, 0, 0], [0, 0, 0], ready, closed, CLOSE_S)
        self._move([0, 0, 0], [0, 0, 0], closed, closed, SETTLE_S)
        before = self._can.qpos[:3].copy()
        self._move([0, 0, 0], [0, 0, LIFT_M], closed, closed, LIFT_S)
        self._move([0, 0, LIFT_M], [0, 0, LIFT_M], closed, closed, SETTLE_S)
        return self._judge(before)

    def score(self, grasp_frame: np.ndarray, postures: dict[str, np.ndarray], offsets: list) -> float:
        """Mean cost over approach disturbances."""
        return float(np.mean([self.attempt(grasp_frame, np.asarray(xy), postures).cost for xy in offsets]))

    def _add_bodies(self, spec: mujoco.MjSpec) -> None:
        self.task.add_objects(spec)
        carriage = spec.worldbody.add_body(name="carriage", mass=1.0, inertia=[0.01] * 3, gravcomp=1.0)
        servo = ACTUATION["arm"]
        for axis, direction in zip("xyz", np.eye(3), strict=True):
            carriage.add_joint(name=axis, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=direction)
            actuator = spec.add_actuator(name=axis, target=axis, trntype=mujoco.mjtTrn.mjTRN_JOINT)
            actuator.set_to_position(kp=servo.stiffness, kv=servo.damping)
        mount = carriage.add_body(name="mount", mass=0.1, inertia=[0.001] * 3, gravcomp=1.0)
        attach(spec, self.hand, mount, np.eye(4), "hand/")

    def _start(self, grasp_frame: np.ndarray, offset: np.ndarray, posture: np.ndarray) -> None:
        """Place the can at `offset` from the origin; the sliders measure the distance of the grasp frame to the can."""
        mujoco.mj_resetData(self.model, self.data)
        placed = np.eye(4)
        placed[:3, 3] = [0, 0, GRASP_HEIGHT_M]
        placed = placed @ np.linalg.inv(grasp_frame)
        mount = self.model.body("mount")
        mount.pos[:] = placed[:3, 3]
        mujoco.mju_mat2Quat(mount.quat, placed[:3, :3].ravel())
        self._can.qpos[:] = [*offset, self.task.can_half_height_m + 0.001, 1, 0, 0, 0]
        self.data.joint("x").qpos[0] = -STANDOFF_M
        for name, value in zip(self.hand.joints, posture, strict=True):
            self.data.joint(f"hand/{name}").qpos[0] = value
        mujoco.mj_forward(self.model, self.data)

    def _move(self, start: list, end: list, fingers: np.ndarray, to: np.ndarray, duration_s: float) -> None:
        steps = round(duration_s / TIMESTEP_S)
        for s in np.linspace(0.0, 1.0, steps):
            self.data.ctrl[self._sliders] = (1 - s) * np.asarray(start) + s * np.asarray(end)
            self.data.ctrl[self._fingers] = (1 - s) * fingers + s * to
            mujoco.mj_step(self.model, self.data)

    def _judge(self, before: np.ndarray) -> Trial:
        moved = self._can.qpos[:3] - before
        up = np.zeros(9)
        mujoco.mju_quat2Mat(up, self._can.qpos[3:7])
        tilt = float(np.arccos(np.clip(up[8], -1.0, 1.0)))
        slip = float(np.linalg.norm(moved - [0, 0, LIFT_M]))
        return Trial(bool(moved[2] > 0.7 * LIFT_M), slip, tilt)


@dataclass(frozen=True)
class Candidate:
    """A grasp frame written as offsets from a first guess: metres and rotation vector (rad)."""

    xyz: np.ndarray
    turn: np.ndarray
    cost: float = np.inf

    def frame(self, guess: np.ndarray) -> np.ndarray:
        """(4, 4) hand root -> grasp frame."""
        pose = guess.copy()
        quat, matrix = np.empty(4), np.empty(9)
        angle = float(np.linalg.norm(self.turn))
        mujoco.mju_axisAngle2Quat(quat, self.turn / angle if angle else np.array([0, 0, 1.0]), angle)
        mujoco.mju_quat2Mat(matrix, quat)
        pose[:3, 3] = guess[:3, :3] @ self.xyz + guess[:3, 3]
        pose[:3, :3] = guess[:3, :3] @ matrix.reshape(3, 3)
        return pose


def search(hand: Embodiment, tries: int, seed: int) -> tuple[np.ndarray, float]:
    """Random tries around the YAML's frame, then local refinement: (grasp frame (4, 4), mean cost)."""
    rng = np.random.default_rng(seed)
    floating, guess, postures = FloatingHand(hand), hand.grasp_frame, dict(hand.postures)
    spread_m, spread_rad = np.array([0.03, 0.025, 0.02]), np.array([0.15, 0.25, 0.6])
    best: list[Candidate] = [Candidate(np.zeros(3), np.zeros(3))]
    best[0] = replace(best[0], cost=floating.score(best[0].frame(guess), postures, DISTURBANCES_M))
    for index in track(range(tries), hand.name):
        wide = index < tries // 2
        scale = 1.0 if wide else 0.25
        centre = Candidate(np.zeros(3), np.zeros(3)) if wide else best[int(rng.integers(len(best)))]
        xyz = centre.xyz + rng.uniform(-1, 1, 3) * spread_m * scale
        turn = centre.turn + rng.uniform(-1, 1, 3) * spread_rad * scale
        trial = Candidate(xyz, turn)
        first = floating.score(trial.frame(guess), postures, DISTURBANCES_M[:1])
        if first < 0.9:
            trial = replace(trial, cost=floating.score(trial.frame(guess), postures, DISTURBANCES_M))
            best = sorted([*best, trial], key=lambda c: c.cost)[:4]
    return best[0].frame(guess), best[0].cost


def run(hand: str, tries: int = 400, seed: int = 0) -> None:
    """Search the grasp frame of HAND and print it as YAML."""
    try:
        robot = load(hand, SIDE)
    except EmbodimentError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(command_line.REFUSED) from None
    frame, cost = search(robot, tries, seed)
    xyz, rpy = (", ".join(f"{value:.4f}" for value in part) for part in (frame[:3, 3], matrix_rpy(frame[:3, :3])))
    print(f"# {hand}: mean cost {cost:.3f} over {len(DISTURBANCES_M)} approach errors of up to 15 mm")
    print(f"grasp_frame: {{xyz: [{xyz}], rpy: [{rpy}]}}")


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(run, name="grasp_search")


if __name__ == "__main__":
    raise SystemExit(main())
