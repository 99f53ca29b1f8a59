from setuptools import find_packages, setup

package_name = "camera_node"

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
    description="Camera sources (RealSense, V4L2, replay of bags and video files) and the node that publishes them.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "camera_node = camera_node.node:main",
        ],
        "camera_node.sources": [
            "realsense = camera_node.realsense:RealSenseSource",
            "replay = camera_node.replay:ReplaySource",
            "v4l2 = camera_node.v4l2:V4L2Source",
        ],
    },
)
