"""MuJoCo with offscreen rendering."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

HINT = "apt-get install libegl1 libgl1-mesa-dri"


class GalleryError(RuntimeError):
    """No picture can be made; one line: where, found, expected."""


def import_mujoco() -> ModuleType:
    """Import MuJoCo, which encoding and decoding do not need.

    Raises:
        GalleryError: It is not installed.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return importlib.import_module("mujoco")
    except Exception as error:  # without libEGL its OpenGL binding raises whatever it stumbles over
        raise _refusal("mujoco", error) from None


def check_rendering() -> None:
    """Make an OpenGL context and release it.

    Raises:
        GalleryError: There is no offscreen rendering.
    """
    mujoco = import_mujoco()
    try:
        context = mujoco.GLContext(16, 16)
        context.make_current()
        context.free()
    except Exception as error:
        raise _refusal("EGL", error) from None


def _refusal(where: str, error: Exception) -> GalleryError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return GalleryError(f"{where}: found no offscreen rendering ({reason}), expected it to work; {HINT}")
