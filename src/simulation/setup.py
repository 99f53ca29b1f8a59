from setuptools import find_packages, setup

package_name = "simulation"

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
    description="The MuJoCo world of a station: tasks, demonstrators, simulated devices and cameras, evaluation.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "simulation_node = simulation.node:main",
            "evaluate = simulation.evaluate:main",
            "collect = simulation.collect:main",
            "grasp_search = simulation.grasp_search:main",
        ],
        "hand_drivers.devices": [
            "simulated = simulation.device:SimulatedDevice",
        ],
        "camera_node.sources": [
            "simulated = simulation.camera:SimulatedCamera",
        ],
    },
)
