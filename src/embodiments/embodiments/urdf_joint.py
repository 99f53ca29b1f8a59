"""Reads one joint element of a URDF; every error names the file, the joint and the attribute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from contracts.transforms import pose
from embodiments.errors import EmbodimentError

MOVING = ("revolute", "prismatic")
_LEAST_VELOCITY = 0.01  # per s; exporters write 0 where nobody gave one


@dataclass(frozen=True)
class Mimic:
    """`position = multiplier * source + offset`, then clamped to the mimicking joint's own limits."""

    source: str
    multiplier: float
    offset: float


@dataclass(frozen=True, eq=False)
class Joint:
    """One joint of the tree. `origin` is (4, 4) parent link -> joint frame at zero; limits in rad or m.

    `velocity` is the limit that the URDF states, per s; 0 where it states none that a joint could have.
    """

    name: str
    kind: str
    parent: str
    child: str
    origin: np.ndarray
    axis: np.ndarray
    lower: float = 0.0
    upper: float = 0.0
    velocity: float = 0.0
    mimic: Mimic | None = None


def read_attribute(element: ElementTree.Element, key: str, source: str, field: str) -> str:
    """Return a required attribute.

    Raises:
        EmbodimentError: It is missing or empty.
    """
    value = element.get(key)
    if not value:
        raise EmbodimentError(source, field, element.attrib, f"attribute '{key}' of <{element.tag}>")
    return value


def _numbers(value: str | None, count: int, default: str, source: str, field: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in (default if value is None else value).split()])
    except ValueError:
        raise EmbodimentError(source, field, value, f"{count} numbers") from None
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise EmbodimentError(source, field, value, f"{count} finite numbers")
    return numbers


def read_joint(element: ElementTree.Element, source: str) -> Joint:
    """Return the joint of a <joint> element; `source` is the file's name, for messages.

    Raises:
        EmbodimentError: An attribute is missing or wrong.
    """
    name = read_attribute(element, "name", source, "joint")
    field = f"joint {name}"
    kind = element.get("type", "")
    if kind not in (*MOVING, "fixed"):
        raise EmbodimentError(source, f"{field}.type", kind, "revolute, prismatic or fixed")
    parent, child = (_end(element, end, source, field) for end in ("parent", "child"))
    origin = element.find("origin")
    attributes = {} if origin is None else origin.attrib
    xyz, rpy = (_numbers(attributes.get(k), 3, "0 0 0", source, f"{field}.origin.{k}") for k in ("xyz", "rpy"))
    if kind == "fixed":
        return Joint(name, kind, parent, child, pose(xyz, rpy), np.zeros(3))
    lower, upper = _limits(element, source, field)
    axis, mimic = _axis(element, source, field), _mimic(element, source, field)
    return Joint(name, kind, parent, child, pose(xyz, rpy), axis, lower, upper, stated_velocity(element), mimic)


def _end(element: ElementTree.Element, end: str, source: str, field: str) -> str:
    found = element.find(end)
    if found is None:
        raise EmbodimentError(source, field, None, f"an element <{end} link=...>")
    return read_attribute(found, "link", source, f"{field}.{end}")


def _axis(element: ElementTree.Element, source: str, field: str) -> np.ndarray:
    found = element.find("axis")
    axis = _numbers(None if found is None else found.get("xyz"), 3, "1 0 0", source, f"{field}.axis")
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        raise EmbodimentError(source, f"{field}.axis", axis.tolist(), "a vector that is not zero")
    return axis / length


def _limits(element: ElementTree.Element, source: str, field: str) -> tuple[float, float]:
    limit = element.find("limit")
    if limit is None or limit.get("lower") is None or limit.get("upper") is None:
        found = None if limit is None else limit.attrib
        raise EmbodimentError(source, f"{field}.limit", found, "<limit lower=... upper=...>")
    lower, upper = (float(_numbers(limit.get(k), 1, "", source, f"{field}.limit.{k}")[0]) for k in ("lower", "upper"))
    if lower > upper:
        raise EmbodimentError(source, f"{field}.limit", [lower, upper], "lower <= upper")
    return lower, upper


def stated_velocity(joint: ElementTree.Element) -> float:
    """The velocity limit of a <joint>, rad/s or m/s; 0 where it states none, or one that only fills the attribute."""
    limit = joint.find("limit")
    try:
        velocity = float("nan" if limit is None else limit.get("velocity", "nan"))
    except ValueError:
        return 0.0
    return velocity if math.isfinite(velocity) and velocity > _LEAST_VELOCITY else 0.0


def _mimic(element: ElementTree.Element, source: str, field: str) -> Mimic | None:
    found = element.find("mimic")
    if found is None:
        return None
    values = {
        key: float(_numbers(found.get(key), 1, default, source, f"{field}.mimic.{key}")[0])
        for key, default in (("multiplier", "1"), ("offset", "0"))
    }
    if math.isclose(values["multiplier"], 0.0, abs_tol=1e-9):
        raise EmbodimentError(source, f"{field}.mimic.multiplier", 0.0, "a multiplier that is not zero")
    return Mimic(read_attribute(found, "joint", source, f"{field}.mimic"), values["multiplier"], values["offset"])
