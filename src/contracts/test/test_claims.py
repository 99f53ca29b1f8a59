"""Claims: one process at a time, released with it, and named to others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from contracts.claims import Claim, ClaimedError, owner

HOLD = "import sys; from contracts.claims import Claim; c = Claim(sys.argv[1]); print('held', flush=True); input()"


@pytest.fixture
def name() -> str:
    return f"test {os.getpid()}"


@pytest.fixture
def holder(name: str):
    command = [sys.executable, "-c", HOLD, name, "-r", "__node:=left_arm_driver", "__ns:=/hall/robot1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_claim_is_refused_until_the_first_is_released(name: str) -> None:
    first = Claim(name)
    with pytest.raises(ClaimedError, match=f"{name}: in use by process {os.getpid()}"):
        Claim(name)
    first.release()
    Claim(name).release()


def test_claim_of_another_process_names_its_node_and_number(name: str, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(ClaimedError, match=f"in use by node /hall/robot1/left_arm_driver, process {holder.pid}$"):
        Claim(name)


def test_claim_of_a_killed_process_is_free(name: str, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert owner(name) == ""
    Claim(name).release()


def test_asking_very_often_still_finds_it_claimed(name: str) -> None:
    claim = Claim(name)
    assert all(owner(name) for _ in range(1000))
    claim.release()


def test_names_longer_than_a_socket_address_are_told_apart(name: str) -> None:
    claims = [Claim(f"{name}{'x' * 500}{number}") for number in range(2)]
    for claim in claims:
        claim.release()
