"""Brings a two-armed station up with `ros2 launch`:

`ros2 launch bringup dual_arm.launch.py left_hand:=inspire right_hand:=xhand backend:=sim`
"""

from bringup.launching import launch_description


def generate_launch_description():
    return launch_description("dual_xarm7")
