"""The documentation as a whole: it builds, its links resolve, and what it names exists."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bringup import paths
from contracts.station import Station
from system_tests.reference import schemas
from system_tests.reference.workspace import GROUPS

pytestmark = pytest.mark.graph

ROOT = paths.workspace()
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
IDS = [str(page.relative_to(ROOT)) for page in [*FRONT, *PAGES]]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
# `package.module:object` or `package.module:Class.method`, in backticks or tables
OBJECT = re.compile(r"`([a-z_]+(?:\.[a-z_0-9]+)+):([A-Za-z_][A-Za-z_0-9.]*)`")
MODULE = re.compile(r"`([a-z_]+)\.([a-z_0-9.]+)`")
PACKAGES = {path.parent.name for path in ROOT.glob("src/*/package.xml")}
OPTIONAL = {"torch", "onnx", "lightning", "lightning_fabric"}


def test_the_site_builds_and_every_link_and_anchor_resolves(tmp_path):
    pytest.importorskip("mkdocs")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--config-file",
        str(ROOT / "mkdocs.yml"),
    ]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.parametrize("page", [*FRONT, *PAGES], ids=IDS)
def test_links_to_files_resolve(page: Path):
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


def test_pages_that_the_source_names_exist():
    files = [file for file in ROOT.glob("src/*/*/**/*") if file.suffix in (".py", ".yaml") and "test" not in file.parts]
    named = {page for file in [ROOT / "ws", *files] for page in re.findall(r"docs/[\w/]+\.md", file.read_text())}
    assert named
    assert [page for page in named if not (ROOT / page).exists()] == []


def test_tests_that_pages_name_exist():
    source = "".join(file.read_text() for file in ROOT.glob("src/*/test/*.py"))
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text())}
    assert named
    assert [name for name in named if f"def {name}(" not in source] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS[len(FRONT) :])
def test_every_object_that_a_page_names_exists(page: Path):
    for module, name in OBJECT.findall(page.read_text()):
        assert module.split(".")[0] in PACKAGES, f"{module}:{name}"
        assert exists(module, name), f"{module}:{name}"


@pytest.mark.parametrize("page", PAGES, ids=IDS[len(FRONT) :])
def test_every_module_that_a_page_names_exists(page: Path):
    others = {*GROUPS, *re.findall(r"`([^`]+)`", schemas.nested(Station))}  # entry points, fields of a station
    for package, rest in MODULE.findall(page.read_text()):
        if package in PACKAGES and f"{package}.{rest}" not in others:
            assert exists(package, rest) or exists(f"{package}.{rest}", "__name__"), f"{package}.{rest}"


def exists(module: str, name: str) -> bool:
    """Whether an object can be imported; True where a library of training is not installed."""
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        return (error.name or "").split(".")[0] in OPTIONAL
    for part in name.split("."):
        fields = getattr(found, "model_fields", {}) | getattr(found, "__dataclass_fields__", {})
        if part in fields:
            return True
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_a_name_that_does_not_exist_is_found():
    assert exists("contracts.station", "Station.sides") and exists("hand_drivers.guard", "guard")
    assert not exists("contracts.station", "Station.wheels") and not exists("contracts.nothing", "x")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("command_timeout_s", "contracts.servo"),
        ("Chunk", "contracts.chunk"),
        ("freshness", "contracts.freshness"),
        ("LEAD_S", "contracts.freshness"),
        ("guard", "hand_drivers.guard"),
        ("Commands", "hand_drivers.commands"),
        ("FileError", "contracts.errors"),
        ("write_atomic", "contracts.files"),
    ],
)
def test_what_has_one_place_is_defined_there_and_nowhere_else(name: str, module: str):
    files = [file for file in ROOT.glob("src/*/*/**/*.py") if "test" not in file.parts]
    found = [file for file in files if name in defined(ast.parse(file.read_text()))]
    assert [".".join(file.relative_to(ROOT / "src").with_suffix("").parts[1:]) for file in found] == [module]
    assert f"`{module}:" in (DOCS / "reference" / "architecture.md").read_text()


def defined(tree: ast.AST) -> set[str]:
    """Names of classes, functions and assigned variables and fields, outside of functions."""
    found: set[str] = set()
    for node in getattr(tree, "body", []):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= defined(node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("page", sorted((DOCS / "results").glob("*.md")), ids=lambda page: page.stem)
def test_every_block_of_results_names_command_date_and_machine(page: Path):
    found = re.findall(r"<!-- results: [^\n]+ -->\n(.*?)<!-- end -->", page.read_text(), re.DOTALL)
    assert found
    for block in found:
        first = block.strip().splitlines()[0]
        assert re.match(r"`(\./ws|python -m) [^`]+`, 20\d\d-\d\d-\d\d, .*CPU", first), first


def test_every_field_of_a_parameter_or_file_schema_is_described():
    tables = {**schemas.NODES, **schemas.FILES}
    rows = {name: schemas.nested(model).splitlines()[2:] for name, model in tables.items()}
    assert [f"{name}: {row}" for name, found in rows.items() for row in found if row.endswith("|  |")] == []


def test_names_of_pages_are_plain_ascii():
    assert [page.name for page in DOCS.rglob("*") if not re.fullmatch(r"[A-Za-z0-9_.]+", page.name)] == []
