"""One hand in an empty MuJoCo world, drawn on white; every hand in the same axes, from the same side."""

from __future__ import annotations

from types import ModuleType, TracebackType

import cv2
import numpy as np

from embodiments.registry import Embodiment
from latent_codec.gallery import palette
from latent_codec.gallery.fingers import links_of_fingers
from latent_codec.gallery.offscreen import import_mujoco

# Grasp frame -> axes of the picture: fingers along +z, palm towards +y, index on the side of -x.
UPRIGHT = np.array([[0, 0, -1], [np.sqrt(0.5), np.sqrt(0.5), 0], [np.sqrt(0.5), -np.sqrt(0.5), 0]])
EYE = np.array([-0.70, 0.66, 0.24])  # direction from the hand to the camera: before the palm, on the thumb's side
DISTANCE_M = 3.0  # far away: parallel edges stay parallel
SUPERSAMPLING = 2
HIDDEN = 3  # geom group that is not drawn: the shapes for contacts
PREFIX = "hand/"


class HandScene:
    """Renders one hand; to be used from the thread that made it, and to be closed (a context manager)."""

    def __init__(self, hand: Embodiment) -> None:
        self.hand = hand
        self._mujoco = import_mujoco()
        self.model = _build(self._mujoco, hand)
        self._data = self._mujoco.MjData(self.model)
        self._option = self._mujoco.MjvOption()
        self._option.geomgroup[HIDDEN] = 0
        self._colours = _colours(self.model, hand)
        self._renderer = None

    def extent(self, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest (right, up) in m on the picture's plane, each (2,), over joints `poses` (M, n)."""
        corners = np.concatenate([self._corners(q) for q in poses]) @ view()[:, :2]
        return corners.min(axis=0), corners.max(axis=0)

    def render(
        self, q: np.ndarray, size: tuple[int, int], centre: np.ndarray, height_m: float, refused: bool = False
    ) -> np.ndarray:
        """(H, W, 4) float32 in 0..1, colours premultiplied by the coverage in the last channel.

        Args:
            q: joints (n,), rad.
            size: width, height in pixels.
            centre: (right, up) in m of the picture's centre.
            height_m: what the picture's height spans.
            refused: whether to draw in greys.
        """
        self._pose(q)
        self.model.geom_rgba[:] = palette.greyed(self._colours) if refused else self._colours
        width, height = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
        renderer = self._renderer_of(width, height)
        self.model.vis.global_.fovy = np.rad2deg(2 * np.arctan(height_m / 2 / DISTANCE_M))
        renderer.update_scene(self._data, self._camera(centre), self._option)
        return _averaged(renderer.render())

    def close(self) -> None:
        """Release the OpenGL context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def __enter__(self) -> HandScene:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _pose(self, q: np.ndarray) -> None:
        kinematics = self.hand.kinematics
        for link, position in zip(kinematics.links[1:], kinematics.joint_positions(q), strict=True):
            body = self.model.body(PREFIX + link)
            if body.jntnum[0]:
                self._data.qpos[self.model.jnt_qposadr[body.jntadr[0]]] = position
        self._mujoco.mj_kinematics(self.model, self._data)
        self._mujoco.mj_camlight(self.model, self._data)

    def _corners(self, q: np.ndarray) -> np.ndarray:
        """Corners (K, 3) of the boxes around the shapes that are seen."""
        self._pose(q)
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
        corners = []
        for geom in np.flatnonzero(self.model.geom_group != HIDDEN):
            box = self.model.geom_aabb[geom]
            rotation = self._data.geom_xmat[geom].reshape(3, 3)
            corners.append((box[:3] + signs * box[3:]) @ rotation.T + self._data.geom_xpos[geom])
        return np.concatenate(corners)

    def _camera(self, centre: np.ndarray):  # noqa: ANN202  mujoco is imported late
        camera = self._mujoco.MjvCamera()
        axes = view()
        camera.lookat = axes[:, :2] @ centre
        camera.distance = DISTANCE_M
        camera.azimuth = np.rad2deg(np.arctan2(-EYE[1], -EYE[0]))
        camera.elevation = -np.rad2deg(np.arcsin(EYE[2] / np.linalg.norm(EYE)))
        return camera

    def _renderer_of(self, width: int, height: int):  # noqa: ANN202
        if self._renderer is None or (self._renderer.width, self._renderer.height) != (width, height):
            self.close()
            self.model.vis.global_.offwidth, self.model.vis.global_.offheight = width, height
            self._renderer = self._mujoco.Renderer(self.model, height, width)
        return self._renderer


def view() -> np.ndarray:
    """Columns right, up, towards the camera (3, 3), in the axes of the picture."""
    back = EYE / np.linalg.norm(EYE)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back], axis=1)


def _build(mujoco: ModuleType, hand: Embodiment):  # noqa: ANN202
    spec = mujoco.MjSpec()
    _light(mujoco, spec)
    child = mujoco.MjSpec.from_string(hand.urdf)
    child.compiler.fusestatic = False
    seen = any(not geom.contype for geom in child.geoms)
    for geom in child.geoms:
        if seen and geom.contype:
            geom.group = HIDDEN
    rotation, position = _placed(hand)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(rotation).ravel())
    spec.attach(child, prefix=PREFIX, frame=spec.worldbody.add_frame(pos=position, quat=quat))
    return spec.compile()


def _placed(hand: Embodiment) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and position (3,) of the hand's root, its grasp frame at the origin and upright."""
    root = np.linalg.inv(hand.grasp_frame)
    return UPRIGHT @ root[:3, :3], UPRIGHT @ root[:3, 3]


def _light(mujoco: ModuleType, spec) -> None:  # noqa: ANN001
    """A key light from the upper left that casts soft shadows, and much light from everywhere."""
    quality, head = spec.visual.quality, spec.visual.headlight
    quality.offsamples, quality.shadowsize = 0, 1024
    quality.numslices, quality.numstacks = 24, 12
    head.ambient, head.diffuse, head.specular = [0.55] * 3, [0.28] * 3, [0.05] * 3
    spec.stat.extent, spec.stat.center = 0.25, [0, 0, 0]
    spec.visual.map.znear, spec.visual.map.zfar = 0.1, 40
    spec.worldbody.add_light(
        pos=[-0.2, 0.5, 0.8],
        dir=[0.15, -0.6, -0.75],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        castshadow=True,
        diffuse=[0.34] * 3,
        specular=[0.25] * 3,
    )


def _colours(model, hand: Embodiment) -> np.ndarray:  # noqa: ANN001
    """Colours (geoms, 4) by finger; of a hand's own colours only dark and light are kept."""
    owners = links_of_fingers(hand)
    model.geom_matid[:] = -1
    light = model.geom_rgba[:, :3].mean(axis=1)
    names = [model.body(body).name.removeprefix(PREFIX) for body in model.geom_bodyid]
    return np.array([palette.of(owners.get(n), shade) for n, shade in zip(names, light, strict=True)])


def _averaged(rgb: np.ndarray) -> np.ndarray:
    """Supersampled (H, W, 3) uint8 to (H, W, 4): the empty world is black, and no lit part of a hand is."""
    covered = np.where(rgb.any(axis=-1, keepdims=True), np.uint8(255), np.uint8(0))
    height, width = rgb.shape[0] // SUPERSAMPLING, rgb.shape[1] // SUPERSAMPLING
    layers = cv2.resize(np.concatenate([rgb, covered], axis=-1), (width, height), interpolation=cv2.INTER_AREA)
    return layers.astype(np.float32) / 255
