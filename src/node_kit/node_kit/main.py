"""The main function of every node: start, spin, end cleanly on SIGINT and SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from node_kit.lifecycle import Lifecycle, describe

_SHUTDOWN_DEADLINE_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def spin(node_class: Callable[..., Lifecycle], name: str, args: Sequence[str] | None = None) -> int:
    """Run one node, or one for each name on the command line, until SIGINT or SIGTERM; returns the exit code: 0 ended
    as asked, 1 one of them failed.

    ROS's own signal handling is off: it takes the context away before a node could stop its device.
    """
    end = threading.Event()
    _on_signal(end.set)
    nodes: list[Spinner] = []
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        names = remove_ros_args(args)[1:] or [name]
        for name in names:  # which an error is about
            nodes.append(Spinner(node_class(name), end))
        for node in nodes:
            node.start()
        end.wait()
    except Exception as error:
        return _complain(name, error)
    finally:
        _end(nodes)
        ignore_signals()
    return int(any(node.failed for node in nodes))


class Spinner(threading.Thread):
    """Serves one node until all of the process are to end, and stops it.

    Each has its own: a node that hangs in a callback neither deafens the others nor keeps them from stopping.
    """

    def __init__(self, node: Lifecycle, end: threading.Event) -> None:
        super().__init__(name=node.get_name(), daemon=True)
        self.failed = False
        self._node, self._end, self._executor = node, end, SingleThreadedExecutor()

    def run(self) -> None:
        """The thread's work."""
        try:
            self._serve()
        except ExternalShutdownException:
            pass
        except Exception as error:
            self.failed = bool(_complain(self.name, error))
        self._end.set()
        self._node.stop()

    def close(self) -> None:
        """Wait until the node has stopped, and destroy it; everything is to end by now."""
        if self.is_alive():
            self.join()
        self._executor.shutdown()  # left to the interpreter's end, it may complain on stderr that it is gone already
        self._node.destroy_node()

    def wake(self) -> None:
        """Make it look whether everything is to end."""
        self._executor.create_task(lambda: None)  # makes a waiting executor return

    def _serve(self) -> None:
        self._executor.add_node(self._node)
        if self._node.get_parameter("autostart").value and not autostart(self._node):
            self.failed = True
            return
        while rclpy.ok() and not self._end.is_set():
            self._executor.spin_once()


def _complain(name: str, error: Exception) -> int:
    """The last boundary of a node: one line on stderr; returns the exit code."""
    sys.stderr.write(f"error: {describe(f'/{name}', error)}\n")  # a whole line: other nodes write theirs
    if os.environ.get("CROSSHAND_DEBUG"):
        traceback.print_exc()
    return 1


def autostart(node: Lifecycle) -> bool:
    """Configure and activate; False when either is refused (the node has said why)."""
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


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


def _end(nodes: Sequence[Spinner]) -> None:
    """Stop the nodes and ROS; a hook that hangs is cut off so that the process ends in any case."""
    cut = threading.Timer(_SHUTDOWN_DEADLINE_S, _cut_off)
    cut.daemon = True
    cut.start()
    for node in nodes:
        node.wake()
    for node in nodes:
        node.close()
    rclpy.try_shutdown()
    cut.cancel()


def _cut_off() -> None:
    print(f"error: shutdown took longer than {_SHUTDOWN_DEADLINE_S:g} s", file=sys.stderr, flush=True)
    os._exit(1)
