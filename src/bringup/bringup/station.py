"""Loads a station and applies the arguments of a run.

`dual_xarm7` + `right_hand:=xhand` -> a resolved station: paths absolute, devices and addresses filled in.
Resolving happens here, once; nodes, launch files and the supervisor read the result.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

import embodiments
from bringup import paths
from contracts.errors import FileError, validate
from contracts.files import dump_yaml, parse_yaml, read_mapping
from contracts.station import Namespace, Station, station_file
from device_emulators.addresses import emulated_part

SIMULATED = "simulated"
ROS_ARGUMENTS, REMAPPED_NAMESPACE = "--ros-args", "__ns:="
# Short names of arguments -> fields of the station; any other field is reached by its dotted path.
ALIASES = {
    "left_hand": "sides.left.hand.embodiment",
    "right_hand": "sides.right.hand.embodiment",
    "left_arm": "sides.left.arm.embodiment",
    "right_arm": "sides.right.arm.embodiment",
    "namespace": "namespace",
    "task": "task",
    "backend": "backend",
    "seconds": "seconds",
    "codec": "codec",
    "policy": "policy",
    "providers": "inference.providers",
    "seed": "simulation.seed",
    "port": "simulation.port",
    "record": "record.enabled",
    "robot_state": "robot_state.enabled",
}


class ArgumentError(ValueError):
    """An invalid argument of the command line; the text is one line with what was found and expected."""


def parse_arguments(arguments: Iterable[str]) -> dict[str, Any]:
    """`["left_hand:=inspire", "seconds:=150"]` -> `{"left_hand": "inspire", "seconds": 150}`; ArgumentError.

    `--ros-args -r __ns:=/robot1` at the end is `namespace:=robot1`.
    """
    parsed: dict[str, Any] = {}
    for argument in _remapped(list(arguments)):
        name, separator, value = argument.partition(":=")
        if not separator or not value:
            raise ArgumentError(f"argument: found {argument!r}, expected name:=value")
        if name != "station" and name not in ALIASES and "." not in name:
            known = f"one of station, {', '.join(ALIASES)} or a dotted field of the station"
            raise ArgumentError(f"argument: found {name!r}, expected {repr(closest(name)) if closest(name) else known}")
        if name in parsed:
            raise ArgumentError(f"argument {name}: found twice, expected once")
        parsed[name] = _scalar(value)
    return parsed


def _remapped(arguments: list[str]) -> list[str]:
    if ROS_ARGUMENTS not in arguments:
        return arguments
    end = arguments.index(ROS_ARGUMENTS)
    match arguments[end + 1 :]:
        case ["-r" | "--remap", remapped] if remapped.startswith(REMAPPED_NAMESPACE):
            return [*arguments[:end], f"namespace:={remapped.removeprefix(REMAPPED_NAMESPACE)}"]
        case others:
            found = " ".join(others)
            raise ArgumentError(f"argument {ROS_ARGUMENTS}: found {found!r}, expected -r {REMAPPED_NAMESPACE}/NAME")


def parse_namespace(arguments: Iterable[str]) -> str:
    """The namespace of a command that has no other argument: `["namespace:=robot1"]` -> "robot1"; ArgumentError."""
    given = parse_arguments(arguments)
    namespace = given.pop("namespace", "")
    if given:
        raise ArgumentError(f"argument: found {next(iter(given))!r}, expected none but namespace:=NAME")
    try:
        return TypeAdapter(Namespace).validate_python(namespace)
    except ValidationError:
        raise ArgumentError(f"argument namespace: found {namespace!r}, expected a name such as robot1") from None


def description(name: str) -> str:
    """What an argument sets, and its values where they are few."""
    field, values = ALIASES[name], _choices(name)
    return f"{field} of the station" + (f"; one of {', '.join(values)}" if values else "")


def _choices(name: str) -> tuple[str, ...]:
    if name.endswith("_hand"):
        return (*embodiments.names("hand"), *embodiments.names("gripper"))
    if name.endswith("_arm"):
        return embodiments.names("arm")
    from simulation.tasks.pick_place import TASKS  # loads the physics

    return {
        "backend": get_args(Station.model_fields["backend"].annotation),
        "task": tuple(sorted(TASKS)),
        "record": ("true", "false"),
        "robot_state": ("true", "false"),
    }.get(name, ())


def closest(name: str) -> str:
    """The argument most similar to `name`, "" if there is none."""
    return next(iter(difflib.get_close_matches(name, ["station", *ALIASES], n=1)), "")


def _scalar(text: str) -> Any:
    try:
        return parse_yaml(text, "argument")
    except FileError:
        return text


def load(path_or_name: str, overrides: Mapping[str, Any] | None = None) -> Station:
    """The resolved station; FileError (one line: file, field, found, expected) when something is wrong in it."""
    file = station_file(path_or_name)
    content = read_mapping(file)
    validate(Station, content, file)  # wrong in the file itself, before arguments change it
    for name, value in (overrides or {}).items():
        _put(content, ALIASES.get(name, name), value, name)
    if (overrides or {}).get("backend", "real") != "real":
        _leave_devices(content)
    # The file alone is valid, so an error comes from an argument.
    station = validate(Station, content, "arguments" if overrides else file)
    return _resolve(station, file)


def _put(content: dict[str, Any], field: str, value: Any, argument: str) -> None:
    *parents, last = field.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
        if not isinstance(content, dict):
            raise ArgumentError(f"argument: found {argument!r}, expected a field of the station")
    content[last] = value


def _leave_devices(content: dict[str, Any]) -> None:
    """Remove the devices and cameras of a real station, for a simulated backend."""
    for side in content["sides"].values():
        for part in side.values():
            if "embodiment" in part:
                part.update(device="", address="", options={})
    for camera in content["cameras"].values():
        camera.update(source=SIMULATED, options={}, calibration="")


def _resolve(station: Station, file: Any) -> Station:
    content = station.model_dump(mode="json")
    for side, parts in content["sides"].items():
        for part in ("arm", "hand"):
            _resolve_part(parts[part], station, side, part, file)
    for name, camera in content["cameras"].items():
        camera["source"] = camera["source"] or _simulated(station, f"cameras.{name}.source", file)
        camera["calibration"] = str(paths.absolute(camera["calibration"])) if camera["calibration"] else ""
    for field in ("codec", "policy"):
        content[field] = str(paths.absolute(content[field]))
    content["record"]["directory"] = str(paths.absolute(content["record"]["directory"]))
    return Station.model_validate(content)


def _resolve_part(content: dict[str, Any], station: Station, side: str, part: str, file: Any) -> None:
    field = f"sides.{side}.{part}"
    if station.backend == "emulated" and not content["device"]:
        try:
            content.update(emulated_part(station.simulation.port, side, part, content["embodiment"]))
        except ValueError as error:
            raise FileError(file, f"{field}.embodiment", repr(content["embodiment"]), str(error)) from None
    content["device"] = content["device"] or _simulated(station, f"{field}.device", file)
    if content["device"] == SIMULATED:
        if not station.simulated:
            raise FileError(file, f"{field}.device", repr(SIMULATED), "a real device, because backend is 'real'")
        content["address"] = content["address"] or f"shm:{station.simulation.port}"


def _simulated(station: Station, field: str, file: Any) -> str:
    if station.simulated:
        return SIMULATED
    raise FileError(file, field, "nothing", "the name of a plug-in, because backend is 'real'")


def dump(station: Station) -> str:
    """The station as YAML text that `contracts.station.load_station` reads back to an equal station."""
    return dump_yaml(station.model_dump(mode="json"))
