"""All hands' fingertips at once equal those of the numpy kinematics, and so are their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import embodiments
from embodiments.schema import FINGERS
from embodiments.torch_tips import GroupedTips

HANDS = [embodiments.load(name) for name in embodiments.names() if embodiments.load(name).kind != "arm"]


def joints(group: GroupedTips, rows: int, seed: int = 0) -> torch.Tensor:
    """Uniform joints (H, rows, J); padding is filled with what must not matter."""
    rng, q = np.random.default_rng(seed), np.full((len(HANDS), rows, group.joint_mask.shape[1]), 7.0)
    for row, hand in enumerate(HANDS):
        q[row, :, : len(hand.joints)] = rng.uniform(hand.lower, hand.upper, (rows, len(hand.joints)))
    return torch.tensor(q)


def test_each_hand_has_the_fingertips_of_the_numpy_kinematics():
    group = GroupedTips(HANDS).double()
    q = joints(group, 50)
    found = group(q).numpy()
    for row, hand in enumerate(HANDS):
        to_grasp = np.linalg.inv(hand.grasp_frame)
        tips = hand.kinematics.tip_positions(q[row, :, : len(hand.joints)].numpy())
        wanted = dict(zip(hand.tips, np.moveaxis(tips @ to_grasp[:3, :3].T + to_grasp[:3, 3], -2, 0), strict=True))
        for column, finger in enumerate(FINGERS):
            expected = wanted.get(finger, np.zeros((50, 3)))
            np.testing.assert_allclose(found[row, :, column], expected, atol=1e-6, err_msg=f"{hand.name} {finger}")
            assert bool(group.finger_mask[row, column]) == (finger in hand.tips)


def test_the_gradient_is_that_of_the_function():
    group = GroupedTips(HANDS).double()
    q = joints(group, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(group, (q,), atol=1e-5)


def test_padding_moves_nothing_and_gets_no_gradient():
    group = GroupedTips(HANDS)
    q = joints(group, 3).float().requires_grad_()
    group(q).square().sum().backward()
    assert q.grad is not None and not q.grad[~group.joint_mask[:, None].expand_as(q)].any()
    moved = torch.where(group.joint_mask[:, None], q, -3.0)
    torch.testing.assert_close(group(moved), group(q))


def test_joints_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="joints of shape"):
        GroupedTips(HANDS)(torch.zeros(1, 2, 3))
