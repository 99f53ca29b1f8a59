"""Errors and warnings of nodes: one line each on stderr and on /rosout."""

from __future__ import annotations

import os
import traceback

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.node import Node

# Lines begin with "error: " or "warning: " as those of the command-line tools do. ROS reads this when it first logs.
os.environ.setdefault("RCUTILS_CONSOLE_OUTPUT_FORMAT", "{message}")


def error(node: Node | str, what: BaseException | str) -> str:
    """Log a line "error: node NAME: ..." through the logger of the node; CROSSHAND_DEBUG=1 adds the traceback.

    Args:
        node: The node, or its name where there is none (yet): then the line is on stderr only.
        what: The exception, or the text.

    Returns:
        The line without "error: ".
    """
    if os.environ.get("CROSSHAND_DEBUG") and isinstance(what, BaseException):
        traceback.print_exception(what)
    text = describe(_name(node), what)
    _logger(node).error(f"error: {text}")
    return text


def warning(node: Node | str, text: str) -> None:
    """Log a line "warning: node NAME: ..." through the logger of the node."""
    _logger(node).warning(f"warning: {describe(_name(node), text)}")


def describe(name: str, what: BaseException | str) -> str:
    """One line "node NAME: ..."; with the type of the exception if its text alone is not clear."""
    text = " ".join(str(what).split())
    ours = isinstance(what, (str, ValueError, OSError, RuntimeError, LookupError)) and not isinstance(what, KeyError)
    text = text if ours and text else f"{type(what).__name__}: {text}"
    return text if f"node {name}: " in text else f"node {name}: {text}"


def _name(node: Node | str) -> str:
    return node if isinstance(node, str) else node.get_fully_qualified_name()


def _logger(node: Node | str) -> RcutilsLogger:
    return get_logger(node.strip("/").replace("/", ".")) if isinstance(node, str) else node.get_logger()
