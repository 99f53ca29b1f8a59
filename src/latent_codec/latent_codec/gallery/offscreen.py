"""MuJoCo with offscreen rendering."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from contracts.rendering import no_rendering


def import_mujoco() -> ModuleType:
    """Import MuJoCo, which encoding and decoding do not need.

    Raises:
        RenderError: It is not installed.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return importlib.import_module("mujoco")
    except Exception as error:  # without libEGL its OpenGL binding raises whatever it stumbles over
        raise no_rendering(error, "mujoco") from None


def check_rendering() -> None:
    """Make an OpenGL context and release it.

    Raises:
        RenderError: There is no offscreen rendering.
    """
    mujoco = import_mujoco()
    try:
        context = mujoco.GLContext(16, 16)
        context.make_current()
        context.free()
    except Exception as error:
        raise no_rendering(error) from None
