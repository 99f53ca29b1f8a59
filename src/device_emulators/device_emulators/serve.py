"""Servers for emulated devices: a pseudo terminal or a TCP port of this machine."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import sys
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from typing import Protocol as TypingProtocol

from device_emulators.faults import Faults
from device_emulators.lag import JointsError

POLL_S = 0.05


class Protocol(TypingProtocol):
    """The protocol of one connection."""

    def receive(self, data: bytes) -> bytes:
        """The responses to the requests that `data` completes."""
        ...


def answered(protocol: Protocol, data: bytes, faults: Faults) -> bytes:
    """The bytes that are sent in response to `data`."""
    try:
        return faults.applied(protocol.receive(data))
    except JointsError:
        return b""


def report(error: Exception) -> None:
    """Print an unexpected error on stderr, in one line."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"emulator: {words}", file=sys.stderr, flush=True)


class Loop:
    """Calls `step`, which waits at most POLL_S, in a thread. A step that fails is reported, and the loop goes on."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step, self._end = step, threading.Event()
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the loop and wait for the current step."""
        self._end.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._step()
            except Exception as error:  # an emulator that ends without a report looks like a fault of the driver
                report(error)
                self._end.wait(POLL_S)


class Outbox:
    """Responses in order, each with its time of sending: a delayed response does not block the next request."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Callable[[], object]]] = deque()

    def put(self, late_s: float, send: Callable[[], object]) -> None:
        """Call `send` in the first `flush` after `late_s`."""
        self._waiting.append((time.monotonic() + late_s, send))

    def flush(self) -> None:
        """Send what is due; errors of closed connections are ignored."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):
                self._waiting.popleft()[1]()

    @property
    def wait_s(self) -> float:
        """Longest time to wait for the next request, s."""
        return min(max(self._waiting[0][0] - time.monotonic(), 0.0), POLL_S) if self._waiting else POLL_S


class PtyServer(contextlib.AbstractContextManager):
    """A device on a pseudo terminal; clients open `port`."""

    def __init__(self, protocol: Protocol, faults: Faults) -> None:
        self._protocol, self._faults = protocol, faults
        self._master, self._slave = os.openpty()  # the slave stays open: the terminal ends with its last user
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._master, selectors.EVENT_READ)
        self._late = Outbox()
        self._loop = Loop(self._serve)

    def close(self) -> None:
        """Stop serving."""
        self._loop.end()
        self._selector.close()
        os.close(self._master)
        os.close(self._slave)

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        if self._selector.select(self._late.wait_s):
            answer = answered(self._protocol, os.read(self._master, 4096), self._faults)
            if answer:
                self._late.put(self._faults.delay_s(), lambda: os.write(self._master, answer))
        self._late.flush()


class TcpServer(contextlib.AbstractContextManager):
    """A device on a TCP port; 0 selects a free one. Each connection has its own protocol."""

    def __init__(self, make: Callable[[], Protocol], faults: Faults, host: str = "127.0.0.1", port: int = 0) -> None:
        self._make, self._faults = make, faults
        self._listener = socket.create_server((host, port))
        self.host, self.port = self._listener.getsockname()[:2]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._late: dict[socket.socket, Outbox] = {}  # a late response delays those of its own connection only
        self._loop = Loop(self._serve)

    def close(self) -> None:
        """Stop serving, and close all connections."""
        self._loop.end()
        self._drop()
        self._selector.close()
        self._listener.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        for key, _ in self._selector.select(min((late.wait_s for late in self._late.values()), default=POLL_S)):
            if key.data is None:
                client = self._listener.accept()[0]
                self._selector.register(client, selectors.EVENT_READ, (client, self._make()))
                self._late[client] = Outbox()
            elif not self._answer(*key.data):
                self._close(key.data[0])
        if self._faults.refuse:
            self._drop()
        for late in self._late.values():
            late.flush()

    def _answer(self, client: socket.socket, protocol: Protocol) -> bool:
        """Respond to a client; False if its connection has ended, or must be closed."""
        try:
            data = client.recv(4096)
            if data:
                answer = answered(protocol, data, self._faults)
                self._late[client].put(self._faults.delay_s(), lambda: client.sendall(answer))
                return True
        except OSError:
            return False
        except Exception as error:  # of the protocol: other connections go on
            report(error)
        return False

    def _drop(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._close(key.data[0])

    def _close(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._late[client]
        client.close()
