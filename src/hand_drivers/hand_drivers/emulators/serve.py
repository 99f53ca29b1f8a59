"""Puts an emulated device on a wire: a pseudo terminal or a TCP port of this machine."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Protocol as TypingProtocol

from hand_drivers.emulators.faults import Faults

POLL_S = 0.05


class Protocol(TypingProtocol):
    """One connection's half of a conversation."""

    def receive(self, data: bytes) -> bytes:
        """The answers to the requests that `data` completes."""


class _Server:
    """A thread that serves until it is closed; a context manager."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="emulator", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Stop answering."""
        self._end.set()
        self._thread.join(2.0)

    def __enter__(self):
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class PtyServer(_Server):
    """A serial device; `port` is the terminal to open."""

    def __init__(self, protocol: Protocol, faults: Faults) -> None:
        self._protocol, self._faults = protocol, faults
        self._master, self._slave = os.openpty()  # ours stays open, or clients that leave would end the terminal
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        super().__init__()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._master, selectors.EVENT_READ)
            while not self._end.is_set():
                if selector.select(POLL_S):
                    answer = self._faults.applied(self._protocol.receive(os.read(self._master, 4096)))
                    if answer:
                        os.write(self._master, answer)

    def close(self) -> None:
        super().close()
        os.close(self._master)
        os.close(self._slave)


class TcpServer(_Server):
    """A device on a TCP port; port 0 takes any that is free. Each connection has a protocol of its own."""

    def __init__(self, make: Callable[[], Protocol], faults: Faults, host: str = "127.0.0.1", port: int = 0) -> None:
        self._make, self._faults = make, faults
        self._listener = socket.create_server((host, port))
        self.host, self.port = self._listener.getsockname()[:2]
        super().__init__()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._end.is_set():
                for key, _ in selector.select(POLL_S):
                    if key.fileobj is self._listener:
                        client = self._listener.accept()[0]
                        selector.register(client, selectors.EVENT_READ, self._make())
                    elif not self._answer(key.fileobj, key.data):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                if self._faults.refuse:
                    self._drop(selector)
            self._drop(selector)
        self._listener.close()

    def _answer(self, client: socket.socket, protocol: Protocol) -> bool:
        """Serve a client that has something to say; False when it has left."""
        with contextlib.suppress(OSError):
            data = client.recv(4096)
            if data:
                client.sendall(self._faults.applied(protocol.receive(data)))
                return True
        return False

    def _drop(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            if key.fileobj is not self._listener:
                selector.unregister(key.fileobj)
                key.fileobj.close()
