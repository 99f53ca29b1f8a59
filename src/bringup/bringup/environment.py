"""Environment variables of every process of the workspace: set, replaced with a word, or refused.

`./ws` runs this file by its path, before anything is built, so it imports the standard library alone.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

CONFIG = Path(__file__).resolve().parent / "config"
PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"
DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"
_KINDS = ("", "_images")
THIS_MACHINE, OTHER_MACHINES = (
    [str(CONFIG / f"fastdds{kind}{reach}.xml") for kind in _KINDS] for reach in ("", "_subnet")
)
WANTED = {
    "MUJOCO_GL": "egl",
    # The cache's thread has the lowest priority; a killed camera process waits for it, for seconds under load.
    "MESA_SHADER_CACHE_DISABLE": "true",
    # Software rendering in the calling thread: for small images the hand-over takes longer than the rendering.
    "LP_NUM_THREADS": "0",
    "OMP_NUM_THREADS": "1",
    # A compressed image of some kilobytes may else take gigabytes.
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(1 << 26),
    # Texts are UTF-8, whatever the locale.
    "PYTHONUTF8": "1",
}
# with another one nothing works
REQUIRED = {"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp", "RCL_ASSERT_RMW_ID_MATCHES": "rmw_fastrtps_cpp"}
# what is allowed, and what is expected of anything else
SWITCH = ("", "0", "1"), "0 or 1"
RESTRICTED = {
    "ROS_DISCOVERY_SERVER": (("",), "nothing: nodes find each other by multicast, or by ROS_STATIC_PEERS"),
    "ROS_SECURITY_ENABLE": (("", "false"), "false: no node here has an enclave"),
    "RCUTILS_COLORIZED_OUTPUT": SWITCH,
    "RCUTILS_LOGGING_USE_STDOUT": SWITCH,
    "RCUTILS_LOGGING_BUFFERED_STREAM": SWITCH,
}
RANGES = ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT")
MOST_DOMAIN = 232
SHARED_MEMORY, LEAST_SHARED_BYTES = "/dev/shm", 30 << 20  # a demo takes 23


def environment(images: bool = False) -> dict[str, str]:
    """The variables that have to change, with their values.

    Args:
        images: Whether they are for a process that sends or receives images, which takes shared memory.
    """
    changed = {name: value for name, value in WANTED.items() if not os.environ.get(name)}
    changed |= {name: value for name, value in REQUIRED.items() if os.environ.get(name) != value}
    if _own_profile() is None:
        if os.environ.get(PROFILE) != profile(images):
            changed[PROFILE] = profile(images)
        if _local() and os.environ.get(DISCOVERY) != "SYSTEM_DEFAULT":
            changed[DISCOVERY] = "SYSTEM_DEFAULT"  # the profile restricts it; with LOCALHOST ROS adds shared memory
    if not _writable(os.environ.get("HOME", "")):
        changed["HOME"] = _home()
    return changed


def profile(images: bool = False) -> str:
    """The Fast DDS profile: its sockets are bound to this machine unless others are to be discovered."""
    return (THIS_MACHINE if _local() else OTHER_MACHINES)[images]


def _local() -> bool:
    """Whether this machine alone is to be discovered; `environment` has replaced LOCALHOST, perhaps."""
    reach = os.environ.get(DISCOVERY)
    replaced = reach == "SYSTEM_DEFAULT" and os.environ.get(PROFILE) in THIS_MACHINE
    return (reach == "LOCALHOST" or replaced) and not os.environ.get("ROS_STATIC_PEERS")


def _own_profile() -> str | None:
    """The user's own profile, if there is one: any file but ours, of which another was chosen perhaps."""
    found = os.environ.get(PROFILE, "")
    return None if found in ("", *THIS_MACHINE, *OTHER_MACHINES) else found


def notes() -> list[str]:
    """A line for each value that was inherited and is replaced, or replaces what others rely on."""
    changed = environment()
    replaced = [name for name in REQUIRED if name in changed and os.environ.get(name)]
    lines = [f"{name}={os.environ[name]} is not used, but {changed[name]}" for name in replaced]
    if "HOME" in changed:
        lines.append(f"HOME={os.environ.get('HOME', '')} cannot be written: using {changed['HOME']}")
    if _local() and (own := _own_profile()):
        lines.append(f"{PROFILE}={own} is used: sockets are bound to this machine only if it says so")
    return lines


def refusal(graph: bool = True) -> str:
    """The line with which the environment is refused; empty if it is not.

    Args:
        graph: Whether a whole graph is to run, which needs shared memory.
    """
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    if domain and not (domain.isascii() and domain.isdigit() and int(domain[:9]) <= MOST_DOMAIN):
        return f"ROS_DOMAIN_ID: found {domain[:40]!r}, expected a whole number from 0 to {MOST_DOMAIN}"
    reach = os.environ.get(DISCOVERY, "")
    if reach and reach not in RANGES:
        return f"{DISCOVERY}: found {reach[:40]!r}, expected one of {', '.join(RANGES)}"
    for name, (allowed, expected) in RESTRICTED.items():
        if (found := os.environ.get(name, "")) not in allowed:
            return f"{name}: found {found[:40]!r}, expected {expected}"
    home = environment().get("HOME")
    if home and not _writable(home):
        return f"HOME: found no folder that can be written, nor {home}; expected one"
    return _peers(os.environ.get("ROS_STATIC_PEERS", "")) or _logs() or (_shared_memory(SHARED_MEMORY) if graph else "")


def _peers(listed: str) -> str:
    """The refusal of a static peer without an address: no node can be created then."""
    for peer in filter(None, listed.split(";")):
        try:
            socket.getaddrinfo(peer, None)
        except (OSError, UnicodeError):
            return f"ROS_STATIC_PEERS: found {peer[:40]!r}, expected addresses, or names that resolve, separated by ;"
    return ""


def _logs() -> str:
    """The refusal of a folder of ROS's logs that cannot be written: no node starts then. It is created."""
    home = (os.environ | environment()).get("HOME", "")
    of_ros = os.environ.get("ROS_HOME") or os.path.join(home, ".ros")
    folder = os.path.expanduser(os.environ.get("ROS_LOG_DIR") or os.path.join(of_ros, "log"))
    with suppress(OSError, ValueError):
        os.makedirs(folder, exist_ok=True)
    if _writable(folder):
        return ""
    return f"ROS_LOG_DIR: found {folder[:200]!r}, expected a folder for logs that can be written"


def _shared_memory(folder: str) -> str:
    """The refusal of too little shared memory: a process that writes beyond its end is killed by SIGBUS."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder}: found {(error.strerror or 'an error').lower()}, expected shared memory"
    if free >= LEAST_SHARED_BYTES:
        return ""
    advice = f"docker run --shm-size=1g; sudo mount -o remount,size=1g {folder}"
    return f"{folder}: found {free >> 20} MB free, expected at least {LEAST_SHARED_BYTES >> 20} MB ({advice})"


def _writable(folder: str) -> bool:
    return bool(folder) and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _home() -> str:
    """A folder for what libraries write into the home directory: logs and caches; it is created."""
    folder = os.path.join(tempfile.gettempdir(), f"crosshand-home-{os.getuid()}")
    with suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def main(arguments: Sequence[str]) -> int:
    """Print the variables that change; returns 1 after a refusal. The argument `graph`: a whole graph is to run."""
    if line := refusal("graph" in arguments):
        print(f"error: {line}", file=sys.stderr)
        return 1
    for note in notes():
        print(f"ws: {note}", file=sys.stderr)
    print("\n".join(f"{name}={value}" for name, value in environment().items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
