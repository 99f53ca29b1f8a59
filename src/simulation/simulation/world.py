"""The simulated world: physics of a station with one task in it, addressed by part (``left/arm``, ``right/hand``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from contracts.station import Station
from simulation.scene import TIMESTEP_S, Mounted, build, mounted
from simulation.tasks.pick_place import Task

EPOCH_NS = 1_000_000_000


@dataclass(frozen=True)
class Part:
    """Indices (n,) of one robot's actuated joints in the model's arrays, in the embodiment's joint order."""

    joints: tuple[str, ...]
    position: np.ndarray
    velocity: np.ndarray
    actuator: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Part]) -> Part:
        """Several parts as one."""
        arrays = [np.concatenate([getattr(p, name) for p in parts]) for name in ("position", "velocity", "actuator")]
        return cls(tuple(joint for part in parts for joint in part.joints), *arrays)


class World:
    """A compiled station; to be used by one thread.

    Args:
        station: The station.
        task: The task in it.
        timestep_s: Time step of the physics, s.
        add: Adds to the model, before it is compiled, what the robots of the station are to have besides.
    """

    def __init__(
        self,
        station: Station,
        task: Task,
        timestep_s: float = TIMESTEP_S,
        add: Callable[[mujoco.MjSpec, Mapping[str, Mounted]], None] = lambda spec, sides: None,
    ) -> None:
        self.sides: Mapping[str, Mounted] = mounted(station)
        self.task = task

        def add_all(spec: mujoco.MjSpec) -> None:
            task.add_objects(spec)
            add(spec, self.sides)

        self.model = build(self.sides, station.scene.table, station.cameras, add_all, timestep_s)
        self.data = mujoco.MjData(self.model)
        self.parts = {
            f"{side}/{part}": self._part(f"{side}/{part}/", getattr(robots, part).joints)
            for side, robots in self.sides.items()
            for part in ("arm", "hand")
        }
        self._every = Part.joined(list(self.parts.values()))
        self._robots = np.empty((4, len(self._every.joints)))
        self.reset()

    @property
    def time_s(self) -> float:
        """Simulated time."""
        return float(self.data.time)

    @property
    def stamp_ns(self) -> int:
        """Simulated time as a stamp, ns, for simulations faster than real time; never 0."""
        return EPOCH_NS + round(self.time_s * 1e9)

    def reset(self) -> None:
        """Put every robot at rest in its home posture, hands open, and objects at their initial positions."""
        mujoco.mj_resetData(self.model, self.data)
        for side, robots in self.sides.items():
            self.place(f"{side}/arm", robots.arm.postures["home"])
            self.place(f"{side}/hand", robots.hand.postures["open"])
        mujoco.mj_forward(self.model, self.data)

    def place(self, part: str, position: np.ndarray) -> None:
        """Put a robot at joint `position` (n,) at rest, including coupled joints, with this target."""
        index = self.parts[part]
        self.data.qpos[index.position] = position
        self.data.qvel[index.velocity] = 0.0
        self.data.ctrl[index.actuator] = position
        self._follow_couplings()

    def read(self, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity and actuator effort of a part, each (n,)."""
        index, data = self.parts[part], self.data
        position, velocity = data.qpos.take(index.position), data.qvel.take(index.velocity)
        return position, velocity, data.actuator_force.take(index.actuator)

    def robots(self) -> np.ndarray:
        """Position, velocity, actuator effort and target (4, J) of all parts; the array is reused by the next call."""
        data, every, found = self.data, self._every, self._robots
        # The indices are valid; any mode but the default one writes without a buffer.
        data.qpos.take(every.position, out=found[0], mode="clip")
        data.qvel.take(every.velocity, out=found[1], mode="clip")
        data.actuator_force.take(every.actuator, out=found[2], mode="clip")
        data.ctrl.take(every.actuator, out=found[3], mode="clip")
        return found

    def write(self, part: str, target: np.ndarray) -> None:
        """Set a part's position targets (n,); the model clips them to the joint limits."""
        self.data.ctrl[self.parts[part].actuator] = target

    def step(self, count: int = 1) -> None:
        """Advance the physics by `count` time steps."""
        mujoco.mj_step(self.model, self.data, count)

    def body_pose(self, body: str) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) and rotation (3, 3) of a body in the station frame."""
        view = self.data.body(body)
        return view.xpos.copy(), view.xmat.reshape(3, 3).copy()

    def object_touched_by(self, body: str, prefix: str) -> bool:
        """Whether any geom of `body` is in contact with a body whose name starts with `prefix`."""
        target = self.model.body(body).id
        for contact in self.data.contact[: self.data.ncon]:
            pair = self.model.geom_bodyid[contact.geom]
            if target in pair:
                other = pair[0] if pair[1] == target else pair[1]
                if self.model.body(int(other)).name.startswith(prefix):
                    return True
        return False

    def _part(self, prefix: str, joints: tuple[str, ...]) -> Part:
        ids = [self.model.joint(prefix + name).id for name in joints]
        actuators = [self.model.actuator(prefix + name).id for name in joints]
        return Part(joints, self.model.jnt_qposadr[ids], self.model.jnt_dofadr[ids], np.asarray(actuators))

    def _follow_couplings(self) -> None:
        """Set mimic joints according to their equality constraints (first joint = polynomial of the second)."""
        model, data = self.model, self.data
        for kind, follower, leader, factors in zip(
            model.eq_type, model.eq_obj1id, model.eq_obj2id, model.eq_data, strict=True
        ):
            if kind == mujoco.mjtEq.mjEQ_JOINT and leader >= 0:
                source = data.qpos[model.jnt_qposadr[leader]]
                data.qpos[model.jnt_qposadr[follower]] = np.polynomial.polynomial.polyval(source, factors[:5])
                data.qvel[model.jnt_dofadr[follower]] = 0.0
