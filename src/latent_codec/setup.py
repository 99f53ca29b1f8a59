from setuptools import find_packages, setup

package_name = "latent_codec"

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
    description="The shared latent action space of Crosshand: training, metrics, export, and the codec node.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "codec_node = latent_codec.node:main",
            "gallery = latent_codec.gallery.main:main",
        ],
        "latent_codec.recipes": [
            "crosshand = latent_codec.training.recipes.crosshand:Crosshand",
            "lad = latent_codec.training.recipes.lad:Lad",
            "xl_vla_code = latent_codec.training.recipes.xl_vla:XlVlaCode",
            "xl_vla_paper = latent_codec.training.recipes.xl_vla:XlVlaPaper",
        ],
    },
)
