"""One side of the robot, arm and hand, in latent axes: what the codec node and the offline evaluation both run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from contracts.axes import WRIST_SIZE, pose_to_wrist, wrist_to_pose
from embodiments import Embodiment
from embodiments.inverse_kinematics import ArmIK, IKStatus
from latent_codec.codec import Codec, DecodeStatus

# A wrist target that the arm misses by more than this is refused; less is the rounding of a policy near the border
# of the workspace, where the closest reachable pose is what was meant.
REACH_POSITION = 0.02  # m
REACH_ROTATION = 0.15  # rad


class ChunkCode(str, Enum):
    """Why a chunk was decoded or not."""

    OK = "ok"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    OUTSIDE = "latent_outside"
    NO_ROTATION = "wrist_without_rotation"
    UNREACHABLE = "wrist_unreachable"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ChunkStatus:
    """Outcome of a chunk; `detail` names point and figures for people."""

    code: ChunkCode
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is something to execute."""
        return self.code is ChunkCode.OK

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)


class SideCodec:
    """Arm and hand joints of one side to its latent vector and back. `base` (4, 4): station frame -> arm root."""

    def __init__(self, codec: Codec, arm: Embodiment, hand: Embodiment, base: np.ndarray) -> None:
        self._member = codec.member(hand)  # a hand that is not loaded is an error now, not at the first message
        self.codec, self.arm, self.hand = codec, arm, hand
        base = np.asarray(base, dtype=float)
        # Pinocchio's buffers are for one thread: states are computed in one, chunks in another.
        self.ik, self._forward = ArmIK(arm, hand, base), ArmIK(arm, hand, base).forward
        self.axes = codec.axes

    def latent_state(self, arm_q: np.ndarray, hand_q: np.ndarray) -> np.ndarray:
        """Arm joints (7,) and hand joints (n,) in rad to the latent vector (9 + N,), wrist in the station frame."""
        wrist = pose_to_wrist(self._forward(np.asarray(arm_q, dtype=float)))
        latent = self.codec.encode(self._member, np.asarray(hand_q, dtype=float)[None])[0]
        return np.concatenate([wrist, latent])

    def latent_states(self, arm_q: np.ndarray, hand_q: np.ndarray) -> np.ndarray:
        """The same for whole recordings: (T, 7) and (T, n) to (T, 9 + N)."""
        wrists = np.array([pose_to_wrist(self._forward(q)) for q in np.asarray(arm_q, dtype=float)])
        latents = self.codec.encode(self._member, hand_q)
        return np.concatenate([wrists.reshape(-1, WRIST_SIZE), latents], axis=1)

    def decode_chunk(self, chunk: np.ndarray, arm_seed: np.ndarray) -> tuple[np.ndarray, np.ndarray, ChunkStatus]:
        """A chunk (H, 9 + N) to arm joints (H, 7) and hand joints (H, n).

        Inverse kinematics starts at `arm_seed` (7,) and goes from point to point. When the status is not ok, both
        arrays are NaN: nothing of a refused chunk can be executed.
        """
        chunk = np.asarray(chunk, dtype=float)
        if chunk.ndim != 2 or len(chunk) == 0 or chunk.shape[1] != len(self.axes):
            found = f"found shape {chunk.shape}, expected (H, {len(self.axes)})"
            return self._refused(0, ChunkCode.WRONG_SHAPE, found)
        if not np.isfinite(chunk).all():
            point, axis = np.argwhere(~np.isfinite(chunk))[0]
            return self._refused(len(chunk), ChunkCode.NOT_FINITE, f"point {point}, {self.axes[axis]}")
        latents = chunk[:, WRIST_SIZE:]
        hand_q, decoded = self.codec.decode(self._member, latents)
        if decoded is not DecodeStatus.OK:
            code = ChunkCode.OUTSIDE if decoded is DecodeStatus.OUTSIDE else ChunkCode.NOT_FINITE
            return self._refused(len(chunk), code, str(self.codec.verdict(self._member, latents)))
        arm_q, status = self._solve(wrist_to_pose(chunk[:, :WRIST_SIZE]), arm_seed)
        return (arm_q, hand_q, status) if status.ok else self._refused(len(chunk), status.code, status.detail)

    def _solve(self, targets: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, ChunkStatus]:
        """Joints (H, 7) of targets (H, 4, 4), each solved from its predecessor's; ends at the first that is refused."""
        path = np.full((len(targets), len(self.arm.joints)), np.nan)
        for index, target in enumerate(targets):
            if not np.isfinite(target).all():
                return path, ChunkStatus(ChunkCode.NO_ROTATION, f"point {index}")
            seed, status = self.ik.solve(target, seed)
            if status is not IKStatus.OK:
                missed = self._missed(target, seed)
                if missed or status is IKStatus.NOT_FINITE:
                    return path, ChunkStatus(ChunkCode.UNREACHABLE, f"point {index}, {status.value}, {missed}")
            path[index] = seed
        return path, ChunkStatus(ChunkCode.OK)

    def _missed(self, target: np.ndarray, joints: np.ndarray) -> str:
        """What is left between `target` (4, 4) and the pose at `joints` (7,), as text; empty within tolerance."""
        found = self.ik.forward(joints)
        distance = float(np.linalg.norm(found[:3, 3] - target[:3, 3]))
        cosine = (np.trace(found[:3, :3].T @ target[:3, :3]) - 1) / 2
        angle = float(np.arccos(np.clip(cosine, -1, 1)))
        missed = distance > REACH_POSITION or angle > REACH_ROTATION
        return f"{1e3 * distance:.0f} mm and {angle:.2f} rad off" if missed else ""

    def _refused(self, points: int, code: ChunkCode, detail: str) -> tuple[np.ndarray, np.ndarray, ChunkStatus]:
        arm, hand = (np.full((points, len(robot.joints)), np.nan) for robot in (self.arm, self.hand))
        return arm, hand, ChunkStatus(code, detail)
