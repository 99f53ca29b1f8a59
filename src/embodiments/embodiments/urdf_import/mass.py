"""Masses of links: which of a URDF's can be, and what capsules and boxes of a hand would weigh."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np

DENSITY = 1100.0  # kg/m3: plastic, motors and air
LEAST_MASS_KG, MOST_MASS_KG = 1e-3, 3.0
LEAST_INERTIA = 1e-7  # kg m2; less makes simulated joints of a hand unstable


def plausible(inertial: ElementTree.Element) -> bool:
    """Whether an <inertial> is complete and of a thing that can exist: finite, positive, triangle inequality."""
    try:
        mass = float(inertial.find("mass").attrib["value"])  # type: ignore[union-attr]
        values = inertial.find("inertia").attrib  # type: ignore[union-attr]
        xx, yy, zz, xy, xz, yz = (float(values.get(key, "0")) for key in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz"))
        origin = inertial.find("origin")
        words = [] if origin is None else f"{origin.get('xyz', '')} {origin.get('rpy', '')}".split()
        numbers = [mass, xx, yy, zz, xy, xz, yz, *map(float, words)]
    except (AttributeError, KeyError, ValueError):
        return False
    if not all(map(math.isfinite, numbers)) or not LEAST_MASS_KG <= mass <= MOST_MASS_KG or len(words) % 3:
        return False
    moments = np.linalg.eigvalsh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return bool(moments[0] >= LEAST_INERTIA and moments[0] + moments[1] >= moments[2] * (1 - 1e-6))


def capsule_inertial(start: np.ndarray, end: np.ndarray, radius: float) -> tuple[float, np.ndarray, float]:
    """Mass (kg), centre (3,) and one moment of inertia (kg m2) for all axes, that of a rod about its middle."""
    length = float(np.linalg.norm(end - start))
    mass = DENSITY * math.pi * radius**2 * (length + 4 / 3 * radius)
    return mass, (start + end) / 2, mass * ((length + 2 * radius) ** 2 / 12 + radius**2 / 4)


def box_inertial(size: np.ndarray) -> tuple[float, float]:
    """Mass (kg) and the mean moment of inertia (kg m2) of a box with edges (3,) in m."""
    mass = DENSITY * float(np.prod(size))
    return mass, mass * float((size**2).sum()) / 18


def inertial_element(mass: float, centre: np.ndarray, moment: float) -> ElementTree.Element:
    """Return an <inertial> that all simulators accept."""
    element = ElementTree.Element("inertial")
    ElementTree.SubElement(element, "origin", xyz=" ".join(f"{value:.6g}" for value in centre), rpy="0 0 0")
    ElementTree.SubElement(element, "mass", value=f"{max(mass, 0.005):.4g}")
    value = f"{max(moment, 1e-6):.4g}"
    ElementTree.SubElement(element, "inertia", ixx=value, ixy="0", ixz="0", iyy=value, iyz="0", izz=value)
    return element
