"""The lifecycle: hooks in order, failures with their reason, nothing left behind."""

from __future__ import annotations

from typing import ClassVar

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from pydantic import Field
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from node_kit import diagnostics, qos
from node_kit.diagnostics import DiagnosticsPublisher
from node_kit.lifecycle import Lifecycle
from node_kit.log import describe
from node_kit.main import autostart
from node_kit.parameters import Parameters

pytestmark = pytest.mark.graph

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class Probe(Lifecycle):
    """Records the hooks called, and fails in the selected ones."""

    class Parameters(Parameters):
        at_run_time: ClassVar[frozenset[str]] = frozenset({"share"})

        fail: str = ""
        rate_hz: float = Field(10.0, gt=0)
        share: float = Field(1.0, gt=0, le=1)
        timeout_s: float = Field(default_factory=lambda values: 2 / values["rate_hz"])

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.calls: list[str] = []
        self.fail = ""

    def reconfigure(self, parameters) -> None:
        if self.fail == "reconfigure":
            raise RuntimeError("the device keeps its speed")
        self.share = parameters.share

    def configure(self, parameters) -> None:
        self.keep(self.create_publisher(Bool, "/somewhere", qos.STATE))
        self.keep(self.create_subscription(Bool, "/elsewhere", lambda _: None, qos.LATCHED))
        self.keep(self.create_service(Trigger, "~/do", lambda request, response: response))
        self.keep(self.create_timer(1.0, lambda: None))
        self.keep(DiagnosticsPublisher(self, "probe", lambda: (diagnostics.OK, "fine", {})))
        self.fail = parameters.fail
        self._step("configure")

    def activate(self) -> None:
        self._step("activate")

    def deactivate(self) -> None:
        self._step("deactivate")

    def cleanup(self) -> None:
        self._step("cleanup")

    def _step(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fail:
            raise RuntimeError("the cable\nis out")


def entities(node) -> int:
    return sum(len(list(each)) for each in (node.publishers, node.subscriptions, node.services, node.timers))


def test_hooks_run_in_order_and_cleanup_leaves_nothing_behind(make_node):
    node = make_node(Probe)
    before = entities(node)
    for _ in range(2):
        assert node.trigger_configure() == SUCCESS
        assert entities(node) == before + 6
        assert node.trigger_activate() == SUCCESS and node.active
        assert node.trigger_deactivate() == SUCCESS and not node.active
        assert node.trigger_cleanup() == SUCCESS
        assert entities(node) == before
    assert node.calls == ["configure", "activate", "deactivate", "cleanup"] * 2


def test_a_failed_configure_is_one_line_and_leaves_the_node_unconfigured(make_node, capfd):
    node = make_node(Probe, "-p", "fail:=configure")
    before = entities(node)
    assert node.trigger_configure() == FAILURE
    assert capfd.readouterr().err == "error: node /tested: the cable is out\n"
    assert node.failure == "node /tested: the cable is out"
    assert entities(node) == before
    node.set_parameters([Parameter("fail", value="")])
    assert node.trigger_configure() == SUCCESS


def test_a_failed_activate_is_undone_and_may_be_retried(make_node, capfd):
    node = make_node(Probe, "-p", "fail:=activate")
    node.trigger_configure()
    assert node.trigger_activate() == FAILURE and not node.active
    assert node.calls == ["configure", "activate", "deactivate"]
    assert node.failure and capfd.readouterr().err.count("\n") == 1
    node.fail = ""
    assert node.trigger_activate() == SUCCESS


def test_a_parameter_changes_only_while_the_node_is_unconfigured(make_node):
    node = make_node(Probe)
    change = [Parameter("rate_hz", value=20.0)]
    assert node.set_parameters(change)[0].successful
    assert node.trigger_configure() == SUCCESS
    refused = node.set_parameters([Parameter("rate_hz", value=5.0)])[0]
    assert not refused.successful and "rate_hz" in refused.reason
    assert node.get_parameter("rate_hz").value == 20.0
    assert node.set_parameters([Parameter("use_sim_time", value=False)])[0].successful
    assert node.trigger_cleanup() == SUCCESS
    assert node.set_parameters([Parameter("rate_hz", value=5.0)])[0].successful


def test_a_parameter_of_run_time_takes_effect_at_once(make_node):
    node = make_node(Probe)
    node.trigger_configure()
    assert node.set_parameters([Parameter("share", value=0.1)])[0].successful
    assert node.share == node.get_parameter("share").value == 0.1
    assert node.set_parameters([Parameter("share", value=1)])[
        0
    ].successful  # as `ros2 param set /node share 1` sends it
    assert node.share == node.get_parameter("share").value == 1.0


@pytest.mark.parametrize("value", [0.0, 5.0, float("nan"), "slow", True])
def test_a_value_outside_its_schema_is_refused_and_changes_nothing(make_node, value):
    node = make_node(Probe)
    node.trigger_configure()
    result = node.set_parameters([Parameter("share", value=value)])[0]
    assert not result.successful and result.reason
    assert node.get_parameter("share").value == 1.0 and not hasattr(node, "share")


def test_a_change_that_the_node_cannot_apply_is_refused(make_node):
    node = make_node(Probe)
    node.trigger_configure()
    node.fail = "reconfigure"
    result = node.set_parameters_atomically([Parameter("share", value=0.5)])
    assert (result.successful, result.reason) == (False, "the device keeps its speed")
    assert node.get_parameter("share").value == 1.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Parameter("rate_hz", value=5.0), "expected one before it is configured; at run time: share"),
        (Parameter("autostart", value=True), "expected it at the start of the process"),
        (Parameter("use_sim_time", value=True), "found True, expected false: all stamps are system time"),
    ],
)
def test_what_cannot_change_at_run_time_is_refused_with_the_reason(make_node, change, reason):
    node = make_node(Probe)
    node.trigger_configure()
    before = node.get_parameter(change.name).value
    result = node.set_parameters_atomically([change])
    assert not result.successful and reason in result.reason
    assert node.get_parameter(change.name).value == before


