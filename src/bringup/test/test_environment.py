"""The environment of all processes: whom a graph on this machine alone lets in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bringup import environment

NETWORK = Path(__file__).parent / "fakes" / "two_machines.sh"
TALK = """
import time, rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node("station")
publisher = node.create_publisher(String, "/secret", 10)
while True:
    publisher.publish(String(data="secret"))
    time.sleep(0.05)
"""
LISTEN = """
import sys, time, rclpy
from std_msgs.msg import String
rclpy.init()
node, received, end = rclpy.create_node("stranger"), [], time.monotonic() + float(sys.argv[1])
node.create_subscription(String, "/secret", received.append, 10)
while not received and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print("a message" if received else "nothing")
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, environment.THIS_MACHINE[0]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, environment.OTHER_MACHINES[0]),
        ({}, environment.OTHER_MACHINES[0]),  # ROS's default is SUBNET
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.2"}, environment.OTHER_MACHINES[0]),
        ({environment.PROFILE: environment.THIS_MACHINE[1]}, environment.OTHER_MACHINES[0]),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", environment.PROFILE: "/home/me/own.xml"}, "/home/me/own.xml"),
    ],
)
def test_sockets_are_bound_to_this_machine_unless_others_are_wanted(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_STATIC_PEERS", environment.PROFILE):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (os.environ | environment.environment())[environment.PROFILE] == expected


def test_what_the_launcher_sets_is_kept_by_what_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    for name in ("ROS_STATIC_PEERS", environment.PROFILE):
        monkeypatch.delenv(name, raising=False)
    for images in (False, True, False):
        for name, value in environment.environment(images).items():
            monkeypatch.setenv(name, value)
        assert os.environ[environment.PROFILE] == environment.THIS_MACHINE[images]
        assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    assert environment.environment() == {}


@pytest.mark.parametrize("images", [False, True])
def test_profiles_for_this_and_other_machines_differ_in_reach_alone(images: bool) -> None:
    local, others = (_plain(files[images]) for files in (environment.THIS_MACHINE, environment.OTHER_MACHINES))
    reach = r"<(interfaceWhiteList|maxInitialPeersRange|initialPeersList)>.*?</\1>"
    assert _tags(re.sub(reach, "", local, flags=re.DOTALL)) == _tags(others) != _tags(local)


def test_only_processes_with_images_have_shared_memory() -> None:
    for control, images in (environment.THIS_MACHINE, environment.OTHER_MACHINES):
        shared = r"<transport_descriptor>\s*<transport_id>shared_memory.*?</transport_descriptor>"
        plain = re.sub(shared, "", _plain(images), flags=re.DOTALL)
        plain = plain.replace("<transport_id>shared_memory</transport_id>", "")
        assert _tags(plain) == _tags(_plain(control)) and "shared_memory" in _plain(images)


def _plain(file: str) -> str:
    return re.sub(r"<!--.*?-->", "", Path(file).read_text(), flags=re.DOTALL)


def _tags(text: str) -> list[str]:
    return text.split()


@pytest.mark.graph
def test_a_stranger_on_another_machine_hears_nothing_of_a_localhost_graph() -> None:
    possible = ["unshare", "-rnm", "ip", "link", "add", "here", "type", "veth", "peer", "name", "there"]
    allowed = subprocess.run(possible, capture_output=True)
    if allowed.returncode != 0:
        pytest.skip(f"no network namespaces here: {allowed.stderr.decode(errors='replace').strip()}")
    assert received_by_stranger("SUBNET", environment.OTHER_MACHINES[0], seconds=30) == "a message"
    assert received_by_stranger("SYSTEM_DEFAULT", environment.THIS_MACHINE[0], seconds=3) == "nothing"


def received_by_stranger(discovery: str, profile: str, seconds: float) -> str:
    """What a machine that has the station's address as its static peer receives within a time."""
    environ = os.environ | {"ROS_AUTOMATIC_DISCOVERY_RANGE": discovery, environment.PROFILE: profile}
    command = ["unshare", "-rnm", "--kill-child", "bash", str(NETWORK), sys.executable, TALK, LISTEN, str(seconds)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
