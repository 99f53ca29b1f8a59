"""Environment variables of every process of the workspace.

`./ws` runs this file by its path, before anything is built, so it imports the standard library alone.
"""

from __future__ import annotations

import os
from pathlib import Path

WANTED = {
    # Shared-memory segments that images fit into.
    "FASTRTPS_DEFAULT_PROFILES_FILE": str(Path(__file__).resolve().parent / "config" / "fastdds.xml"),
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
    return {name: value for name, value in WANTED.items() if not os.environ.get(name)}


if __name__ == "__main__":
    print("\n".join(f"{name}={value}" for name, value in environment().items()))
