"""What the tests of all packages share: a ROS domain of their own, the robots of the workspace, helper modules."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

SOURCE = Path(__file__).parent
DOMAINS = range(1, 101)  # the ports of higher ones may be taken by other programs


def claim_domain() -> socket.socket:
    """Set ROS_DOMAIN_ID to one that no other test process of this machine has; kept until this process ends."""
    first = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0crosshand-tests-domain-{domain}")
        except OSError:
            claim.close()
            continue
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        return claim
    raise RuntimeError("ROS_DOMAIN_ID: all of 1 to 100 are taken by other test processes")


# Before anything imports ROS: several test processes run at the same time and must not receive each other's messages.
_CLAIM = claim_domain()
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "SYSTEM_DEFAULT")  # and what the profile says, as with ./ws
profile = SOURCE / "bringup" / "bringup" / "config" / "fastdds.xml"
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(profile))
os.environ.pop("CROSSHAND_EMBODIMENTS", None)  # not the robots that a user has added

# Helper modules of all packages' tests; their names are unique in the workspace.
sys.path[:0] = [str(folder) for folder in sorted(SOURCE.glob("*/test"))]

# The same examples in every run, so that a push is judged by its change; the nightly run searches for new ones.
# No deadline: how long an example takes depends on the machine.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("CROSSHAND_EXAMPLES", "same"))


@pytest.fixture(autouse=True)
def scheduled_as_before() -> Iterator[None]:
    """Real-time scheduling that a test leaves behind would be inherited by all later threads and processes."""
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before, "this thread is scheduled otherwise than before the test"
