"""Small things the tests of bring-up share."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from contracts import bundle
from contracts.axes import latent_axes
from contracts.manifest import CodecManifest, PolicyManifest
from node_kit.qos import LATCHED, STATE
from node_kit.testing import BackgroundPeer

FAKES = Path(__file__).parent / "fakes"
CODEC = Path(__file__).parents[3] / "models" / "codec"
AT_REST_RAD_PER_S = 0.02


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def nodes_of(parent: int) -> dict[str, int]:
    """name -> process id of the nodes among the children of a process."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            of = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        names = [word.partition(":=")[2] for word in words if word.startswith("__node:=")]
        if of == parent and names:
            found[names[0]] = int(entry.name)
    return found


def fake(name: str) -> list[str]:
    """argv of a small executable of these tests."""
    return [sys.executable, str(FAKES / f"{name}.py")]


def write_bundles(codec: Path, policy: Path, policy_space: str = "") -> None:
    """Bundles that are whole by every check made before the start; their networks are never loaded."""
    space = "space@aaaaaaaaaaaa"
    hands = {name: _hand(name) for name in ("inspire", "ability")}
    files = ["density.npz", *(file for hand in hands.values() for file in (hand["encoder"], hand["decoder"]))]
    contract = {"latent_dim": 2, "hands": hands}
    _write_bundle(codec, files, {"kind": "codec", "latent_space": space, "codec": contract})
    observation = {"cameras": {"front": [90, 160]}, "framing": {"front": {"fovy_deg": 35.0}}, "max_age_s": 0.5}
    contract = {"model": "policy.onnx", "sides": ["left", "right"], "period_s": 0.1, "horizon": 4}
    contract["observation"] = observation
    _write_bundle(
        policy, ["policy.onnx"], {"kind": "policy", "latent_space": policy_space or space, "policy": contract}
    )


def _hand(name: str) -> dict[str, Any]:
    limits = {"joints": ["a"], "lower": [0.0], "upper": [1.0]}
    density = {"density": "density.npz", "density_threshold": 0.0}
    return {**limits, **density, "encoder": f"{name}_encoder.onnx", "decoder": f"{name}_decoder.onnx"}


def _write_bundle(folder: Path, files: list[str], content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        (folder / name).write_bytes(f"not a network: {name}".encode())
    described = {name: bundle.describe_file(folder / name) for name in files}
    training = {"recipe": "none", "config": {}, "steps": 0, "seed": 0, "seconds": 0.0, "created": "2026-01-01"}
    axes = latent_axes(2)
    manifest = {"id": "test@bbbbbbbbbbbb", "axes": axes, "files": described, "training": training, **content}
    model = CodecManifest if content["kind"] == "codec" else PolicyManifest
    bundle.write_manifest(folder, model.model_validate(manifest))


class EmergencyStops(BackgroundPeer):
    """Subscribes to /estop as a driver does."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.at: list[float] = []
        self.node.create_subscription(Bool, "/estop", self._receive, LATCHED)
        self.start()

    def connected(self) -> bool:
        """Whether a publisher that may stop motion has been discovered."""
        return self.node.count_publishers("/estop") > 0

    def _receive(self, message: Bool) -> None:
        if message.data:
            self.at.append(time.monotonic())


class ArmSpeeds(BackgroundPeer):
    """Fastest joint of all arms, as their drivers report it."""

    def __init__(self) -> None:
        super().__init__("speeds")
        self._newest: dict[str, tuple[float, float]] = {}
        for side in ("left", "right"):
            topic = f"/{side}/arm/joint_states"
            self.node.create_subscription(JointState, topic, lambda m, s=side: self._receive(s, m), STATE)
        self.start()

    def _receive(self, side: str, message: JointState) -> None:
        self._newest[side] = (time.monotonic(), float(np.max(np.abs(message.velocity))))

    def moving(self) -> bool:
        return len(self._newest) == 2 and all(speed > AT_REST_RAD_PER_S for _, speed in self._newest.values())

    def at_rest_since(self, at: float) -> bool:
        """Whether both arms have reported rest after `at`."""
        return all(when > at and speed < AT_REST_RAD_PER_S for when, speed in self._newest.values())
