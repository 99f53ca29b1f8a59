"""The main function of every node: start, spin, end cleanly on a signal or with the process that started it."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from contracts.claims import Claim, name_of_node
from node_kit import log, parent, shared_memory, udp_sockets
from node_kit.lifecycle import Lifecycle

_SHUTDOWN_DEADLINE_S = 5.0
_LAST_DEADLINE_S = 7.0
_UNLOADED_S = 5  # for the end of the interpreter and of the libraries
_ALIVE_S, _STUCK_S = 5.0, 20.0  # between proofs that the interpreter runs, and until it counts as stuck
_REPARENTED_S = 0.5  # the signal of a parent's death comes before its last thread has ended
_BRAKING_S = 1.0  # longer than the drivers need to bring the robots to rest


def stop_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM and SIGHUP, which end a process in order; without SIGHUP if it is ignored, as under `nohup`."""
    signals = [signal.SIGINT, signal.SIGTERM]
    return signals if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*signals, signal.SIGHUP]


class StopFlag:
    """Whether a stop was asked for. A signal handler may set it, but no Event: a second signal finds its lock taken."""

    def __init__(self) -> None:
        self.asked = False

    def set(self) -> None:
        """Ask for the stop."""
        self.asked = True


class End:
    """Whether this process is to end, and how long it may go on: it is cut off with status 1 if it hangs.

    Where the middleware hangs it holds the interpreter lock, and no signal is served: the time that is left needs no
    lock. Who sees that the process is to end finds the shorter time in force.
    """

    def __init__(self) -> None:
        self._event, self._lock = threading.Event(), threading.Lock()

    def is_set(self) -> bool:
        """Whether it is to end."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is to end, at most `timeout_s`; whether it is."""
        return self._event.wait(timeout_s)

    def not_yet(self) -> None:
        """Let the process go on for _STUCK_S; said again and again while it works."""
        with self._lock:
            if not self._event.is_set():
                faulthandler.dump_traceback_later(_STUCK_S, exit=True)

    def set(self) -> None:
        """Let the process end within _LAST_DEADLINE_S."""
        with self._lock:
            if not self._event.is_set():
                faulthandler.dump_traceback_later(_LAST_DEADLINE_S, exit=True)
                self._event.set()


def spin(
    node_class: Callable[..., Lifecycle], name: str, args: Sequence[str] | None = None, *, moved: bool = False
) -> int:
    """Run one node, or one for each name on the command line, until a signal or the end of the parent.

    ROS's own signal handling is off: it shuts the context down before a node can stop its device.

    Args:
        node_class: Makes a node of a name.
        name: The name of the node if the command line has none.
        args: The command line; None for that of the process.
        moved: Whether the drivers move what is in this process. If all processes end at the same time, as under
            `ros2 launch` or after the death of the supervisor, this one goes on until the drivers have braked.

    Returns:
        The exit code: 0 after a signal, 1 if a node failed.
    """
    end, started_by = End(), os.getppid()

    def request_end() -> None:
        if moved and _parent_ends(started_by):
            time.sleep(_BRAKING_S)
        end.set()

    _on_signal(request_end)
    nodes: list[Spinner] = []
    claims: list[Claim] = []  # until this process ends: two nodes of one name would respond to one request
    try:
        end.not_yet()
        parent.on_end_of_parent(request_end)
        if parent.VARIABLE in os.environ:
            shared_memory.close_inherited()
            udp_sockets.close_inherited()
        rclpy.init(args=None if args is None else list(args), signal_handler_options=SignalHandlerOptions.NO)
        names = remove_ros_args(args)[1:] or [name]
        for name in names:  # an error below is reported under this name
            node = node_class(name)
            nodes.append(Spinner(node, end))
            claims.append(Claim(name_of_node(node.get_fully_qualified_name(), node.context.get_domain_id())))
        for spinner in nodes:
            spinner.start()
        while not end.wait(_ALIVE_S):
            end.not_yet()
    except Exception as error:
        log.error(f"/{name}", error)
        return 1
    finally:
        end.set()
        _end(nodes)
        ignore_signals()
        if os.getppid() != started_by:  # no other process removes what a killed parent has left
            shared_memory.remove_dead()
    return int(any(node.failed for node in nodes))


def _parent_ends(started_by: int) -> bool:
    """Whether a signal comes with the end of the process that started this one: all others end at the same time."""
    deadline = time.monotonic() + _REPARENTED_S
    while not (ends := parent.VARIABLE in os.environ or os.getppid() != started_by) and time.monotonic() < deadline:
        time.sleep(0.02)
    return ends


class Spinner(threading.Thread):
    """The thread that spins one node until `end` is set, and then stops the node.

    Each node has its own executor: a callback that hangs does not delay the callbacks or the stop of other nodes.
    """

    def __init__(self, node: Lifecycle, end: End) -> None:
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
            log.error(self._node, error)
            self.failed = True
        self._end.set()
        self._node.stop()

    def wait(self) -> None:
        """Wait until the node has stopped; `end` is set by now."""
        if self.is_alive():
            self.join()

    def close(self) -> None:
        """Destroy the node, which has stopped."""
        self._executor.shutdown()  # at the end of the interpreter it may write an error to stderr
        self._node.destroy_node()

    def wake(self) -> None:
        """Make a waiting executor return, so that the thread checks `end`."""
        self._executor.create_task(lambda: None)

    def _serve(self) -> None:
        self._executor.add_node(self._node)
        if self._node.get_parameter("autostart").value and not autostart(self._node):
            self.failed = True
            return
        while rclpy.ok() and not self._end.is_set():
            self._executor.spin_once()


def autostart(node: Lifecycle) -> bool:
    """Configure and activate the node; False if either transition failed (the node has logged why)."""
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


def _on_signal(notify: Callable[[], Any]) -> None:
    """Call ``notify`` in a thread of its own on one of the signals.

    The main thread waits inside ROS, where Python's handlers do not run; the C-level handler writes to the wake-up
    descriptor in whichever thread receives the signal.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signals = stop_signals()
    for number in signals:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def wait(keep_open: Any = theirs) -> None:
        while ours.recv(1)[0] not in signals:
            pass
        notify()
        while ours.recv(1):  # both ends stay open: Python reports a signal that it cannot write to the descriptor
            pass

    threading.Thread(target=wait, name="signals", daemon=True).start()


def ignore_signals() -> None:
    """Ignore further signals: the process is ending, and must end in order.

    Under `ros2 launch` a Ctrl-C in a terminal arrives twice, from the terminal and from the launch process.
    """
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)


def _end(nodes: Sequence[Spinner]) -> None:
    """Stop the nodes and ROS; the process exits after the deadline even if a hook hangs."""
    cut = threading.Timer(_SHUTDOWN_DEADLINE_S, _cut_off)
    cut.daemon = True
    cut.start()
    for node in nodes:
        node.wake()
    for node in nodes:
        node.wait()
    udp_sockets.stop_receiving()
    for node in nodes:
        node.close()
    # A node whose constructor failed is in a cycle of references. Its participant must not be left to the end of the
    # process: it could leave a lock in the shared memory of others, or wait there without end.
    gc.collect()
    rclpy.try_shutdown()
    cut.cancel()
    signal.alarm(_UNLOADED_S)  # ends the process where nothing of Python is left


def _cut_off() -> None:
    print(f"error: shutdown took longer than {_SHUTDOWN_DEADLINE_S:g} s", file=sys.stderr, flush=True)
    os._exit(1)
