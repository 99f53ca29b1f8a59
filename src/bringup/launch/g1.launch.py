"""Brings a Unitree G1 with both its arms up with `ros2 launch`:

`ros2 launch bringup g1.launch.py left_hand:=dex3 right_hand:=dex3 backend:=emulated`
"""

from bringup.launching import launch_description


def generate_launch_description():
    return launch_description("g1")
