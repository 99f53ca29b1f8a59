from glob import glob

from setuptools import find_packages, setup

package_name = "bringup"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(exclude=["test", "test.*"]),
    package_data={"": ["**/*.yaml", "**/*.json", "**/*.xml", "**/*.urdf"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        (f"share/{package_name}/launch", sorted(glob("launch/*.launch.py"))),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="Crosshand maintainers",
    maintainer_email="maintainers@crosshand.dev",
    description="The Crosshand graph: launch files, supervisor, lifecycle manager, demo, and pipelines over packages.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "demo = bringup.demo:main",
            "supervisor = bringup.run:main",
            "replay = bringup.replay:main",
            "release = bringup.release:main",
            "stop = bringup.stop:main",
            "zoo = bringup.zoo:main",
            "lifecycle_manager = bringup.lifecycle_manager:main",
            "robot_state_publisher = bringup.robot_state_publisher:main",
        ],
    },
)
