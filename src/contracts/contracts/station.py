"""The station: which arms, hands, cameras, bundles and addresses there are, as data.

One YAML file describes a station; this schema is the only place that knows its fields, defaults and bounds.
Frames: the station frame has x forward (away from the robots), y left, z up and its origin on the table
surface between the arms. Lengths are metres, angles radians unless a name says otherwise, times seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.errors import FileError, validate
from contracts.files import read_mapping
from contracts.framing import Fit
from contracts.image_contract import FIT_DESCRIPTION
from contracts.servo import PARTS, RATE_HZ, PartName, RateHz, ServoSettings
from contracts.transforms import pose

STATIONS = Path(__file__).parent / "stations"  # the shipped ones
DEFAULT_STATION = "dual_xarm7"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
# Kept without the slash at its beginning, by which ROS writes it: "robot1", "hall/robot1".
Namespace = Annotated[
    str,
    StringConstraints(pattern=r"^/?([A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*)?$", max_length=64),
    AfterValidator(lambda text: text.strip("/")),
]
# A station fits into a hall: what is further away was written in millimetres, a larger angle in degrees.
Metres = Annotated[float, Field(ge=-20, le=20)]
Radians = Annotated[float, Field(ge=-6.3, le=6.3)]
Length = Annotated[float, Field(gt=0, le=20)]
Position = tuple[Metres, Metres, Metres]
Angles = tuple[Radians, Radians, Radians]
SideName = Literal["left", "right"]


class Schema(BaseModel):
    """Base of all parts of a station; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Pose(Schema):
    """A pose in the station frame: position in metres, fixed-axis roll, pitch, yaw in radians."""

    xyz: Position = Field(default=(0.0, 0.0, 0.0), description="position x, y, z, m")
    rpy: Angles = Field(default=(0.0, 0.0, 0.0), description="roll, pitch, yaw about fixed axes, rad")

    def matrix(self) -> np.ndarray:
        """(4, 4) homogeneous transform, station frame -> this frame's coordinates."""
        return pose(self.xyz, self.rpy)


class Part(Schema):
    """One arm, hand or gripper: the robot it is and the device plug-in that moves it."""

    embodiment: Name = Field(description="name of the robot")
    device: str = Field("", max_length=64, description="device plug-in; empty: the backend's own, not in backend real")
    address: str = Field("", max_length=256, description="host:port, serial port or bus of the device")
    options: dict[str, Any] = Field(default_factory=dict, description="settings of the device plug-in")


class Side(Schema):
    """One arm with its hand, and the pose of its base."""

    arm: Part
    hand: Part
    base: Pose = Field(description="root link of the arm in the station frame")


class View(Schema):
    """Position of a camera and the point it looks at, in the station frame; the image's up is the station's z.

    In the image of a camera that looks straight down or up, the station's x is up.
    """

    xyz: Position = Field(description="position, m")
    look_at: Position = Field(description="point in the middle of the image, m")

    @model_validator(mode="after")
    def _looks_somewhere(self) -> View:
        if np.linalg.norm(np.subtract(self.xyz, self.look_at)) < 1e-3:
            raise FileError("", "look_at", list(self.look_at), "another point than xyz")
        return self


class Camera(Schema):
    """A camera: its plug-in, image size and rate, and pose."""

    source: str = Field("", max_length=64, description="camera plug-in; empty: `simulated`, not in backend real")
    width: int = Field(320, ge=16, le=4096, description="pixels")
    height: int = Field(240, ge=16, le=4096, description="pixels")
    rate_hz: float = Field(30.0, ge=0.1, le=240.0, description="frames per second")
    fovy_deg: float = Field(45.0, gt=1.0, lt=170.0, description="vertical field of view, simulated cameras")
    calibration: str = Field("", max_length=4096, description="file of camera_calibration; not of simulated cameras")
    fit: Fit | None = Field(None, description=FIT_DESCRIPTION)
    pose: View
    options: dict[str, Any] = Field(default_factory=dict, description="settings of the camera plug-in")


class Table(Schema):
    """The box that the robots are mounted on: `xyz` is the centre of its top surface, `size` its full extents."""

    xyz: Position = Field(default=(0.45, 0.0, 0.0), description="centre of the top surface, m")
    size: tuple[Length, Length, Length] = Field(default=(1.3, 1.7, 0.04), description="extents, m")


class Scene(Schema):
    """Fixed surroundings of the robots; objects and trays belong to the task."""

    table: Table = Table()


