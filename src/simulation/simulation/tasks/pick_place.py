"""Tasks: the objects on the table, the start of an episode, and its success, from the state of the physics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import mujoco
import numpy as np

from embodiments.schema import PREGRASP_SHARE
from simulation.scene import FIXED, OBJECT, ROBOT, contact

if TYPE_CHECKING:
    from simulation.world import World

At = tuple[float, np.ndarray]  # a share of the way from open to grasp, and the joints there


class Task(Protocol):
    """A task, as used by the world and the evaluation."""

    @property
    def name(self) -> str:
        """Name of the task."""
        ...

    @property
    def time_limit_s(self) -> float:
        """Time limit of an episode, s."""
        ...

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """Add the task's bodies to the world."""

    def scatter(self, world: World, rng: np.random.Generator) -> None:
        """Put every object at a random start."""

    def tidy(self, world: World, side: str) -> None:
        """Put the object of `side` at its goal, as an operator would after a failure."""

    def succeeded(self, world: World, side: str) -> bool:
        """Whether `side` has succeeded in the present state."""
        ...


@dataclass(frozen=True)
class PickPlace:
    """Each arm moves its can into its tray. Lengths in m, station frame; y is mirrored for the right side."""

    name: str = "pick_place"
    sides: tuple[str, ...] = ("left", "right")
    time_limit_s: float = 12.0
    start_xy: tuple[float, float] = (0.50, 0.30)
    start_half_m: float = 0.06
    tray_xy: tuple[float, float] = (0.50, 0.52)
    tray_half_m: float = 0.08
    wall_height_m: float = 0.015
    can_radius_m: float = 0.033
    can_half_height_m: float = 0.06
    can_mass_kg: float = 0.2
    rest_m_per_s: float = 0.03
    open_share: float = 0.45  # a little beyond pregrasp, which is as open as a gripper that is open

    def can(self, side: str) -> str:
        """Name of the body that `side` has to move."""
        return f"{side}/can"

    def tray_centre(self, side: str) -> np.ndarray:
        """(3,) centre of the tray's floor."""
        return np.array([self.tray_xy[0], _sign(side) * self.tray_xy[1], 0.0])

    def add_objects(self, spec: mujoco.MjSpec) -> None:
        """One can and one tray a side."""
        for side in self.sides:
            self._add_tray(spec, side)
            self._add_can(spec, side)

    def scatter(self, world: World, rng: np.random.Generator) -> None:
        """Place the cans upright, uniformly in their start squares, at any yaw."""
        for side in self.sides:
            offset = rng.uniform(-self.start_half_m, self.start_half_m, 2)
            centre = np.array([self.start_xy[0], _sign(side) * self.start_xy[1]]) + offset
            yaw = rng.uniform(-np.pi, np.pi)
            self._stand(world, side, centre, yaw)
        mujoco.mj_forward(world.model, world.data)

    def tidy(self, world: World, side: str) -> None:
        """Place the can upright in the middle of its tray."""
        self._stand(world, side, self.tray_centre(side)[:2], 0.0)
        mujoco.mj_forward(world.model, world.data)

    def succeeded(self, world: World, side: str) -> bool:
        """Whether the can is at rest in the tray, and the hand is open and not in contact with it."""
        position, _ = world.body_pose(self.can(side))
        speed = np.abs(world.data.joint(self.can(side)).qvel[:3]).max()
        inside = np.abs(position[:2] - self.tray_centre(side)[:2]).max() < self.tray_half_m
        low = position[2] < self.can_half_height_m + 0.02
        return bool(
            inside
            and low
            and speed < self.rest_m_per_s
            and closure(world, side) < self.open_share
            and not world.object_touched_by(self.can(side), f"{side}/hand/")
        )

    def _stand(self, world: World, side: str, centre: np.ndarray, yaw: float) -> None:
        joint = world.data.joint(self.can(side))
        joint.qpos[:] = [*centre, self.can_half_height_m + 0.003, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
        joint.qvel[:] = 0.0

    def _add_can(self, spec: mujoco.MjSpec, side: str) -> None:
        body = spec.worldbody.add_body(
            name=self.can(side), pos=[self.start_xy[0], _sign(side) * self.start_xy[1], self.can_half_height_m]
        )
        body.add_freejoint(name=self.can(side))
        body.add_geom(
            name=self.can(side),
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[self.can_radius_m, self.can_half_height_m, 0],
            mass=self.can_mass_kg,
            rgba=[0.80, 0.12, 0.10, 1],
            **contact(OBJECT, ROBOT | FIXED | OBJECT),
        )
        body.add_geom(  # a lid of another colour, as a camera above sees mainly the top
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[self.can_radius_m * 0.8, 0.001, 0],
            pos=[0, 0, self.can_half_height_m + 0.001],
            mass=0.0,
            rgba=[0.95, 0.90, 0.30, 1],
            contype=0,
            conaffinity=0,
        )

    def _add_tray(self, spec: mujoco.MjSpec, side: str) -> None:
        body = spec.worldbody.add_body(name=f"{side}/tray", pos=self.tray_centre(side))
        half, wall = self.tray_half_m + 0.005, 0.004
        floor = ([half, half, 0.001], [0, 0, 0.001])
        walls = [
            ([wall, half, self.wall_height_m / 2], [sign * half, 0, self.wall_height_m / 2]) for sign in (-1, 1)
        ] + [([half, wall, self.wall_height_m / 2], [0, sign * half, self.wall_height_m / 2]) for sign in (-1, 1)]
        for size, position in [floor, *walls]:
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=size,
                pos=position,
                rgba=[0.15, 0.35, 0.60, 1],
                **contact(FIXED, OBJECT),
            )


def closure(world: World, side: str) -> float:
    """Where a hand is on its way from open (0) over pregrasp (PREGRASP_SHARE) to grasp (1), at the nearest point."""
    hand, position = world.sides[side].hand, world.read(f"{side}/hand")[0]
    shares = (0.0, PREGRASP_SHARE, 1.0)
    ways = pairwise(zip(shares, (hand.postures[name] for name in ("open", "pregrasp", "grasp")), strict=True))
    return min(_nearest(position, *ends) for ends in ways)[1]


def _nearest(
    position: np.ndarray, start: tuple[float, np.ndarray], end: tuple[float, np.ndarray]
) -> tuple[float, float]:
    """Distance from the straight way between two postures, each with its share, and the share at the nearest point."""
    travel = end[1] - start[1]
    part = float(np.clip((position - start[1]) @ travel / max(travel @ travel, 1e-12), 0, 1))
    return float(np.linalg.norm(position - start[1] - part * travel)), start[0] + part * (end[0] - start[0])


def _sign(side: str) -> float:
    return 1.0 if side == "left" else -1.0


TASKS = {"pick_place": PickPlace}


def load_task(name: str, sides: Iterable[str] = ("left", "right")) -> Task:
    """The task called `name`.

    Raises:
        ValueError: If there is none, listing the tasks.
    """
    if name not in TASKS:
        raise ValueError(f"task {name!r}: expected one of {', '.join(sorted(TASKS))}")
    return TASKS[name](sides=tuple(sides))
