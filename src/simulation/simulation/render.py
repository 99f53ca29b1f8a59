"""Camera images of the simulated world."""

from __future__ import annotations

import mujoco
import numpy as np


class RenderError(RuntimeError):
    """This machine cannot render; one line."""


class Renderer:
    """Renders one named camera of a model; to be used from the thread that created it (OpenGL contexts are).

    Raises RenderError where there is no OpenGL to render with.
    """

    def __init__(self, model: mujoco.MjModel, camera: str, width: int, height: int) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._camera = camera
        model.vis.global_.offwidth = max(width, model.vis.global_.offwidth)
        model.vis.global_.offheight = max(height, model.vis.global_.offheight)
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # each platform of OpenGL fails with an exception of its own
            reason = " ".join(str(error).split())
            raise RenderError(f"EGL: found no offscreen rendering ({reason}), expected it to work") from error
        self.render(self._data.qpos)  # the first frame can take a second: not later, when time counts

    @property
    def nq(self) -> int:
        """Number of generalised positions of the model."""
        return self._model.nq

    def render(self, qpos: np.ndarray) -> np.ndarray:
        """(height, width, 3) uint8 rgb of the world in generalised positions `qpos` (nq,)."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._renderer.update_scene(self._data, self._camera)
        return self._renderer.render()

    def close(self) -> None:
        """Release the OpenGL context."""
        self._renderer.close()
