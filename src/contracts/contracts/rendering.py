"""Offscreen rendering: the libraries of the system that it needs, and the error of a machine without them.

`python -m contracts.rendering` names the Debian packages that are missing; `./ws` runs it before what renders.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

PLATFORMS = ("egl", "osmesa", "glfw")  # of MUJOCO_GL
LIBRARIES = {"libegl1": ("libEGL.so.1",), "libgl1": ("libOpenGL.so.0", "libGL.so.1")}  # by Debian package
DRIVERS = ("libgl1-mesa-dri", "libegl-mesa0")
DRIVER_FOLDERS = tuple(Path(place, "glvnd/egl_vendor.d") for place in ("/usr/share", "/etc", "/usr/local/share"))


class RenderError(RuntimeError):
    """This machine cannot render; the text is one line."""


def no_rendering(error: Exception | str, where: str = "EGL") -> RenderError:
    """The error of a machine that cannot render.

    Args:
        error: What OpenGL, MuJoCo or a process that tried them reported; its last line is quoted.
        where: What was tried.
    """
    reason = (str(error).strip().splitlines() or [type(error).__name__ if error else "it crashed"])[-1]
    packages = " ".join((*LIBRARIES, *DRIVERS))
    return RenderError(
        f"{where}: found no offscreen rendering ({reason}), expected it to work; apt-get install {packages}"
    )


def missing_packages(driver_folders: Iterable[Path] = DRIVER_FOLDERS) -> list[str]:
    """The Debian packages without which EGL cannot render here.

    Args:
        driver_folders: Where drivers are registered, one JSON file each.
    """
    missing = [package for package, names in LIBRARIES.items() if not any(map(_loads, names))]
    if not any(path for folder in driver_folders for path in folder.glob("*.json")):
        missing += DRIVERS
    return missing


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def main() -> int:
    """Check the platform of MUJOCO_GL; exit status 1, after an error of one line, if it cannot render."""
    platform = os.environ.get("MUJOCO_GL") or PLATFORMS[0]
    if platform not in PLATFORMS:
        print(f"error: MUJOCO_GL: found '{platform}', expected one of {', '.join(PLATFORMS)}", file=sys.stderr)
        return 1
    missing = missing_packages() if platform == "egl" else []
    if missing:
        packages = " ".join(missing)
        print(f"error: rendering needs system libraries that are missing: sudo apt install {packages}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
