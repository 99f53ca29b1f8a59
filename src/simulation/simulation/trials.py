"""Repeated attempts at a task: scatter the objects, check both sides, score the round, start the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulation.tasks.pick_place import Task
from simulation.world import World

REST_CHECKS = 5  # a success has to hold for this many checks in a row
HOME_TOLERANCE_M = 0.08
LONGEST_RETURN_S = 6.0  # after this, a new round begins wherever the arms are


@dataclass
class Trials:
    """Scores a running world. A pick is one side's attempt in one round; the physics decides on its success."""

    world: World
    task: Task
    rng: np.random.Generator
    picks: int = 0
    successes: int = 0
    results: list[dict[str, bool]] = field(default_factory=list)
    _held: dict[str, int] = field(default_factory=dict)
    _start_s: float = 0.0
    _ended_s: float | None = None

    def begin(self) -> None:
        """Scatter the objects and start the clock of a new round."""
        self.task.scatter(self.world, self.rng)
        self._held = dict.fromkeys(self.world.sides, 0)
        self._start_s, self._ended_s = self.world.time_s, None

    def done(self, side: str) -> bool:
        """Whether `side` has succeeded in this round; a success is final."""
        return self._held[side] >= REST_CHECKS

    @property
    def elapsed_s(self) -> float:
        """Simulated time since the round began."""
        return self.world.time_s - self._start_s

    def update(self) -> bool:
        """Check the world; returns whether the round is over: both sides have succeeded, or at the time limit."""
        for side in self.world.sides:
            if not self.done(side):
                self._held[side] = self._held[side] + 1 if self.task.succeeded(self.world, side) else 0
        return all(self.done(side) for side in self.world.sides) or self.elapsed_s > self.task.time_limit_s

    def finish(self) -> dict[str, bool]:
        """Count the round and return each side's outcome."""
        result = {side: self.done(side) for side in self.world.sides}
        self.results.append(result)
        self.picks += len(result)
        self.successes += sum(result.values())
        return result

    def advance(self) -> None:
        """Check a world that is not reset, and start the next round after the end of one.

        In between, the objects are at their goals, as an operator would place them, until the arms are home: the next
        object must not appear under a hand.
        """
        if self._ended_s is None:
            if self.update():
                for side, success in self.finish().items():
                    if not success:
                        self.task.tidy(self.world, side)
                self._ended_s = self.elapsed_s
        elif all(map(self._at_home, self.world.sides)) or self.elapsed_s > self._ended_s + LONGEST_RETURN_S:
            self.begin()

    def _at_home(self, side: str) -> bool:
        """Whether the grasp frame is home; on some hands the flange returns to another position."""
        robots = self.world.sides[side]
        home = robots.base @ robots.arm.kinematics.forward(robots.arm.postures["home"], [robots.arm.flange])[0]
        grasp = (robots.hand.mount @ robots.hand.grasp_frame)[:3, 3]
        position, rotation = self.world.body_pose(f"{side}/arm/{robots.arm.flange}")
        away = position + rotation @ grasp - (home[:3, :3] @ grasp + home[:3, 3])
        return bool(np.linalg.norm(away) < HOME_TOLERANCE_M)
