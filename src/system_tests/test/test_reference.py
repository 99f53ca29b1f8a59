"""The documentation's tables are those of the schemas, and its terms those of the nodes."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from bringup import paths
from hand_drivers.status import ChunkStatus, State
from latent_codec.side import ChunkCode
from latent_policy_node.observation_checks import ObservationStatus
from latent_policy_node.policy import PolicyStatus
from node_kit.messages import MessageStatus
from system_tests.reference import graph, pages, schemas
from system_tests.reference.pages import MarkerError, rewritten, unmarked
from system_tests.reference.schemas import nested, table

pytestmark = pytest.mark.graph

DOCS = paths.workspace() / "docs"
PAGES = sorted((DOCS / "reference" / "devices").glob("*.md"))


def test_every_page_is_up_to_date_and_every_plug_in_has_a_table(capsys):
    assert pages.main(["--check"]) == 0, capsys.readouterr().out


class Inner(BaseModel):
    size: int = Field(description="of one")


class Outer(BaseModel):
    name: str = Field(description="of all")
    one: Inner = Field(description="not shown")
    many: dict[str, Inner] = Field(description="not shown")
    some: list[Inner] | None = Field(None, description="not shown")


def test_fields_of_parts_have_dotted_names():
    rows = [row.split(" | ")[0] for row in nested(Outer).splitlines()[2:]]
    assert rows == ["| `name`", "| `one.size`", "| `many.*.size`", "| `some[].size`"]


class Base(BaseModel):
    answer_s: float = Field(0.1, gt=0, le=2, description="time to wait")


class Sample(Base):
    name: str = Field(description="of | a <thing>")
    topic: str = Field("", description="empty by default")
    count: int | None = Field(None, ge=0, description="may be none")
    mode: Literal["a", "b"] = Field("a", description="one of two")
    places: list[float] = Field([1.0], min_length=1, description="some")


def test_a_table_has_type_bounds_default_and_meaning_of_each_field():
    assert table("option", Sample).splitlines() == [
        "| option | value | default | meaning |",
        "|---|---|---|---|",
        "| `name` | text | required | of \\| a &lt;thing> |",
        "| `topic` | text | empty | empty by default |",
        "| `count` | integer, from 0 | none | may be none |",
        "| `mode` | `a` or `b` | `a` | one of two |",
        "| `places` | list of number | `[1.0]` | some |",
        "| `answer_s` | number, s, above 0 to 2 | `0.1` | time to wait |",
    ]


def test_only_text_between_markers_is_written_and_only_once():
    page = "before\n<!-- generated: device simulated -->\nold\n<!-- end -->\nafter\n"
    once = rewritten(page)
    assert once.startswith("before\n<!-- generated") and once.endswith("<!-- end -->\nafter\n") and "old" not in once
    assert rewritten(once) == once


def test_a_stale_page_is_named_by_the_check_and_then_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CROSSHAND_WS", str(tmp_path))
    page = tmp_path / "docs" / "all.md"
    page.parent.mkdir()
    text = "".join(f"<!-- generated: {name} -->\n<!-- end -->\n" for name in unmarked([]))
    page.write_text(text)
    assert pages.main(["--check"]) == 1
    assert page.read_text() == text and capsys.readouterr().out == "docs/all.md: is not up to date\n"
    assert pages.main([]) == 0 and pages.main(["--check"]) == 0


def test_a_plug_in_without_a_table_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CROSSHAND_WS", str(tmp_path))
    assert pages.main([]) == 1
    assert "<!-- generated: device xarm7 -->" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["device xarm8", "node nobody", "hand inspire", "news"])
def test_an_unknown_marker_is_refused_with_the_known_ones(name):
    with pytest.raises(MarkerError, match=f"found {name}, expected one of node driver, .*camera v4l2"):
        rewritten(f"<!-- generated: {name} -->\n<!-- end -->\n")


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_page_has_the_sections_that_a_reader_looks_for(page):
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    expected = {"How it works", "Options", "Rates", "Errors", "What was tested, and what was not"}
    assert expected - set(headings) == set()


def test_every_option_has_a_meaning():
    for name in unmarked([]):
        kind, plug = name.split()
        schema = schemas.NODES[plug] if kind == "node" else schemas.plugin_schema(schemas.GROUPS[kind], plug)
        assert schema is None or all(field.description for field in schema.model_fields.values()), name


@pytest.fixture(scope="module")
def keys():
    """Keys of the diagnostics of each node."""
    with graph.configured_nodes() as nodes:
        reports = {
            name: node._report() if name.endswith("driver") else node._diagnose()
            for name, node in nodes.items()
            if name != "camera"
        }
        return {
            name: {re.sub(r"_ms_(p50|p99|max|mean)$", "_ms_*", key) for key in found[2]}
            for name, found in reports.items()
        }


def words(page: str) -> set[str]:
    """What stands in backticks."""
    return set(re.findall(r"(?<!`)`([^`\n]+)`", (DOCS / "reference" / page).read_text()))


def test_the_drivers_page_has_all_states_refusals_and_diagnostics(keys):
    statuses = {str(state) for state in State} | {str(status) for status in ChunkStatus} - {"accepted"}
    assert len(keys["arm driver"]) > 10 and (keys["arm driver"] | statuses) - words("drivers.md") == set()


def test_the_topics_page_has_all_refusals_and_diagnostics(keys):
    statuses = {str(status) for kind in (ObservationStatus, PolicyStatus, ChunkCode, MessageStatus) for status in kind}
    assert (keys["policy"] | keys["codec"] | statuses - {"ok"}) - words("policy_and_codec.md") == set()
