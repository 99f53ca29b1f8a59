"""Parameters match their schema, or the error names what does not."""

from __future__ import annotations

from typing import ClassVar, Literal

import pytest
from pydantic import Field
from rcl_interfaces.msg import FloatingPointRange
from rclpy.node import Node
from rclpy.parameter import Parameter

from node_kit import parameters
from node_kit.parameters import ParameterError, Parameters


class Schema(Parameters):
    renamed: ClassVar[dict[str, str]] = {"repeat": "count"}

    side: Literal["left", "right"]
    rate_hz: float = Field(100.0, gt=0, le=500, description="rate of the loop, Hz")
    count: int = 3
    names: list[str] = Field(default=[])
    offsets: list[float] = Field(default=[0.0, 1.5])
    enabled: bool = True
    limit: float | None = None
    timeout_s: float = Field(default_factory=lambda values: 0.1 if values["side"] == "left" else 0.2)


def given(**values: str) -> list[str]:
    return [part for name, value in values.items() for part in ("-p", f"{name}:={value}")]


def test_values_given_and_defaults_arrive_typed(make_node):
    node = make_node(Node, *given(side="left", rate_hz="50", names="[a, b]", offsets="[1.0, 2.0]"))
    found = parameters.declare(node, Schema)
    assert found == Schema(side="left", rate_hz=50.0, names=["a", "b"], offsets=[1.0, 2.0])
    assert isinstance(found.rate_hz, float)


def test_description_and_bounds_can_be_read_from_the_node(make_node):
    node = make_node(Node, *given(side="left"))
    parameters.declare(node, Schema)
    descriptor = node.describe_parameter("rate_hz")
    assert descriptor.description == "rate of the loop, Hz"
    assert "500" in descriptor.additional_constraints


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("side", Parameter.Type.STRING),
        ("rate_hz", Parameter.Type.DOUBLE),
        ("count", Parameter.Type.INTEGER),
        ("names", Parameter.Type.STRING_ARRAY),
        ("offsets", Parameter.Type.DOUBLE_ARRAY),
        ("enabled", Parameter.Type.BOOL),
        ("limit", Parameter.Type.DOUBLE),
    ],
)
def test_a_descriptor_has_the_type_whether_or_not_there_is_a_value(make_node, name, kind):
    node = make_node(Node)
    parameters.announce(node, Schema)
    assert node.describe_parameter(name).type == kind.value


def test_a_descriptor_has_the_range(make_node):
    node = make_node(Node)
    parameters.announce(node, Schema)
    assert node.describe_parameter("rate_hz").floating_point_range == [
        FloatingPointRange(from_value=0.0, to_value=500.0)
    ]


@pytest.mark.parametrize(
    "change",
    [Parameter("rate_hz", value=501.0), Parameter("rate_hz", value="fast"), Parameter("count", value=1.5)],
)
def test_a_change_of_another_type_or_out_of_range_is_refused(make_node, change):
    node = make_node(Node, *given(side="left"))
    before = parameters.declare(node, Schema)
    result = node.set_parameters([change])[0]
    assert not result.successful and result.reason
    assert parameters.declare(node, Schema) == before


def test_simulated_time_is_refused_at_the_start(make_node):
    node = make_node(Node, *given(side="left", use_sim_time="true"))
    with pytest.raises(ParameterError, match="parameter 'use_sim_time': found True, expected false"):
        parameters.declare(node, Schema)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "parameter 'side': found nothing, expected a value"),
        ({"side": "middle"}, "parameter 'side': found 'middle', expected 'left' or 'right'"),
        ({"side": "left", "rate_hz": "501"}, "parameter 'rate_hz': found 501, expected less than"),
        ({"side": "left", "rate_hz": ".nan"}, "parameter 'rate_hz': found nan"),
        (
            {"side": "left", "count": "many"},
            "parameter 'count': found 'many', expected a valid int",
        ),
        (
            {"side": "left", "names": "[1, 2]"},
            "parameter 'names.0': found 1, expected",
        ),
        ({"side": "left", "rat_hz": "5"}, "parameter 'rat_hz': unknown, expected 'rate_hz'"),
        ({"side": "left", "repeat": "5"}, "parameter 'repeat': unknown, expected 'count', its new name"),
    ],
)
def test_what_does_not_fit_is_named_with_node_parameter_found_and_expected(make_node, values, expected):
    node = make_node(Node, *given(**values))
    with pytest.raises(ParameterError) as error:
        parameters.declare(node, Schema)
    assert str(error.value).startswith("node /tested: ")
    assert expected in str(error.value)


def test_all_invalid_values_are_reported_together(make_node):
    node = make_node(Node, *given(rate_hz="-1", rat_hz="5"))
    with pytest.raises(ParameterError) as error:
        parameters.declare(node, Schema)
    assert all(name in str(error.value) for name in ("'side'", "'rate_hz'", "'rat_hz'"))
    assert "timeout_s" not in str(error.value)  # its default depends on `side` and is not wrong itself


@pytest.mark.parametrize(("side", "expected"), [("left", 0.1), ("right", 0.2)])
def test_a_default_may_depend_on_parameters_before_it(make_node, side, expected):
    assert parameters.declare(make_node(Node, *given(side=side)), Schema).timeout_s == expected


def test_declaring_again_reads_values_set_since(make_node):
    node = make_node(Node, *given(side="left"))
    parameters.declare(node, Schema)
    node.set_parameters([Parameter("count", value=7)])
    assert parameters.declare(node, Schema).count == 7
