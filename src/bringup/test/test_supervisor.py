"""The supervisor with real processes and a real topic: order, failures, refusals, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from bringup_helpers import FAKES, EmergencyStops, alive, fake

from bringup import supervisor as supervisor_module
from bringup.graph import NodeDescription
from bringup.lifecycle import BringUpError
from bringup.paths import RunDirectory
from bringup.supervisor import NodeDiedError, Supervisor
from node_kit import shared_memory
from node_kit.testing import until

pytestmark = pytest.mark.graph

NODES = [
    NodeDescription("sim", "fake", "node", {}, 0),
    NodeDescription("left", "fake", "node", {}, 1, images=True),
    NodeDescription("right", "fake", "node", {}, 1),
]


def command(nodes: Sequence[NodeDescription]) -> list[str]:
    return [*fake("lifecycle_node"), *(node.name for node in nodes)]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(file))
    return file


def test_all_are_configured_before_stages_activate_in_order(run_directory: RunDirectory, notes: Path) -> None:
    with Supervisor(NODES, run_directory, command) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        pids = list(supervisor.running().values())
    done = [tuple(line.split()[1:]) for line in notes.read_text().splitlines()]
    assert {(name, "configure") for name in ("sim", "left", "right")} == set(done[:3])
    assert done[3] == ("sim", "activate")
    assert {("left", "activate"), ("right", "activate")} == set(done[4:6])
    # and the other way round at the end: what the world drives goes before the world
    assert done[-1] == ("sim", "deactivate")
    assert not any(alive(pid) for pid in pids)


def test_a_killed_node_stops_motion_and_is_named(
    run_directory: RunDirectory, notes: Path, emergency_stops: EmergencyStops
) -> None:
    with Supervisor(NODES, run_directory, command) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        pids = supervisor.running()
        segments = segments_of(pids["left"])
        assert segments and not segments_of(pids["right"]), "it waits for others where it has no images"
        assert until(emergency_stops.connected)
        os.kill(pids["left"], signal.SIGKILL)
        with pytest.raises(NodeDiedError, match="left was killed by SIGKILL"):
            supervisor.wait(60.0, lambda elapsed: None)
        assert until(lambda: bool(emergency_stops.at))  # how soon is judged by the fault bench
    assert [end.name for end in supervisor.died] == ["left"]
    assert not any(alive(pid) for pid in pids.values())
    assert [segment for segment in segments if segment.exists()] == []


def segments_of(pid: int) -> list[Path]:
    """The shared-memory segments of a process."""
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    locks = [link for link in links if link.startswith("/dev/shm/fastrtps_") and "port" not in link]
    return [Path(lock.removesuffix("_el")) for lock in locks]


def test_robots_go_on_without_a_node_that_is_not_required(
    run_directory: RunDirectory, notes: Path, emergency_stops: EmergencyStops, capfd: pytest.CaptureFixture[str]
) -> None:
    view = NodeDescription("view", "fake", "node", {}, 1, required=False)
    with Supervisor([*NODES, view], run_directory, command) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        assert until(emergency_stops.connected)
        os.kill(supervisor.running()["view"], signal.SIGKILL)
        assert until(lambda: "view" not in supervisor.running())
        supervisor.wait(0.2, lambda elapsed: None)
        assert not supervisor.died and not emergency_stops.at
    assert "warning: view was killed by SIGKILL; the robots go on without it" in capfd.readouterr().err
    assert "view configure" not in notes.read_text()


def test_nothing_moves_before_every_driver_receives_the_emergency_stop(
    run_directory: RunDirectory, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LISTENERS_S", 0.5)
    unsubscribed = [
        NodeDescription("driver", "fake", "node", {}, 0, moves=True),
        NodeDescription("eye", "fake", "node", {}, 1),
    ]
    with Supervisor(unsubscribed, run_directory, command) as supervisor:
        supervisor.start()
        with pytest.raises(BringUpError, match=r"^/estop: not received by driver within 0.5 s"):
            supervisor.bring_up()
    assert "eye activate" not in notes.read_text()


def test_a_node_that_refuses_to_configure_is_named_with_its_error(
    run_directory: RunDirectory, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSES", "right")
    with Supervisor(NODES, run_directory, command) as supervisor:
        supervisor.start()
        with pytest.raises(BringUpError, match=r"^right: did not configure: .*manifest.yaml: field: found nothing"):
            supervisor.bring_up()
    assert "left activate" not in notes.read_text()


def test_a_node_that_dies_during_bring_up_ends_it(run_directory: RunDirectory, notes: Path) -> None:
    def broken(nodes: Sequence[NodeDescription]) -> list[str]:
        failing = [sys.executable, "-c", "raise SystemExit('error: no licence')"]
        return failing if nodes[0].name == "right" else command(nodes)

    with Supervisor(NODES, run_directory, broken) as supervisor:
        supervisor.start()
        with pytest.raises(NodeDiedError, match="right ended with exit status 1"):
            supervisor.bring_up()
        assert supervisor.reason("right") == "no licence"


ARMS = [NodeDescription(name, "fake", "node", {}, 0, process="arms") for name in ("left", "right")]


def test_nodes_that_share_a_process_are_activated_separately(run_directory: RunDirectory, notes: Path) -> None:
    with Supervisor([*ARMS, NODES[0]], run_directory, command) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        assert sorted(supervisor.running()) == ["left+right", "sim"]
    done = {tuple(line.split()[1:]) for line in notes.read_text().splitlines()}
    assert {(node.name, step) for node in ARMS for step in ("configure", "activate", "deactivate")} <= done


def test_the_death_of_a_process_names_all_its_nodes(
    run_directory: RunDirectory, notes: Path, emergency_stops: EmergencyStops
) -> None:
    with Supervisor([*ARMS, NODES[0]], run_directory, command) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        assert until(emergency_stops.connected)
        os.kill(supervisor.running()["left+right"], signal.SIGKILL)
        with pytest.raises(NodeDiedError, match=r"^left\+right was killed by SIGKILL"):
            supervisor.wait(60.0, lambda elapsed: None)
        assert until(lambda: bool(emergency_stops.at))


def test_a_node_of_a_shared_process_that_refuses_is_named_with_its_error(
    run_directory: RunDirectory, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSES", "right")
    with Supervisor(ARMS, run_directory, command) as supervisor:
        supervisor.start()
        with pytest.raises(BringUpError, match=r"^right: did not configure: node /right: .*found nothing"):
            supervisor.bring_up()
        assert supervisor.reason("right").startswith("node /right:")


@pytest.mark.parametrize(
    "numbers",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGTERM, signal.SIGTERM, signal.SIGHUP]],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGTERM twice and SIGHUP"],
)
def test_an_interrupted_run_ends_its_nodes_in_order(tmp_path: Path, notes: Path, numbers: list[int]) -> None:
    run, pids = _running(tmp_path)
    for number in numbers:
        run.send_signal(number)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert len(pids) == 2 and not any(alive(pid) for pid in pids)
    logs = "".join(log.read_text() for log in (tmp_path / "logs").glob("*.log"))
    assert "Traceback" not in errors + logs
    assert _ended_in_order(notes)


INTERRUPTED = """
import signal
import sys
from pathlib import Path

