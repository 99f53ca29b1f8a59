from setuptools import find_packages, setup

package_name = "device_emulators"

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
    description="Emulated arms, hands and grippers on their own wires, with faults; also moved by the simulated world.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "emulate_ability = device_emulators.command:emulate_ability",
            "emulate_controller = device_emulators.controller:emulate_controller",
            "emulate_g1 = device_emulators.g1:emulate_g1",
            "emulate_inspire = device_emulators.command:emulate_inspire",
            "emulate_robotiq = device_emulators.command:emulate_robotiq",
            "emulate_xarm = device_emulators.command:emulate_xarm",
            "emulators_node = device_emulators.world.emulators_node:main",
        ],
    },
)
