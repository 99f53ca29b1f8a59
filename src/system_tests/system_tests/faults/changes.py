"""Changes that make a real message invalid in one respect."""

from __future__ import annotations

from collections.abc import Callable

from trajectory_msgs.msg import JointTrajectory

from node_kit import messages


def with_number(joint: int, number: float) -> Callable[[JointTrajectory], None]:
    """Replace one number of the third point."""

    def change(message: JointTrajectory) -> None:
        message.points[min(2, len(message.points) - 1)].positions[joint] = number

    return change


def moved(axis: str, by: float) -> Callable[[JointTrajectory], None]:
    """Move all points along one axis."""

    def change(message: JointTrajectory) -> None:
        place = message.joint_names.index(axis)
        for point in message.points:
            point.positions[place] += by

    return change


def stamped(by_s: float) -> Callable[[JointTrajectory], None]:
    """Shift the stamp."""

    def change(message: JointTrajectory) -> None:
        stamp = messages.stamp_ns(message.header) + round(by_s * messages.SECOND)
        message.header.stamp = messages.to_stamp(stamp)

    return change


def other_space(message: JointTrajectory) -> None:
    """Set another latent space."""
    message.header.frame_id = "other_space@000000000000"


def truncated_names(message: JointTrajectory) -> None:
    """Remove the last name."""
    message.joint_names = message.joint_names[:-1]


def truncated_points(message: JointTrajectory) -> None:
    """Remove the last number of each point."""
    for point in message.points:
        point.positions = point.positions[:-1]


def padded(message: JointTrajectory) -> None:
    """Set all but the first point to zeros, as a short chunk is padded."""
    for point in message.points[1:]:
        point.positions = [0.0] * len(point.positions)


def backwards(message: JointTrajectory) -> None:
    """Reverse the points, so that the times descend."""
    message.points = message.points[::-1]


def renamed(message: JointTrajectory) -> None:
    """Set the names of another robot."""
    message.joint_names = [f"other_{name}" for name in message.joint_names]


def wild(message: JointTrajectory) -> None:
    """Make the targets jump by 6 rad between points, in every other message to the other side first.

    Always to the same side, the arms would travel there and press against the table.
    """
    first = 3.0 if message.header.stamp.nanosec // 100_000_000 % 2 else -3.0
    for index, point in enumerate(message.points):
        point.positions = [(-first if index % 2 else first) + value for value in point.positions]
