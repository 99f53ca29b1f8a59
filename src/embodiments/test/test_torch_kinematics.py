from __future__ import annotations

import numpy as np
import pytest

import embodiments

torch = pytest.importorskip("torch")

from embodiments.torch_kinematics import TorchKinematics  # noqa: E402

CASES = [(name, side) for name in embodiments.names() for side in embodiments.SIDES]


def sample(robot: embodiments.Embodiment, count: int) -> np.ndarray:
    return np.random.default_rng(6).uniform(robot.lower, robot.upper, (count, len(robot.joints)))


@pytest.mark.parametrize(("name", "side"), CASES)
def test_torch_and_numpy_agree_on_every_link(name, side):
    robot = embodiments.load(name, side)
    q, links = sample(robot, 64), robot.kinematics.links
    poses = TorchKinematics(robot).double()(torch.from_numpy(q), links)
    np.testing.assert_allclose(poses.numpy(), robot.kinematics.forward(q, links), atol=1e-7)


@pytest.mark.parametrize("name", embodiments.names("hand") + embodiments.names("gripper"))
def test_torch_and_numpy_agree_on_tips_in_single_precision(name):
    robot = embodiments.load(name)
    q = sample(robot, 64)
    tips = TorchKinematics(robot).tip_positions(torch.tensor(q, dtype=torch.float32))
    np.testing.assert_allclose(tips.numpy(), robot.kinematics.tip_positions(q), atol=1e-6)


@pytest.mark.parametrize("name", embodiments.names())
def test_gradients_agree_with_finite_differences(name):
    robot = embodiments.load(name)
    kinematics = TorchKinematics(robot).double()
    middle = robot.lower + (robot.upper - robot.lower) * np.random.default_rng(7).uniform(0.1, 0.9, len(robot.joints))
    q = torch.tensor(middle[None], requires_grad=True)
    links = tuple(robot.tips.values()) or (robot.flange,)
    assert torch.autograd.gradcheck(lambda x: kinematics(x, links), (q,), eps=1e-6, atol=1e-6)
    if robot.tips:
        assert torch.autograd.gradcheck(kinematics.tip_positions, (q,), eps=1e-6, atol=1e-6)


def test_a_clamped_mimic_joint_passes_no_gradient():
    hand = embodiments.load("inspire")
    q = torch.zeros(1, 6)
    q[0, 1] = 0.7
    q.requires_grad_()
    distal = hand.kinematics.links.index("thumb_distal") - 1
    TorchKinematics(hand).joint_positions(q)[0, distal].backward()
    assert q.grad.abs().max() == 0.0


def test_wrong_shapes_and_unknown_links_are_named():
    kinematics = TorchKinematics(embodiments.load("xarm7"))
    with pytest.raises(ValueError, match=r"expected \(B, 7\)"):
        kinematics(torch.zeros(7), ("link7",))
    with pytest.raises(KeyError, match="no link 'link9'"):
        kinematics(torch.zeros(1, 7), ("link9",))
