"""Command lines by typer: errors in one line, exit statuses that are returned, options with several values."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import typer

from contracts.errors import FileError
from contracts.plugins import PluginError
from contracts.rendering import RenderError

FAILED, REFUSED, INTERRUPTED, TERMINATED = 1, 2, 130, 143
ALWAYS = (FileError, PluginError, RenderError, OSError)  # errors of any command that are shown as one line
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer has no other public name for it


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came; handled as Ctrl-C is, but for the exit status."""


def run(
    command: Callable[..., int | None],
    arguments: Sequence[str] | None = None,
    *,
    name: str,
    lists: Sequence[str] = (),
    errors: tuple[type[Exception], ...] = (),
    hint: str = "",
) -> int:
    """Run a command line.

    Args:
        command: Function whose parameters are annotated for typer; it returns its exit status, None for 0.
        arguments: The command line; None: that of the process.
        name: What help calls the program.
        lists: Options that take several values after one name, as in `--tips thumb=A index=B`.
        errors: Exceptions of the command that are shown as one line, besides `ALWAYS`.
        hint: What to do after an interruption, shown in one line; empty: the command handles it.

    Returns:
        The exit status; 1 after one of these errors, 2 for arguments that typer refuses, 130 after Ctrl-C, 143 after
        SIGTERM or SIGHUP.
    """
    app = typer.Typer(add_completion=False)
    app.command()(_reporting(command, errors, hint))
    given = spread(sys.argv[1:] if arguments is None else arguments, lists)
    try:
        with _sigterm_as_interrupt() as came:
            status = typer.main.get_command(app).main(given, prog_name=name, standalone_mode=False) or 0
            return TERMINATED if came and status == INTERRUPTED else status
    except _UsageError as error:
        print(f"error: {' '.join(str(error.format_message()).split())}", file=sys.stderr)  # type: ignore[attr-defined]
        return REFUSED


def _reporting(
    command: Callable[..., int | None], errors: tuple[type[Exception], ...], hint: str
) -> Callable[..., int | None]:
    """The command, which prints its errors and its interruption in one line and returns the exit status."""

    @wraps(command)
    def reporting(*arguments: Any, **options: Any) -> int | None:
        try:
            return command(*arguments, **options)
        except (*ALWAYS, *errors) as error:
            print(f"error: {' '.join(described(error).split())}", file=sys.stderr)
            return FAILED
        except KeyboardInterrupt as error:
            if not hint:
                raise
            print(f"interrupted; {hint}", file=sys.stderr)
            return TERMINATED if isinstance(error, Terminated) else INTERRUPTED

    return reporting


def described(error: Exception) -> str:
    """The text of an error; that of an OSError, such as a full disk, without its number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()


def spread(arguments: Sequence[str], lists: Sequence[str]) -> list[str]:
    """Return the arguments with the name of an option of `lists` before each of its values."""
    result, option, values = list[str](), "", 0
    for argument in arguments:
        if argument.startswith("--"):
            option, values = (argument if argument in lists else ""), 0
        elif option:
            values += 1
            if values > 1:
                result.append(option)
        result.append(argument)
    return result


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP (a lost terminal) interrupt the command, once: a second one must not disturb the clean-up."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            raise Terminated

    handled = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in handled}  # under nohup, SIGHUP stays ignored
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
