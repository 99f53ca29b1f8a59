"""Every package declares what it needs (so that rosdep brings it) and offers only what exists."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/package.xml"))

# import name -> rosdep key, where the two differ (a ROS package is imported by its own name)
KEYS = {
    "backports": "python3-rosbags-pip",  # the zstd that rosbags brings along; `compression` is its name in Python 3.14
    "compression": "python3-rosbags-pip",
    "defusedxml": "python3-defusedxml",
    "cv2": "python3-opencv",
    "mujoco": "python3-mujoco-pip",
    "numpy": "python3-numpy",
    "onnxruntime": "python3-onnxruntime-pip",
    "pinocchio": "pinocchio",
    "psutil": "python3-psutil",
    "pydantic": "python3-pydantic",
    "rich": "python3-rich",
    "rosbags": "python3-rosbags-pip",
    "serial": "python3-serial",
    "typer": "python3-typer",
    "yaml": "python3-yaml",
}
TRAINING_ONLY = {"torch", "onnx", "onnxscript", "lightning_fabric", "safetensors", "sklearn", "scipy"}
# From the top down: a package may use those below it, and none above it, nor its tests.
LAYERS = (
    "system_tests",
    "bringup",
    "device_emulators",
    "simulation",
    "latent_policy_node",
    "hand_drivers",
    "camera_node",
    "latent_codec",
    "episodes",
    "node_kit",
    "embodiments",
    "contracts",
)
# Libraries of devices, imported when one connects; only pip or the maker has them.
VENDORS = {
    "cyclonedds",
    "pxdex",
    "pymodbus",
    "pyrealsense2",
    "rh56_sdk",
    "unitree_sdk2py",
    "xarm",
    "xhand_controller",
}


def manifest(package: str) -> ElementTree.Element:
    return ElementTree.parse(SOURCE / package / "package.xml").getroot()


def is_training(path: Path) -> bool:
    return bool({"training", "evaluation"} & set(path.parts)) or path.name.startswith(("torch_", "onnx_"))


def imports(path: Path) -> set[str]:
    """Top-level names that one file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def files(package: str) -> list[Path]:
    return [path for folder in (package, "launch") for path in sorted((SOURCE / package / folder).rglob("*.py"))]


def needed(package: str) -> set[str]:
    names = set().union(*map(imports, files(package))) - sys.stdlib_module_names - TRAINING_ONLY - VENDORS - {package}
    return {KEYS.get(name, name) for name in names}


@pytest.mark.parametrize("package", PACKAGES)
def test_package_declares_what_it_imports(package):
    declared = {element.text for element in manifest(package).iter("exec_depend")}
    assert needed(package) - declared == set()


def reaches(path: Path) -> set[str]:
    """Packages of the workspace that one file names: in an import, or in a string as a module to run or import."""
    strings = {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {text.split(".")[0] for text in strings if re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", text)}
    imported = {name for text in strings for name in re.findall(r"^\s*(?:from|import) ([a-z_]+)", text, re.MULTILINE)}
    return (imports(path) | named | imported) & set(LAYERS)


def test_every_package_has_its_layer():
    assert sorted(LAYERS) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_reaches_up(package):
    above = set(LAYERS[: LAYERS.index(package)])
    paths = [
        path for folder in (package, "launch", "test") for path in sorted((SOURCE / package / folder).rglob("*.py"))
    ]
    offenders = {str(path.relative_to(SOURCE)): found for path in paths if (found := reaches(path) & above)}
    assert offenders == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_only_training_imports_torch(package):
    offenders = [str(path) for path in files(package) if not is_training(path) and imports(path) & TRAINING_ONLY]
    assert offenders == []


@pytest.mark.parametrize("package", PACKAGES)
def test_package_xml_names_licence_maintainer_and_build_type(package):
    root = manifest(package)
    assert root.get("format") == "3"
    assert root.findtext("license") == "Apache-2.0"
    assert "@" in root.find("maintainer").get("email")
    assert root.findtext("export/build_type") == "ament_python"
    assert "python3-pytest" in {element.text for element in root.iter("test_depend")}


def entry_points(package: str, scratch: Path) -> dict[str, str]:
    """name -> module:attribute of every entry point that the package's setup.py declares."""
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(scratch)]
    subprocess.run(command, cwd=SOURCE / package, check=True, capture_output=True, timeout=60)
    declared = configparser.ConfigParser(delimiters=("=",))
    declared.optionxform = str
    declared.read(scratch / f"{package}.egg-info" / "entry_points.txt")
    return {f"{group}/{name}": target for group in declared.sections() for name, target in declared[group].items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_entry_point_exists(package, tmp_path):
    missing = []
    for name, target in entry_points(package, tmp_path).items():
        module, _, attribute = target.partition(":")
        try:
            getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            missing.append(f"{name} = {target}: {error}")
    assert missing == []
