"""A node that new nodes cannot discover says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node_kit.testing import NodeProcess, Peer, until
from node_kit.visibility import HIDDEN, LOCK, PORT

pytestmark = pytest.mark.graph

NODE = """
import sys
from node_kit.diagnostics import OK, DiagnosticsPublisher
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin

class Probe(Lifecycle):
    def configure(self, parameters):
        self.keep(DiagnosticsPublisher(self, "probe", lambda: (OK, "working", {})))

sys.exit(spin(Probe, "probe"))
"""


def test_a_node_whose_shared_memory_port_was_replaced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # ROS adds shared memory then
    (tmp_path / "probe_node.py").write_text(NODE)
    probe = NodeProcess(tmp_path, "probe_node", "probe", status="probe")
    probe.start({"autostart": True})
    try:
        probe.wait_for_status(message="working", level="0")
        ports = ports_of(probe.process.pid)
        assert ports
        for port in ports:  # as Fast DDS does for another process, which finds this one stalled
            port.unlink()
        newcomer = Peer("newcomer")
        try:
            probe.wait_for_status(message="working", level="1", hidden=HIDDEN)
            assert f"warning: node /probe: {HIDDEN}" in probe.stderr
            assert "probe" in probe.node.get_node_names()
            assert not until(lambda: "probe" in newcomer.node.get_node_names(), 1.0)
        finally:
            newcomer.close()
    finally:
        probe.close()


def ports_of(process: int) -> list[Path]:
    links = [os.readlink(entry) for entry in Path(f"/proc/{process}/fd").iterdir()]
    return [Path(link.removesuffix(LOCK)) for link in links if link.startswith(PORT) and link.endswith(LOCK)]
