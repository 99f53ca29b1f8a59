"""Pages of results."""

from __future__ import annotations

import pytest
from rich.table import Table
from rich.text import Text

from contracts import results


@pytest.fixture
def table() -> Table:
    made = Table("", "p50 ms", title="speed")
    made.add_row("a | b", Text("1.00", "green"))
    made.add_row("c", Text("2.00", "red"))
    return made


def test_a_printed_table_becomes_markdown_without_colours(table):
    assert results.markdown(table).splitlines() == [
        "**speed**",
        "",
        "|  | p50 ms |",
        "|---|---|",
        "| a \\| b | 1.00 |",
        "| c | 2.00 |",
    ]


def test_brackets_in_names_are_text_on_the_console_and_in_markdown(capsys):
    table = Table("", title="put [red] can into [/tray]")
    table.add_row("joint[0] [/x]")
    results.TableConsole().print(table)
    printed = capsys.readouterr().out
    assert "joint[0] [/x]" in printed and "[red]" in printed
    assert "joint[0] [/x]" in results.markdown(table)
    assert "[/tray]" in results.markdown(table)


def test_a_console_keeps_the_tables_it_prints(table, capsys):
    console = results.TableConsole()
    console.print("words")
    console.print(table)
    assert console.tables == [table] and "words" in capsys.readouterr().out


def test_a_command_line_leaves_out_where_the_figures_go():
    given = ["--runs", "5", "--json", "a.json", "--markdown=b.md", "port:=48801", "x y"]
    assert results.command_line("./ws bench policy", given) == "./ws bench policy --runs 5 'x y'"


def test_a_block_names_its_command_and_machine_and_replaces_only_itself(table, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nbefore\n\n<!-- results: one -->\nold\n<!-- end -->\n\nafter\n")
    results.write(page, "one", "./ws bench policy", [table], ["a note"])
    text = page.read_text()
    assert text.startswith("# Page\n\nbefore\n\n<!-- results: one -->\n") and text.endswith("<!-- end -->\n\nafter\n")
    assert "`./ws bench policy`, 20" in text and "logical CPUs" in text and "| c | 2.00 |" in text and "a note" in text
    assert "old" not in text


def test_a_page_without_the_block_gets_it_at_the_end(table, tmp_path):
    page = tmp_path / "new.md"
    results.write(page, "one", "one", [table])
    results.write(page, "two", "two", [table])
    assert page.read_text().index("results: one") < page.read_text().index("results: two")


def test_names_in_a_page_are_relative_to_the_workspace(table, tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSHAND_WS", "/some/where")
    results.write(tmp_path / "page.md", "one", "one --bundle /some/where/models/policy", [table])
    assert "`one --bundle models/policy`" in (tmp_path / "page.md").read_text()


def test_without_a_path_nothing_is_written(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results.write(None, "one", "one", [table])
    results.write_row(None, "one", "one", ["a"], ["b"])
    assert list(tmp_path.iterdir()) == []


def test_a_row_replaces_the_one_with_the_same_first_two_cells(tmp_path):
    page, columns = tmp_path / "page.md", ["left", "right", "picks"]
    for row in (["a", "b", 1], ["a", "c", 2], ["a", "b", 3]):
        results.write_row(page, "all", "evaluate", columns, row)
    assert "| a | c | 2 |\n| a | b | 3 |" in page.read_text() and "| a | b | 1 |" not in page.read_text()
    results.write_row(page, "all", "evaluate --seed 8", columns, ["d", "e", 4])
    assert "| a | b | 3 |" not in page.read_text() and "| d | e | 4 |" in page.read_text()
