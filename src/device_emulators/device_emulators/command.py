"""`emulate_ability`, `emulate_inspire`, ...: emulators with faults from the terminal, such as `silent 1`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

import embodiments
from device_emulators import inspire, robotiq, xarm
from device_emulators.ability import AbilityHand
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from device_emulators.serve import Protocol, PtyServer, TcpServer


def run_ability() -> None:
    """Emulate an Ability hand on a serial terminal."""
    faults = Faults()
    with PtyServer(AbilityHand(faults), faults) as server:
        attend(server.port, faults)


def run_inspire(
    modbus: Annotated[str, typer.Option(help="serve Modbus TCP on HOST:PORT instead of a serial terminal")] = "",
) -> None:
    """Emulate an Inspire hand."""
    faults = Faults()
    hand = inspire.InspireHand(faults)
    if modbus:
        serve_tcp(lambda: inspire.ModbusProtocol(hand), faults, modbus)
    else:
        with PtyServer(inspire.SerialProtocol(hand), faults) as server:
            attend(server.port, faults)


def run_robotiq(
    tcp: Annotated[str, typer.Option(help="serve on HOST:PORT instead of a serial terminal")] = "",
    active: Annotated[bool, typer.Option(help="start activated")] = True,
) -> None:
    """Emulate a Robotiq 2F gripper."""
    faults = Faults()
    gripper = robotiq.RobotiqGripper(faults, active)
    if tcp:
        serve_tcp(lambda: robotiq.RtuProtocol(gripper), faults, tcp)
    else:
        with PtyServer(robotiq.RtuProtocol(gripper), faults) as server:
            attend(server.port, faults)


def serve_tcp(make: Callable[[], Protocol], faults: Faults, address: str) -> None:
    """Serve on `address`, HOST[:PORT], until the end of the standard input."""
    host, _, port = address.partition(":")
    with TcpServer(make, faults, host, int(port or 0)) as server:
        attend(f"{server.host}:{server.port}", faults)


def attend(address: str, faults: Faults) -> None:
    """Print the device's address, and set faults from the standard input until its end."""
    print(f"address:={address}", flush=True)
    for line in sys.stdin:
        if line.strip() and (wrong := faults.set(line)):
            print(f"error: {wrong}", file=sys.stderr, flush=True)


def run_xarm(
    ip: Annotated[str, typer.Option(help="address of this machine to listen on")] = "127.0.0.2",
    port: Annotated[int, typer.Option(help="control port; the SDK uses 502, which needs root")] = 502,
) -> None:
    """Emulate the control box of an xArm7."""
    faults, home = Faults(), Lag(embodiments.load("xarm7").postures["home"], 0.02)
    try:
        emulator = xarm.XArmEmulator(xarm.ControlBox(faults, home), ip, port)
    except OSError as error:
        print(f"error: {ip}: ports {port} and {xarm.REPORT_PORT}: {error.strerror}", file=sys.stderr)
        raise typer.Exit(2) from None
    with emulator:
        attend(ip, faults)


def emulate_ability() -> None:
    """Run the command line."""
    typer.run(run_ability)


def emulate_inspire() -> None:
    """Run the command line."""
    typer.run(run_inspire)


def emulate_robotiq() -> None:
    """Run the command line."""
    typer.run(run_robotiq)


def emulate_xarm() -> None:
    """Run the command line."""
    typer.run(run_xarm)
