"""Checks before the start of a graph; each failure is one line with place, value found and value expected."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bringup.environment import environment, refusal
from bringup.executables import ExecutableError, command
from bringup.graph import NodeDescription
from contracts import claims, plugins
from contracts.rendering import no_rendering
from contracts.station import Camera, Station

EGL_TEST = "import mujoco; mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 16, 16).close()"
EGL_TIMEOUT_S = 30.0


class PreflightError(RuntimeError):
    """The graph cannot run; the text is one line."""


def check(station: Station, nodes: Sequence[NodeDescription]) -> None:
    """Check a resolved station before its processes start.

    Raises:
        PreflightError: At the first failure.
    """
    if line := refusal():
        raise PreflightError(line)
    with _EglCheck(station):  # the longest check, so it runs beside the others
        check_embodiments(station)
        check_plugins(station)
        check_bundles(station)
        check_executables(nodes)
        check_names(nodes)
        check_port(station)
    check_task(station)  # loads the renderer


def check_embodiments(station: Station) -> None:
    """Check that every arm and hand exists."""
    import embodiments

    for side, parts in station.sides.items():
        known = {"arm": embodiments.names("arm"), "hand": embodiments.names("hand") + embodiments.names("gripper")}
        for part, names in known.items():
            name = getattr(parts, part).embodiment
            _expect_known(f"{side}_{part}", name, names)
            _or_error(f"{side}_{part}", embodiments.load, name, side)


def check_plugins(station: Station) -> None:
    """Check that the plug-ins of all devices and cameras are installed."""
    devices, sources = plugins.names("hand_drivers.devices"), plugins.names("camera_node.sources")
    for side, parts in station.sides.items():
        for part in ("arm", "hand"):
            _expect_known(f"sides.{side}.{part}.device", getattr(parts, part).device, devices)
    for name, camera in station.cameras.items():
        _expect_known(f"cameras.{name}.source", camera.source, sources)


def check_bundles(station: Station) -> None:
    """Check that both bundles are complete and of one latent space, and that the station fits them."""
    from contracts.bundle import load_manifest
    from contracts.image_contract import check_camera

    codec = _or_error("codec", load_manifest, Path(station.codec), "codec")
    policy = _or_error("policy", load_manifest, Path(station.policy), "policy")
    if policy.latent_space != codec.latent_space:
        where = Path(station.policy) / "manifest.yaml"
        found, expected = repr(policy.latent_space), f"{codec.latent_space!r} of the codec {station.codec}"
        raise PreflightError(f"{where}: latent_space: found {found}, expected {expected}")
    for side, parts in station.sides.items():
        _expect_known(f"{side}_hand", parts.hand.embodiment, codec.codec.hands, f" in the codec {station.codec}")
    for name in policy.policy.observation.cameras:
        _expect_known("cameras: the policy's camera", name, station.cameras)
        camera = station.cameras[name]
        check_camera(f"cameras.{name}", camera, policy.policy.trained(name), _fovy_deg(name, camera))
    fits = sorted({camera.fit for camera in station.cameras.values() if camera.fit is not None})
    if len(fits) > 1:
        raise PreflightError(f"cameras: found the fits {' and '.join(fits)}, expected one, that of the policy's camera")
    for side in policy.policy.sides:
        _expect_known("sides: the policy's side", side, station.sides)


def _fovy_deg(name: str, camera: Camera) -> float | None:
    """Vertical field of view of a camera, degrees; None if only the camera itself may know it."""
    from camera_node.info import calibrated_fovy_deg, load_calibration

    if camera.source == "simulated":
        return camera.fovy_deg
    if not camera.calibration:
        return None
    found = _or_error(f"cameras.{name}.calibration", load_calibration, Path(camera.calibration))
    return calibrated_fovy_deg(found)


def check_executables(nodes: Sequence[NodeDescription]) -> None:
    """Check that the executables of all nodes exist."""
    for node in nodes:
        try:
            command(node.package, node.executable)
        except ExecutableError as error:
            raise PreflightError(str(error)) from None


def check_names(nodes: Sequence[NodeDescription]) -> None:
    """Check that no other graph of this namespace runs in this ROS domain: its nodes have the same names and topics."""
    given = os.environ.get("ROS_DOMAIN_ID", "")
    domain = int(given) if given.isdecimal() else 0
    for node in nodes:
        other = claims.owner(claims.name_of_node(node.full_name, domain))
        if other:
            raise PreflightError(
                f"{node.name}: found {other}, in ROS domain {domain}, expected no other graph there; end it, or start "
                f"this one with a port and in a domain or namespace of its own: port:=PORT and "
                f"ROS_DOMAIN_ID={domain + 1} or namespace:=NAME"
            )


def check_port(station: Station) -> None:
    """Check that the simulated world's port is free: another graph on it would be moved instead of this one."""
    from simulation.shared_world import taken

    port = station.simulation.port
    if station.simulated and taken(port):
        raise PreflightError(
            f"simulation.port: found {port} taken by another simulated world, expected a free one; "
            f"end the other run, or start this one with port:={port + 1} in a ROS domain or namespace of its own"
        )


def check_task(station: Station) -> None:
    """Check that the task exists."""
    if station.simulated:
        from simulation.tasks.pick_place import TASKS

        _expect_known("task", station.task, TASKS)


class _EglCheck:
    """Creates a renderer in a process of its own, as a failure may be a crash."""

    def __init__(self, station: Station) -> None:
        self._process: subprocess.Popen[str] | None = None
        if station.simulated and any(camera.source == "simulated" for camera in station.cameras.values()):
            env = os.environ | environment()
            argv = [sys.executable, "-c", EGL_TEST]
            self._process = subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._process is None:
            return
        if kind is not None:
            self._process.kill()
        try:
            errors = self._process.communicate(timeout=EGL_TIMEOUT_S)[1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            errors = f"no response within {EGL_TIMEOUT_S:g} s"
        if kind is None and self._process.returncode != 0:
            raise PreflightError(str(no_rendering(errors)))


def _expect_known(where: str, found: str, known: Iterable[str], suffix: str = "") -> None:
    known = sorted(known)
    if found not in known:
        raise PreflightError(f"{where}: found {found!r}, expected one of {', '.join(known) or '(none)'}{suffix}")


def _or_error(where: str, function, *arguments):  # noqa: ANN001, ANN002, ANN202
    """The result of `function`; its refusal of a file becomes a PreflightError of one line."""
    try:
        return function(*arguments)
    except (ValueError, OSError, LookupError, RuntimeError) as error:
        raise PreflightError(f"{where}: {' '.join(str(error).split())}") from None
