"""The main function of every node: start, spin, end cleanly on SIGINT and SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from node_kit.lifecycle import Lifecycle, describe

_SHUTDOWN_DEADLINE_S = 5.0
_EVENTS_TIMEOUT_S = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def spin(node_class: Callable[..., Lifecycle], name: str, args: Sequence[str] | None = None) -> int:
    """Run one node until SIGINT or SIGTERM; returns the exit code: 0 ended as asked, 1 it failed.

    ROS's own signal handling is off: it takes the context away before a node could stop its device.
    """
    end = threading.Event()
    wake: list[Callable[[], None]] = []
    _on_signal(lambda: (end.set(), [call() for call in wake]))
    node = None
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = node_class(name)
        executor = _executor()
        wake.append(lambda: executor.create_task(lambda: None))  # makes a waiting executor return
        return _run(node, executor, end)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except Exception as error:  # the last boundary: one line, exit code 1
        print(f"error: {describe(f'/{name}', error)}", file=sys.stderr, flush=True)
        if os.environ.get("CROSSHAND_DEBUG"):
            raise
        return 1
    finally:
        wake.clear()
        _end(node)
        ignore_signals()


def _run(node: Lifecycle, executor: Any, end: threading.Event) -> int:
    executor.add_node(node)
    if node.get_parameter("autostart").value and not autostart(node):
        return 1
    # The experimental executor burns a core while it waits without a timeout, and cannot be woken.
    timeout = None if isinstance(executor, SingleThreadedExecutor) else _EVENTS_TIMEOUT_S
    while rclpy.ok() and not end.is_set():
        executor.spin_once(timeout_sec=timeout)
    return 0


def autostart(node: Lifecycle) -> bool:
    """Configure and activate; False when either is refused (the node has said why)."""
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


def _executor() -> Any:
    """The safe executor; CROSSHAND_EXECUTOR=events chooses the experimental one, cheaper but seen to stall."""
    if os.environ.get("CROSSHAND_EXECUTOR") == "events":
        from rclpy.experimental import EventsExecutor

        return EventsExecutor()
    return SingleThreadedExecutor()


def _on_signal(notify: Callable[[], Any]) -> None:
    """Call ``notify`` in a thread of its own when a signal comes.

    The main thread waits inside ROS, where Python's own handlers do not run; the wake-up descriptor is written by the
    C-level handler at once, whichever thread the signal hits.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def wait(keep_open: Any = theirs) -> None:
        while ours.recv(1)[0] not in _SIGNALS:
            pass
        notify()
        while ours.recv(1):  # both ends stay open: a signal written to a closed one would be complained about
            pass

    threading.Thread(target=wait, name="signals", daemon=True).start()


def ignore_signals() -> None:
    """From here on the process ends by itself: a further signal must not kill it, nor be complained about.

    A Ctrl-C in a terminal comes twice under `ros2 launch`, from the terminal and from the launch.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)


def _end(node: Lifecycle | None) -> None:
    """Stop the node and ROS; a hook that hangs is cut off so that the process ends in any case."""
    cut = threading.Timer(_SHUTDOWN_DEADLINE_S, _cut_off)
    cut.daemon = True
    cut.start()
    if node is not None:
        node.stop()
        node.destroy_node()
    rclpy.try_shutdown()
    cut.cancel()


def _cut_off() -> None:
    print(f"error: shutdown took longer than {_SHUTDOWN_DEADLINE_S:g} s", file=sys.stderr, flush=True)
    os._exit(1)
