"""Inverse kinematics of one arm with one hand mounted: damped least squares on Pinocchio.

Each step solves for the pose error plus a weak pull towards the home posture in the null space, is clamped in size, and
keeps joints that sit at a limit fixed while they would leave it. Nothing is random and nothing restarts elsewhere, so
the solution moves continuously with target and seed.

Arrays of six or seven numbers cost more to hand to numpy than to compute with: comparisons are made on Python's floats.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import pinocchio as pin

from contracts.transforms import inverse
from embodiments.errors import EmbodimentError
from embodiments.registry import Embodiment
from embodiments.urdf import without_geometry

POSITION_TOLERANCE = 1e-4  # m
ROTATION_TOLERANCE = 1e-3  # rad
DAMPING = 1e-3  # least damping; it grows with the error: smooth far from the target, exact near it
PULL = 0.02  # share of the way to the home posture that the null space moves in each step
MAX_STEP = 0.3  # largest change of any joint in a step, rad

_DIAGONAL = slice(None, None, 7)  # of a flattened (6, 6)


class IKStatus(str, Enum):
    """How a solve ended. Whatever the status, the joints returned are finite and within limits."""

    OK = "ok"
    NOT_CONVERGED = "not_converged"
    AT_LIMIT = "at_limit"
    NOT_FINITE = "not_finite"


class ArmIK:
    """Solves for the pose of a hand's grasp frame, given in the station frame.

    Args:
        arm: The arm.
        hand: The hand on the same side.
        base: (4, 4) station frame -> arm root.
    """

    def __init__(self, arm: Embodiment, hand: Embodiment, base: np.ndarray) -> None:
        self._model = pin.buildModelFromXML(without_geometry(arm.urdf))
        _check_order(self._model, arm)
        offset = pin.SE3(hand.mount @ hand.grasp_frame)
        parent = self._model.frames[self._model.getFrameId(arm.flange)]
        frame = pin.Frame("grasp", parent.parentJoint, parent.placement * offset, pin.FrameType.OP_FRAME)
        self._frame = self._model.addFrame(frame)
        self._data = self._model.createData()
        self._base, self._from_station = np.array(base, dtype=float), inverse(np.array(base, dtype=float))
        self._lower, self._upper, self._home = arm.lower, arm.upper, arm.postures["home"]
        self._limits = list(zip(arm.lower.tolist(), arm.upper.tolist(), strict=True))

    def forward(self, q: np.ndarray) -> np.ndarray:
        """Return the (4, 4) pose of the grasp frame in the station frame for arm joints (n,) in rad."""
        pin.framesForwardKinematics(self._model, self._data, np.asarray(q, dtype=float))
        return self._base @ self._data.oMf[self._frame].homogeneous

    def solve(self, target: np.ndarray, seed: np.ndarray, *, iterations: int = 30) -> tuple[np.ndarray, IKStatus]:
        """Find joints that bring the grasp frame to a pose.

        Args:
            target: (4, 4) pose of the grasp frame in the station frame.
            seed: (n,) joints to start from, rad.
            iterations: Most steps.

        Returns:
            Joints (n,) in rad, finite and within limits, and the status. If target or seed is not finite: the seed (or
            home) and NOT_FINITE.
        """
        q = np.asarray(seed, dtype=float)
        if not np.isfinite(q).all():
            return self._home.copy(), IKStatus.NOT_FINITE
        q = np.clip(q, self._lower, self._upper)
        if not np.isfinite(target).all():
            return q, IKStatus.NOT_FINITE
        goal, limited = self._from_station @ target, False
        position, rotation = goal[:3, 3], goal[:3, :3]
        for _ in range(iterations):
            error = self._error(q, position, rotation)
            if _converged(error):
                return q, IKStatus.OK
            q, limited = self._advance(q, error)
        if _converged(self._error(q, position, rotation)):
            return q, IKStatus.OK
        return q, IKStatus.AT_LIMIT if limited else IKStatus.NOT_CONVERGED

    def _error(self, q: np.ndarray, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """The pose error (6,) to position (3,) and rotation (3, 3), in the arm's root axes.

        Pinocchio's data then holds what the Jacobian is computed from.
        """
        pin.computeJointJacobians(self._model, self._data, q)
        pose = pin.updateFramePlacement(self._model, self._data, self._frame)
        return np.concatenate((position - pose.translation, pin.log3(rotation @ pose.rotation.T)))

    def _advance(self, q: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, bool]:
        """One step from `q`; also whether a joint limit shaped it."""
        jacobian = pin.getFrameJacobian(self._model, self._data, self._frame, pin.LOCAL_WORLD_ALIGNED)
        change = self._change(q, jacobian, error)
        moved = q + change
        if all(low <= joint <= high for joint, (low, high) in zip(moved.tolist(), self._limits, strict=True)):
            return moved, False
        outside = (moved < self._lower) | (moved > self._upper)
        held = outside & ((q <= self._lower) | (q >= self._upper))
        moved = q + self._change(q, np.where(held, 0.0, jacobian), error) * ~held
        return np.clip(moved, self._lower, self._upper), True

    def _change(self, q: np.ndarray, jacobian: np.ndarray, error: np.ndarray) -> np.ndarray:
        rest = PULL * (self._home - q)
        gram = jacobian @ jacobian.T
        gram.ravel()[_DIAGONAL] += DAMPING**2 + 0.1 * float(error @ error)
        change = rest + jacobian.T @ np.linalg.solve(gram, error - jacobian @ rest)
        largest = max(map(abs, change.tolist()))
        return change if largest <= MAX_STEP else change * (MAX_STEP / largest)


def _converged(error: np.ndarray) -> bool:
    x, y, z, roll, pitch, yaw = error.tolist()
    position, rotation = x * x + y * y + z * z, roll * roll + pitch * pitch + yaw * yaw
    return position < POSITION_TOLERANCE**2 and rotation < ROTATION_TOLERANCE**2


def _check_order(model: pin.Model, arm: Embodiment) -> None:
    """The arm must be one chain whose canonical joint order is Pinocchio's."""
    found = tuple(model.names)[1:]
    if found != arm.joints:
        raise EmbodimentError(arm.name, "joints", found, f"the order {', '.join(arm.joints)}")
