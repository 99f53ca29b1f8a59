"""What killed processes left in shared memory is removed, and nothing else."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from node_kit.shared_memory import close_inherited, remove_dead


@pytest.fixture
def shm(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "shm").mkdir()
    return tmp_path / "shm"


@pytest.fixture
def make(shm: Path) -> Callable[..., list[Path]]:
    """Makes a segment or a port, with its lock and semaphore, as if a minute ago."""

    def files(name: str, age_s: float = 60.0) -> list[Path]:
        made = [shm / file for file in (name, f"{name}_el", f"sem.{name}_mutex")]
        for file in made:
            file.touch()
            os.utime(file, (at := file.stat().st_mtime - age_s, at))
        return made

    return files


def remove(shm: Path) -> list[str]:
    return remove_dead(shm, shm.parent / "proc")


def test_segments_and_ports_without_a_process_are_removed(shm, make):
    made = [*make("fastrtps_0123456789abcdef"), *make("fastrtps_port7411")]
    assert sorted(remove(shm)) == ["fastrtps_0123456789abcdef", "fastrtps_port7411"]
    assert not any(file.exists() for file in made)


def test_what_a_running_process_has_locked_is_kept(shm, make):
    made = make("fastrtps_0123456789abcdef")
    with made[1].open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert remove(shm) == []
    assert all(file.exists() for file in made)


def test_inherited_locks_are_closed_and_other_files_are_not(shm, make):
    lock, other = (os.open(file, os.O_RDWR | os.O_CREAT) for file in (make("fastrtps_0123")[1], shm / "crosshand"))
    close_inherited(shm)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(lock)
    os.close(other)


def test_a_port_that_a_running_process_sends_to_is_kept(shm, make):
    make("fastrtps_port7411")
    (shm.parent / "proc" / "7" / "maps").write_text(f"7f00-7f10 rw-s 00000000 00:1a 5 {shm}/fastrtps_port7411\n")
    assert remove(shm) == []


def test_what_a_process_may_be_about_to_lock_is_kept(shm, make):
    make("fastrtps_0123456789abcdef", age_s=0.0)
    assert remove(shm) == []


def test_files_of_other_programs_are_kept(shm):
    other = shm / "crosshand-0-48800"
    other.touch()
    assert remove(shm) == [] and other.exists()
