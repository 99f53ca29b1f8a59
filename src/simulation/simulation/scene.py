"""The MuJoCo model of a station: table, arms, hands, cameras and the objects of a task, built from data.

Robots come from their URDF (`embodiments`), everything else from the station file and the task. The contact and
solver settings are those that hold a can in a hand; they are the only place where simulated materials are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from contracts.files import check_file
from contracts.station import Camera, Station, Table
from embodiments.errors import EmbodimentError
from embodiments.registry import Embodiment, load

TIMESTEP_S = 0.002
MAX_MESH_BYTES = 64 << 20
HIDDEN = 3  # geom group that is not rendered: collision shapes of robots
# Rolling friction between objects and fixed surfaces, m: 1.5 % of the can's radius, as of hard wheels. Without it a can
# that is let go askew rolls round on its rim for ever (Euler's disk, github.com/google-deepmind/mujoco/issues/575).
ROLLING_M = 0.0005
ROBOT, OBJECT, FIXED = 1, 2, 4  # contact groups: a robot has contacts with objects and the table, not with itself


@dataclass(frozen=True)
class Actuation:
    """Position servo of one joint: N/m or Nm/rad, Ns/m or Nms/rad, N or Nm, kg or kg m2."""

    stiffness: float
    damping: float
    force: float
    armature: float


ACTUATION: Mapping[str, Actuation] = {
    "arm": Actuation(3000.0, 200.0, 150.0, 0.1),
    "hand": Actuation(2.0, 0.1, 0.6, 0.002),
    "gripper": Actuation(1000.0, 40.0, 15.0, 0.1),
}
HAND_JOINT_DAMPING = 0.05


@dataclass(frozen=True)
class Mounted:
    """One side of a station: its robots and the base (4, 4) of the arm, station <- arm root."""

    arm: Embodiment
    hand: Embodiment
    base: np.ndarray


def mounted(station: Station) -> dict[str, Mounted]:
    """The robots of a station by side.

    Raises:
        EmbodimentError: For an unknown robot, or one of the wrong kind.
    """
    return {
        side: Mounted(
            _of_kind(part.arm.embodiment, side, "arm"),
            _of_kind(part.hand.embodiment, side, "hand", "gripper"),
            part.base.matrix(),
        )
        for side, part in station.sides.items()
    }


def _of_kind(name: str, side: str, *kinds: str) -> Embodiment:
    robot = load(name, side)
    if robot.kind not in kinds:
        raise EmbodimentError(f"embodiment '{name}'", "kind", robot.kind, " or ".join(kinds))
    return robot


def build(
    sides: Mapping[str, Mounted],
    table: Table,
    cameras: Mapping[str, Camera],
    add_objects: Callable[[mujoco.MjSpec], None] = lambda spec: None,
    timestep_s: float = TIMESTEP_S,
) -> mujoco.MjModel:
    """Compile the model of a world. Bodies and joints of a part have the prefix ``<side>/<arm|hand>/``.

    Args:
        sides: The robots by side.
        table: The table.
        cameras: The cameras by name.
        add_objects: Adds the bodies of a task.
        timestep_s: Time step of the physics, s.
    """
    spec = _empty_world(timestep_s)
    _add_table(spec, table)
    for side, robots in sides.items():
        attach(spec, robots.arm, spec.worldbody, robots.base, f"{side}/arm/")
        flange = spec.body(f"{side}/arm/{robots.arm.flange}")
        attach(spec, robots.hand, flange, robots.hand.mount, f"{side}/hand/")
    add_objects(spec)
    for name, camera in cameras.items():
        _add_camera(spec, name, camera)
    return spec.compile()


def attach(spec: mujoco.MjSpec, robot: Embodiment, parent: mujoco.MjsBody, pose: np.ndarray, prefix: str) -> None:
    """Attach a robot with its servos to `parent` at `pose` (4, 4), parent <- root link."""
    child = mujoco.MjSpec.from_string(robot.urdf)
    for mesh in child.meshes:
        check_file(Path(child.meshdir) / mesh.file, MAX_MESH_BYTES, EmbodimentError)
    child.compiler.fusestatic = False  # fingertip frames are massless fixed links
    child.modelname = prefix.strip("/")
    _set_materials(child, robot)
    _add_servos(child, robot)
    frame = parent.add_frame(pos=pose[:3, 3], quat=quaternion(pose[:3, :3]))
    spec.attach(child, prefix=prefix, frame=frame)


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """(4,) w x y z of a rotation matrix (3, 3)."""
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(rotation, dtype=float).ravel())
    return quat


def _empty_world(timestep_s: float) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    spec.modelname = "crosshand"
    spec.option.timestep = timestep_s
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.compiler.degree = False
    _light(spec)
    return spec


def _light(spec: mujoco.MjSpec) -> None:
    """Settings for fast software rendering: no shadows, no multisampling, coarse curved shapes."""
    quality = spec.visual.quality
    quality.offsamples, quality.shadowsize = 0, 0
    quality.numslices, quality.numstacks, quality.numquads = 12, 6, 2
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.45, 0.45, 0.45]
    spec.visual.headlight.specular = [0.05, 0.05, 0.05]
    spec.worldbody.add_light(pos=[0.6, 0.3, 2.0], dir=[-0.1, -0.1, -1.0], castshadow=False, diffuse=[0.4, 0.4, 0.4])


def _add_table(spec: mujoco.MjSpec, table: Table) -> None:
    half = np.asarray(table.size) / 2
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=half,
        pos=np.asarray(table.xyz) - [0, 0, half[2]],
        rgba=[0.62, 0.55, 0.45, 1],
        **contact(FIXED, ROBOT | OBJECT),
    )


def contact(kind: int, touches: int) -> dict[str, object]:
    """Settings of a graspable geom: its group, the groups it has contacts with, friction and softness."""
    return {
        "contype": kind,
        "conaffinity": touches,
        "condim": 6 if kind == FIXED else 4,  # a contact has the larger one of its two geoms
        "friction": [1.0, 0.02, ROLLING_M],
        "solref": [0.005, 1.0],
        "solimp": [0.95, 0.99, 0.001, 0.5, 2.0],
    }


def _set_materials(child: mujoco.MjSpec, robot: Embodiment) -> None:
    settings = contact(ROBOT, OBJECT | FIXED) if robot.kind != "arm" else contact(ROBOT, OBJECT)
    for geom in child.geoms:
        if not geom.contype:  # a visual shape, without contacts
            continue
        geom.group = HIDDEN
        for field, value in settings.items():
            setattr(geom, field, value)
    for body in child.bodies:
        body.gravcomp = 1.0  # as the controllers of real arms and hands do


def _add_servos(child: mujoco.MjSpec, robot: Embodiment) -> None:
    servo = ACTUATION[robot.kind]
    for joint in child.joints:
        joint.armature = servo.armature if robot.kind != "gripper" else 0.05
        # The implicit integrator ignores a second force limit (the URDF's effort) behind that of the servo: a stopping
        # wrist would oscillate between the ends of that limit.
        joint.actfrclimited = mujoco.mjtLimited.mjLIMITED_FALSE
        if robot.kind == "hand":
            joint.damping = [HAND_JOINT_DAMPING, 0.0, 0.0]
    for equality in child.equalities:
        equality.solref = [0.01, 1.0]
        equality.solimp = [0.95, 0.99, 0.001, 0.5, 2.0]
    for name, low, high in zip(robot.joints, robot.lower, robot.upper, strict=True):
        actuator = child.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=servo.stiffness, kv=servo.damping)
        actuator.forcerange, actuator.forcelimited = [-servo.force, servo.force], True
        actuator.ctrlrange, actuator.ctrllimited = [low, high], True


def _add_camera(spec: mujoco.MjSpec, name: str, camera: Camera) -> None:
    """Add a camera. MuJoCo's look along -z with x to the right; what is up in the image says `View`."""
    eye, target = np.asarray(camera.pose.xyz), np.asarray(camera.pose.look_at)
    back = (eye - target) / np.linalg.norm(eye - target)
    vertical = np.hypot(back[0], back[1]) < 1e-6
    right = np.cross([1.0, 0.0, 0.0] if vertical else [0.0, 0.0, 1.0], back)
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(back, right), back], axis=1)
    spec.worldbody.add_camera(name=name, pos=eye, quat=quaternion(rotation), fovy=camera.fovy_deg)