from bringup.paths import RunDirectory
from bringup.supervisor import Supervisor

supervisor = Supervisor([], RunDirectory(Path(sys.argv[1])))

def at_every_line(frame, event, argument):  # a second signal, wherever the handler of the first one is
    if event == "line":
        supervisor._on_signal(signal.SIGTERM, None)
    return at_every_line

sys.settrace(at_every_line)
supervisor._on_signal(signal.SIGTERM, None)
sys.settrace(None)
supervisor._processes.close()
"""


def test_a_signal_may_come_while_another_one_is_handled(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path)], timeout=30, check=False)
    assert done.returncode == 0


def test_nodes_of_a_killed_supervisor_end_and_leave_no_shared_memory(
    tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # ROS adds shared memory for the supervisor then
    run, pids = _running(tmp_path)
    segments = segments_of(run.pid)
    assert segments
    run.kill()
    assert until(lambda: not any(alive(pid) for pid in pids))
    assert _ended_in_order(notes)
    # These nodes may end before the last thread of the supervisor, and what is left goes at the next start.
    assert until(lambda: not (shared_memory.remove_dead() or any(segment.exists() for segment in segments)))


def _running(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A supervised graph in a process of its own, and the ids of its two processes."""
    (folder / "logs").mkdir()
    argv = [sys.executable, str(FAKES / "graph.py"), str(folder)]
    run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    return run, [int(pid) for pid in run.stdout.readline().split()]


def _ended_in_order(notes: Path) -> bool:
    """Whether both nodes were deactivated, as they are unless SIGKILL ends them."""
    done = [tuple(line.split()[1:]) for line in notes.read_text().splitlines()]
    return {("first", "deactivate"), ("second", "deactivate")} <= set(done)
