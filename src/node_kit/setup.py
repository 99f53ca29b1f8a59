from setuptools import find_packages, setup

package_name = "node_kit"

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
    description="The ROS layer that all nodes share: lifecycle, main function, parameters, messages, diagnostics, log.",
    license="Apache-2.0",
)
