"""One thing wrong in a message that was real."""

from __future__ import annotations

from collections.abc import Callable

from trajectory_msgs.msg import JointTrajectory

from node_kit import messages


def with_number(joint: int, number: float) -> Callable[[JointTrajectory], None]:
    """One number of the third point replaced."""

    def change(message: JointTrajectory) -> None:
        message.points[min(2, len(message.points) - 1)].positions[joint] = number

    return change


def moved(axis: str, by: float) -> Callable[[JointTrajectory], None]:
    """All points moved along one axis."""

    def change(message: JointTrajectory) -> None:
        place = message.joint_names.index(axis)
        for point in message.points:
            point.positions[place] += by

    return change


def stamped(by_s: float) -> Callable[[JointTrajectory], None]:
    """The stamp so much later."""

    def change(message: JointTrajectory) -> None:
        stamp = messages.stamp_ns(message.header) + round(by_s * messages.SECOND)
        message.header.stamp = messages.to_stamp(stamp)

    return change


def other_space(message: JointTrajectory) -> None:
    """Another latent space."""
    message.header.frame_id = "other_space@000000000000"


def truncated_names(message: JointTrajectory) -> None:
    """One name too few."""
    message.joint_names = message.joint_names[:-1]


def truncated_points(message: JointTrajectory) -> None:
    """One number too few in each point."""
    for point in message.points:
        point.positions = point.positions[:-1]


def backwards(message: JointTrajectory) -> None:
    """Times that descend."""
    message.points = message.points[::-1]


def renamed(message: JointTrajectory) -> None:
    """The joints of some other robot."""
    message.joint_names = [f"other_{name}" for name in message.joint_names]


def wild(message: JointTrajectory) -> None:
    """Targets that jump from one end of the world to the other."""
    for index, point in enumerate(message.points):
        point.positions = [(-3.0 if index % 2 else 3.0) + 0.1 * value for value in point.positions]
