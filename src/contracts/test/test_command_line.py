"""Command lines: several values after one option, errors in one line, exit statuses."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
import typer

from contracts.command_line import Terminated, run, spread
from contracts.errors import FileError
from contracts.plugins import PluginError
from contracts.rendering import RenderError

LISTS = ("--tips", "--freeze")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tips", "a=1", "b=2", "--name", "x"], ["--tips", "a=1", "--tips", "b=2", "--name", "x"]),
        (["--name", "x", "--tips", "a=1"], ["--name", "x", "--tips", "a=1"]),
        (["--forward", "0", "0", "-1"], ["--forward", "0", "0", "-1"]),
        (["--tips", "a", "--tips", "b"], ["--tips", "a", "--tips", "b"]),
        (["--tips=a", "b"], ["--tips=a", "b"]),
    ],
)
def test_values_after_a_list_option_each_get_its_name(arguments: list[str], expected: list[str]) -> None:
    assert spread(arguments, LISTS) == expected


def tool(
    tips: Annotated[list[str], typer.Option()],
    forward: Annotated[tuple[float, float, float] | None, typer.Option()] = None,
    steps: Annotated[int, typer.Option(min=1)] = 1,
) -> int:
    """A command."""
    return 10 * len(tips) + (0 if forward is None else 1)


def test_exit_status_is_what_the_command_returns() -> None:
    arguments = ["--tips", "a", "b", "--forward", "0", "0", "-1"]
    assert run(tool, arguments, name="tool", lists=LISTS) == 21


@pytest.mark.parametrize("arguments", [[], ["--tips", "a", "--steps", "0"], ["--tips", "a", "--nothing"]])
def test_refused_arguments_are_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tool, arguments, name="tool", lists=LISTS) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")


def test_help_names_every_option_and_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tool, ["--help"], name="tool") == 0
    shown = capsys.readouterr().out
    assert "A command." in shown and all(option in shown for option in ("--tips", "--forward", "--steps"))


def test_a_full_disk_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        with open("/dev/full", "w") as stream:
            stream.write("report")

    assert run(command, [], name="tool") == 1
    assert capsys.readouterr().err == "error: no space left on device\n"


def test_a_file_that_is_missing_is_named_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(lambda: print((tmp_path / "none").read_text()), [], name="tool") == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/none: no such file or directory\n"


def test_an_expected_error_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(file: str) -> None:
        raise LookupError(file)

    assert run(broken, ["robot.yaml"], name="broken", errors=(LookupError,)) == 1
    assert capsys.readouterr().err == "error: robot.yaml\n"
    with pytest.raises(LookupError):
        run(broken, ["robot.yaml"], name="broken", errors=(ValueError,))


@pytest.mark.parametrize(
    "error", [FileError("a.yaml", "b", "1", "2"), RenderError("EGL: found nothing"), PluginError("acme: found 'x'")]
)
def test_an_error_of_any_command_is_one_line_unasked(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise error

    assert run(broken, [], name="broken") == 1
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler of SIGINT, which a process that was started in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_sigterm_interrupts_a_command_as_ctrl_c_does(
    number: signal.Signals, status: int, capsys: pytest.CaptureFixture[str], ctrl_c: None
) -> None:
    def long() -> None:
        os.kill(os.getpid(), number)
        time.sleep(60.0)

    before = signal.getsignal(signal.SIGTERM)
    assert run(long, [], name="long", hint="start it again to continue") == status
    assert capsys.readouterr().err == "interrupted; start it again to continue\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_sigterm_does_not_disturb_the_clean_up() -> None:
    """`timeout` sends it twice: to its child, and to the group that the child is in."""
    cleaned = []

    def long() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60.0)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    assert run(long, [], name="long", hint="start it again to continue") == 143
    assert cleaned == [True]


def test_a_lost_terminal_interrupts_a_command_unless_it_is_ignored() -> None:
    def long() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        return 7

    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert run(long, [], name="long", hint="start it again") == 143
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
        assert run(long, [], name="long", hint="start it again") == 7
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_that_no_command_handles_gives_its_status(
    number: signal.Signals, status: int, ctrl_c: None
) -> None:
    def long() -> None:
        os.kill(os.getpid(), number)
        time.sleep(60.0)

    assert run(long, [], name="long") == status


def test_sigterm_is_a_keyboard_interrupt() -> None:
    assert issubclass(Terminated, KeyboardInterrupt)
