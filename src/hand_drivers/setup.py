from setuptools import find_packages, setup

package_name = "hand_drivers"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    package_data={"": ["**/*.yaml", "**/*.json", "**/*.xml", "**/*.urdf"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="Crosshand maintainers",
    maintainer_email="maintainers@crosshand.dev",
    description="Device plug-ins for arms, hands and grippers, motion guard, servo loop and driver node.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "driver_node = hand_drivers.node:main",
        ],
        "hand_drivers.devices": [
            "ability = hand_drivers.devices.ability:make",
            "dex3 = hand_drivers.devices.dex3:make",
            "dexh13 = hand_drivers.devices.dexh13:make",
            "g1_arms = hand_drivers.devices.g1_arms:G1Arm",
            "inspire = hand_drivers.devices.inspire:make",
            "loopback = hand_drivers.devices.loopback:LoopbackDevice",
            "ros2_control = hand_drivers.devices.ros2_control:Ros2ControlDevice",
            "robotiq = hand_drivers.devices.robotiq:make",
            "xhand = hand_drivers.devices.xhand:make",
            "xarm_gripper = hand_drivers.devices.xarm_gripper:make",
            "xarm7 = hand_drivers.devices.xarm7:XArm7Device",
        ],
    },
)
