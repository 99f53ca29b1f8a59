"""One driver at a time has a device, and one program a serial line."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hand_drivers.device import DeviceError
from hand_drivers.ownership import Ownership, canonical


@pytest.fixture
def line() -> Iterator[str]:
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_second_driver_of_a_device_is_refused_until_the_first_releases() -> None:
    device = f"test {os.getpid()}"
    first, second = Ownership(device), Ownership(device)
    first.take()
    first.take()  # has it already
    with pytest.raises(DeviceError, match=f"device {device}: in use by process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_line_that_another_program_has_locked_is_refused(line: str) -> None:
    with serial.Serial(line, exclusive=True), pytest.raises(DeviceError, match=f"{line}: locked by another program"):
        Ownership(f"test {line}", line).take()
    Ownership(f"test {line}", line).take()  # and the failure left no claim


def test_a_line_with_an_owner_is_refused_to_other_programs(line: str) -> None:
    owner = Ownership(f"test {line}", line)
    owner.take()
    with serial.Serial(line):
        owner.close_line()
        with pytest.raises(serial.SerialException):
            serial.Serial(line, exclusive=True)
        with pytest.raises(DeviceError, match=f"{line}: (locked|opened) by another program"):
            Ownership(f"another test {line}", line).take()
    owner.release()
    serial.Serial(line, exclusive=True).close()


def test_a_library_that_locks_its_line_itself_is_no_second_program(line: str) -> None:
    owner = Ownership(f"test {line}", line)
    owner.take()
    with serial.Serial(line, exclusive=True):
        owner.close_line()
    owner.release()


def test_a_line_that_does_not_exist_is_left_to_the_driver() -> None:
    owner = Ownership("test /dev/nothing", "/dev/nothing")
    owner.take()
    owner.close_line()
    owner.release()


@pytest.mark.parametrize(
    ("one", "another", "port"),
    [
        ("inspire 127.0.0.1:6000", "inspire localhost:6000", 6000),
        ("inspire 127.0.0.1", "inspire 127.0.0.1:6000", 6000),
        ("inspire 127.0.0.1:6000", "inspire 127.0.0.1:06000", 6000),
        ("robotiq localhost", "robotiq 127.0.0.1:54321", 54321),
        ("xarm7 localhost", "xarm7 127.0.0.1", 502),
        ("inspire no such host", "inspire no such host:6000", 6000),
    ],
)
def test_a_network_device_spelled_in_two_ways_has_one_owner(one: str, another: str, port: int) -> None:
    first, second = Ownership(one, port=port), Ownership(another, port=port)
    first.take()
    with pytest.raises(DeviceError, match="in use by process"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_link_to_a_serial_line_is_that_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to(line)
    first = Ownership(f"test {line}", line)
    first.take()
    with pytest.raises(DeviceError, match="in use by process"):
        Ownership(f"test {tmp_path}/by-id", f"{tmp_path}/by-id").take()
    first.release()


@pytest.mark.parametrize("other", ["inspire 127.0.0.2", "inspire 127.0.0.1:6001", "robotiq 127.0.0.1"])
def test_devices_at_other_places_are_not_the_same(other: str) -> None:
    assert canonical("inspire 127.0.0.1", 6000) != canonical(other, 6000)
    assert canonical("g1_arms eth0 left", 0) == "g1_arms eth0 left"
