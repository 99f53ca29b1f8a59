"""Environment variables of every process of the workspace.

`./ws` runs this file by its path, before anything is built, so it imports the standard library alone.
"""

from __future__ import annotations

import os
from pathlib import Path

CONFIG = Path(__file__).resolve().parent / "config"
PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"
THIS_MACHINE, OTHER_MACHINES = (str(CONFIG / name) for name in ("fastdds.xml", "fastdds_subnet.xml"))
WANTED = {
    "MUJOCO_GL": "egl",
    # The cache's thread has the lowest priority; a killed camera process waits for it, for seconds under load.
    "MESA_SHADER_CACHE_DISABLE": "true",
    # Software rendering in the calling thread: for small images the hand-over takes longer than the rendering.
    "LP_NUM_THREADS": "0",
    "OMP_NUM_THREADS": "1",
    # A compressed image of some kilobytes may else take gigabytes.
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(1 << 26),
}


def environment() -> dict[str, str]:
    """The variables that are not set, with their values."""
    missing = {name: value for name, value in WANTED.items() if not os.environ.get(name)}
    # One of these two was chosen for another discovery range; any other file is the user's own.
    if os.environ.get(PROFILE, "") in ("", THIS_MACHINE, OTHER_MACHINES) and os.environ.get(PROFILE) != profile():
        missing[PROFILE] = profile()
    return missing


def profile() -> str:
    """The Fast DDS profile: its sockets are bound to this machine unless others are to be discovered."""
    local = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") == "LOCALHOST" and not os.environ.get("ROS_STATIC_PEERS")
    return THIS_MACHINE if local else OTHER_MACHINES


if __name__ == "__main__":
    print("\n".join(f"{name}={value}" for name, value in environment().items()))
