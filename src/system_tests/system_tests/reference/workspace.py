"""Markdown about the workspace: commands, packages, plug-ins, arguments."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence

from bringup import paths
from bringup.station import ALIASES
from camera_node.source import GROUP as CAMERAS
from contracts import plugins
from hand_drivers.device import GROUP as DEVICES

GROUPS = (DEVICES, CAMERAS, "latent_codec.recipes")  # the last one's module needs torch


def commands() -> str:
    """What `./ws help` prints."""
    text = subprocess.run([paths.workspace() / "ws", "help"], capture_output=True, text=True, check=True).stdout
    return f"```text\n{text}```\n"


def packages() -> str:
    """One row a package, after those that it uses: what it is for, and which packages of the workspace it uses."""
    manifests = {file.parent.name: _package(file.read_text()) for file in paths.workspace().glob("src/*/package.xml")}
    rows = ["| package | is for | uses |", "|---|---|---|"]
    used = {name: [other for other in depends if other in manifests] for name, (_, depends) in manifests.items()}
    for name in sorted(manifests, key=lambda name: (len(_below(name, used)), name)):
        rows.append(f"| `{name}` | {manifests[name][0]} | {', '.join(f'`{other}`' for other in used[name])} |")
    return "\n".join(rows) + "\n"


def _below(name: str, used: Mapping[str, Sequence[str]]) -> set[str]:
    """The packages that `name` uses, directly or through others."""
    return {*used[name], *(below for other in used[name] for below in _below(other, used))}


def _package(text: str) -> tuple[str, list[str]]:
    root = ElementTree.fromstring(text)
    depends = sorted({element.text or "" for tag in ("depend", "exec_depend") for element in root.iter(tag)})
    return " ".join((root.findtext("description") or "").split()), depends


def plugin_groups() -> str:
    """One row an entry-point group."""
    rows = ["| entry points | installed |", "|---|---|"]
    rows += [f"| `{group}` | {', '.join(f'`{name}`' for name in plugins.names(group))} |" for group in GROUPS]
    return "\n".join(rows) + "\n"


def arguments() -> str:
    """The short names of `name:=value` arguments."""
    rows = ["| argument | field of the station |", "|---|---|"]
    rows += [f"| `{name}:=` | `{field}` |" for name, field in ALIASES.items() if not re.fullmatch(name, field)]
    return "\n".join(rows) + "\n"