class Servo(ServoSettings, Schema):
    """The servo loops of all drivers of a station."""

    arm_rate_hz: RateHz = Field(default=RATE_HZ.arm, description="rate of the servo loops of arms")
    hand_rate_hz: RateHz = Field(default=RATE_HZ.hand, description="rate of the servo loops of hands")

    def of_driver(self, part: PartName) -> dict[str, Any]:
        """Return what a driver of arms or hands has otherwise than by default, by the names of its own settings."""
        given = self.model_dump(exclude_defaults=True)
        rates = {kind: given.pop(f"{kind}_rate_hz", None) for kind in PARTS}
        return given if rates[part] is None else given | {"rate_hz": rates[part]}


class Inference(Schema):
    """Where the policy computes; the first of the onnxruntime providers that this machine has."""

    providers: list[str] = Field(
        default=["CPUExecutionProvider"],
        min_length=1,
        max_length=8,
        description="of onnxruntime, the preferred one first",
    )


class Simulation(Schema):
    """The simulated world."""

    port: int = Field(default=48800, ge=1024, le=65535, description="each running world has its own")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="of where objects start")


class BagSettings(Schema):
    """Where recordings go."""

    directory: str = Field(default="out/bags", min_length=1, description="folder in which bags are created")


class Record(BagSettings):
    """Whether and where runs are recorded."""

    enabled: bool = Field(default=True, description="record each run")


class RobotStateSettings(BaseModel):
    """How often robots are shown to other programs."""

    rate_hz: float = Field(default=10.0, ge=1.0, le=50.0, description="most states of each arm and hand, Hz")


class RobotState(RobotStateSettings, Schema):
    """Whether and how the station is shown to RViz, Foxglove and others that know ROS."""

    enabled: bool = Field(default=True, description="publish robot_description, joint_states, tf and tf_static")


class Station(Schema):
    """Arms, hands, cameras, bundles and backend of one setup."""

    name: Name = Field(description="of the station")
    namespace: Namespace = Field("", description="of all its nodes and topics, such as robot1; empty: none")
    backend: Literal["sim", "emulated", "real"] = Field(
        "sim", description="emulated: the simulated robots behind their makers' wires, moved by the real drivers"
    )
    task: Name = Field("pick_place", description="what the simulated objects are for")
    seconds: float = Field(0.0, ge=0.0, le=86400.0, description="how long to run; 0 means until stopped")
    sides: dict[SideName, Side] = Field(min_length=1)
    cameras: dict[Name, Camera] = Field(min_length=1)
    scene: Scene = Scene()
    codec: str = Field("models/codec", min_length=1, description="codec bundle")
    policy: str = Field("models/policy", min_length=1, description="policy bundle")
    inference: Inference = Inference()
    servo: Servo = Servo()
    simulation: Simulation = Simulation()
    record: Record = Record()
    robot_state: RobotState = RobotState()

    @property
    def simulated(self) -> bool:
        """Whether the robots are simulated."""
        return self.backend != "real"


def full_name(namespace: str, name: str) -> str:
    """Return the full ROS name of a node or topic, such as "/robot1/left_codec".

    Args:
        namespace: That of the station, without a slash at its beginning; may be empty.
        name: The name in it.
    """
    return "/" + "/".join(filter(None, (namespace, name)))


def station_names() -> tuple[str, ...]:
    """Return the names of the shipped stations, sorted."""
    return tuple(sorted(file.stem for file in STATIONS.glob("*.yaml")))


def station_file(path_or_name: str) -> Path:
    """Return the file of a station.

    Args:
        path_or_name: A path (`lab.yaml`), or the name of a shipped station (`dual_xarm7`).

    Raises:
        FileError: No shipped station has this name.
    """
    if "/" in path_or_name or path_or_name.endswith((".yaml", ".yml")):
        return Path(path_or_name).expanduser()
    if path_or_name not in station_names():
        raise FileError("station", "", repr(path_or_name), f"a YAML file or one of {', '.join(station_names())}")
    return STATIONS / f"{path_or_name}.yaml"


def load_station(path: str | Path) -> Station:
    """Return the station in a YAML file.

    Raises:
        FileError: The file cannot be read, or a field is wrong.
    """
    return validate(Station, read_mapping(path), path)


def station_with_hands(path_or_name: str, left: str, right: str, task: str) -> Station:
    """Return a station with other hands and another task; what is empty stays the station's own.

    Args:
        path_or_name: As in `station_file`.
        left: Name of the left hand.
        right: Name of the right hand.
        task: Name of the task.

    Raises:
        FileError: There is no such station, or a field is wrong.
    """
    station = load_station(station_file(path_or_name))
    hands = {"left": left, "right": right}
    sides = {
        name: side.model_copy(
            update={"hand": side.hand.model_copy(update={"embodiment": hands[name] or side.hand.embodiment})}
        )
        for name, side in station.sides.items()
    }
    return station.model_copy(update={"sides": sides, "task": task or station.task})
