"""A publisher of /estop that leaves at once, as that of `ros2 topic pub --once`, and that only some nodes discover.

`python -m system_tests.faults.short_lived COUNT` waits until COUNT subscribers have discovered it, and stops them at a
line on stdin. Its Fast DDS profile names those nodes, so that no other receives its announcements.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Bool

from node_kit import qos

DISCOVERY_S = 10.0
KEEP_ALIVE_S = 0.1  # as `ros2 topic pub`
OWN_PORT = 7399  # no port of any participant, where the others would find it
PROFILE = """<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <transport_descriptors><transport_descriptor><transport_id>udp</transport_id><type>UDPv4</type>
    <interfaceWhiteList><address>127.0.0.1</address></interfaceWhiteList>
  </transport_descriptor></transport_descriptors>
  <participant profile_name="some" is_default_profile="true"><rtps>
    <userTransports><transport_id>udp</transport_id></userTransports>
    <useBuiltinTransports>false</useBuiltinTransports>
    <builtin>
      <metatrafficUnicastLocatorList>{own}</metatrafficUnicastLocatorList>
      <initialPeersList>{peers}</initialPeersList>
    </builtin>
  </rtps></participant>
</profiles>
"""
LOCATOR = "<locator><udpv4><address>127.0.0.1</address><port>{}</port></udpv4></locator>"


class ShortLived:
    """The process, from before the stop to after it.

    Args:
        pids: Processes of the nodes that discover it; each has one node, with one volatile subscription of /estop.

    Raises:
        TimeoutError: If they do not.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        profile = Path(self._folder.name, "profile.xml")
        peers = "".join(LOCATOR.format(port) for pid in pids for port in discovery_ports(pid))
        profile.write_text(PROFILE.format(own=LOCATOR.format(OWN_PORT), peers=peers))
        env = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(profile), "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}
        argv = [sys.executable, "-m", "system_tests.faults.short_lived", str(len(pids))]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **env}, text=True
        )
        self._wait_for("discovered")

    def stop(self) -> None:
        """Publish a stop to the nodes that have discovered it."""
        assert self._process.stdin is not None
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        self._wait_for("published")

    def end(self) -> None:
        """Wait until it has left the graph."""
        self._process.communicate(timeout=DISCOVERY_S)
        self._folder.cleanup()

    def _wait_for(self, word: str) -> None:
        assert self._process.stdout is not None
        if (line := self._process.stdout.readline().strip()) != word:
            raise TimeoutError(f"/estop: found {line!r} of a short-lived publisher, expected {word!r}")


def discovery_ports(pid: int) -> list[int]:
    """The UDP ports at which the ROS contexts of a process receive announcements of others.

    RTPS 2.5, 9.6.2.3: of participant i in a domain, 7400 + 250 domain + 10 + 2 i.
    """
    first = 7410 + 250 * int(os.environ.get("ROS_DOMAIN_ID") or 0)
    inodes = {link.name for link in _links(Path(f"/proc/{pid}/fd"))}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]]
    ports = {int(row[1].rpartition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in inodes}
    return sorted(port for port in ports if port in range(first, first + 240, 2))


def _links(folder: Path) -> list[Path]:
    return [entry.readlink() for entry in folder.iterdir() if entry.is_symlink()]


def main() -> int:
    """Run the process; returns its exit status."""
    rclpy.init()
    node = Node("short_lived", start_parameter_services=False, enable_rosout=False)
    publisher = node.create_publisher(Bool, "/estop", qos.EVENT)
    if discovered := _discover(publisher, int(sys.argv[1])):
        print("discovered", flush=True)
        sys.stdin.readline()
        publisher.publish(Bool(data=True))
        print("published", flush=True)
        time.sleep(KEEP_ALIVE_S)
    node.destroy_node()
    rclpy.try_shutdown()
    return int(not discovered)


def _discover(publisher: Publisher, count: int) -> bool:
    """Wait until `count` subscribers have discovered this publisher: they acknowledge a release, which does nothing."""
    deadline = time.monotonic() + DISCOVERY_S
    while (found := publisher.get_subscription_count()) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    publisher.publish(Bool(data=False))
    if not publisher.wait_for_all_acked(Duration(seconds=DISCOVERY_S)) or found != count:
        print(f"{found} subscribers", flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