def test_parameters_are_described_as_read_only_while_they_are(make_node):
    node = make_node(Probe)
    assert not node.describe_parameter("rate_hz").read_only
    node.trigger_configure()
    assert node.describe_parameter("rate_hz").read_only and not node.describe_parameter("share").read_only
    node.trigger_cleanup()
    assert not node.describe_parameter("rate_hz").read_only


def test_a_configured_node_reports_the_values_in_use(make_node):
    node = make_node(Probe, "-p", "rate_hz:=4")
    node.trigger_configure()
    assert (node.get_parameter("rate_hz").value, node.get_parameter("timeout_s").value) == (4.0, 0.5)
    node.trigger_cleanup()
    assert node.set_parameters([Parameter("rate_hz", value=8)])[0].successful
    node.trigger_configure()
    assert node.get_parameter("timeout_s").value == 0.25


def test_simulated_time_refuses_to_configure(make_node, capfd):
    node = make_node(Probe, "-p", "use_sim_time:=true")
    assert node.trigger_configure() == FAILURE
    assert "parameter 'use_sim_time': found True, expected false" in capfd.readouterr().err


def test_a_wrong_parameter_refuses_to_configure(make_node, capfd):
    node = make_node(Probe, "-p", "rate_hz:=-1.0")
    assert node.trigger_configure() == FAILURE
    assert "parameter 'rate_hz': found -1.0, expected greater than 0" in capfd.readouterr().err
    assert node.calls == ["cleanup"]


@pytest.mark.parametrize(("fail", "started"), [("", True), ("configure", False), ("activate", False)])
def test_autostart_returns_whether_the_node_is_active(make_node, fail, started):
    node = make_node(Probe, "-p", f"fail:={fail or 'nothing'}")
    assert autostart(node) is started and node.active is started


def test_a_transition_the_state_does_not_allow_is_refused_and_survived(make_node):
    node = make_node(Probe)
    client = node.create_client(ChangeState, f"{node.get_name()}/change_state")
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    assert client.wait_for_service(5.0)
    for transition, allowed in ((Transition.TRANSITION_ACTIVATE, False), (Transition.TRANSITION_CONFIGURE, True)):
        answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        executor.spin_until_future_complete(answer, 5.0)
        assert answer.result().success is allowed


def test_stop_undoes_what_was_done_whatever_the_state(make_node):
    for transitions, calls in ((0, []), (1, ["cleanup"]), (2, ["deactivate", "cleanup"])):
        node = make_node(Probe)
        for trigger in (node.trigger_configure, node.trigger_activate)[:transitions]:
            trigger()
        node.stop()
        node.stop()
        assert node.calls[transitions:] == calls


def test_a_failing_deactivate_still_cleans_up(make_node, capfd):
    node = make_node(Probe, "-p", "fail:=deactivate")
    assert autostart(node)
    node.stop()
    assert node.calls[-1] == "cleanup" and "the cable is out" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("found 3"), "node /n: found 3"),
        (ValueError("node /n: found 3"), "node /n: found 3"),
        (ValueError("models/n/manifest.yaml: found 3"), "node /n: models/n/manifest.yaml: found 3"),
        (KeyError("x"), "node /n: KeyError: 'x'"),
        (ValueError(""), "node /n: ValueError: "),
        (TypeError("no"), "node /n: TypeError: no"),
    ],
)
def test_an_error_is_described_in_one_line(error, expected):
    assert describe("/n", error) == expected
