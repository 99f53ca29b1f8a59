"""What a node reports about itself."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from node_kit import diagnostics
from node_kit.diagnostics import DiagnosticsPublisher


@pytest.fixture
def report(make_node, monkeypatch):
    """Publishes once what a collector returns, and gives back the message."""

    def publish(collect) -> DiagnosticArray:
        node = make_node(Node)
        publisher = DiagnosticsPublisher(node, "driver/left/arm", collect)
        sent: list[DiagnosticArray] = []
        monkeypatch.setattr(publisher._publisher, "publish", sent.append)
        publisher.publish()
        return sent[0]

    return publish


def test_a_status_carries_name_level_node_and_values_as_text(report):
    values = {"state": "tracking", "rate_hz": 99.98765432, "overruns": 3}
    message = report(lambda: (diagnostics.WARN, "tracking", values))
    (status,) = message.status
    assert (status.name, status.level, status.message) == ("driver/left/arm", diagnostics.WARN, "tracking")
    assert status.hardware_id == "/tested"
    assert {pair.key: pair.value for pair in status.values} == {
        "state": "tracking",
        "rate_hz": "99.9877",
        "overruns": "3",
    }
    assert message.header.stamp.sec > 0


def test_a_collector_that_fails_is_reported_as_an_error(report):
    (status,) = report(lambda: 1 / 0).status
    assert status.level == diagnostics.ERROR
    assert status.message == "ZeroDivisionError: division by zero"
