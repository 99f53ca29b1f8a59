"""Camera images of the simulated world."""

from __future__ import annotations

import mujoco
import numpy as np

from contracts.rendering import no_rendering


class Renderer:
    """Renders one camera of a model; to be used in the thread that created it, as OpenGL requires.

    Args:
        model: The model.
        camera: Name of the camera in it.
        width: Pixels.
        height: Pixels.

    Attributes:
        size: (height, width).
        fovy_deg: Vertical field of view of the camera, degrees.

    Raises:
        RenderError: Without offscreen OpenGL.
    """

    def __init__(self, model: mujoco.MjModel, camera: str, width: int, height: int) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._camera = camera
        self.size, self.fovy_deg = (height, width), float(model.camera(camera).fovy[0])
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height  # a larger buffer takes longer to clear
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # the type depends on the OpenGL platform
            raise no_rendering(error) from error
        self.render(self._data.qpos)  # the first frame can take a second

    @property
    def nq(self) -> int:
        """Number of generalised positions of the model."""
        return self._model.nq

    def render(self, qpos: np.ndarray) -> np.ndarray:
        """Render the world with generalised positions `qpos` (nq,); returns (height, width, 3) uint8 RGB."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._renderer.update_scene(self._data, self._camera)
        return self._renderer.render()

    def close(self) -> None:
        """Release the OpenGL context."""
        self._renderer.close()
