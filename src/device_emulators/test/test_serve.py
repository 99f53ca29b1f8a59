"""Emulators continue to serve after errors of their protocols, and report them."""

from __future__ import annotations

import os
import socket
import time

import pytest

from device_emulators.faults import Faults
from device_emulators.serve import Loop, PtyServer, TcpServer
from node_kit.testing import until

pytestmark = pytest.mark.graph


class Echo:
    """Returns what it receives; raises an error on 'x'."""

    def receive(self, data: bytes) -> bytes:
        if data == b"x":
            raise ValueError("nobody\nforesaw this")
        return data


LINE = "emulator: ValueError: nobody foresaw this\n"


def test_a_failing_protocol_is_reported_and_the_next_request_is_served(capfd):
    with PtyServer(Echo(), Faults()) as server:
        terminal = os.open(server.port, os.O_RDWR | os.O_NOCTTY)
        os.write(terminal, b"x")
        printed: list[str] = []
        assert until(lambda: printed.append(capfd.readouterr().err) or "".join(printed) == LINE)
        os.write(terminal, b"hello")
        assert os.read(terminal, 100) == b"hello"
        os.close(terminal)


def test_a_failing_tcp_protocol_closes_its_own_connection_only(capfd):
    with TcpServer(Echo, Faults()) as server:
        first, second = (socket.create_connection((server.host, server.port), 5) for _ in range(2))
        first.sendall(b"x")
        assert first.recv(100) == b""
        assert capfd.readouterr().err == LINE
        second.sendall(b"hello")
        assert second.recv(100) == b"hello"
        first.close()
        second.close()


def test_a_late_response_does_not_delay_the_next_request():
    requests: list[tuple[float, bytes]] = []

    class Recorder(Echo):
        def receive(self, data: bytes) -> bytes:
            requests.append((time.monotonic(), data))
            return data

    with (
        TcpServer(Recorder, Faults(late_s=0.4)) as server,
        socket.create_connection((server.host, server.port), 5) as client,
    ):
        began = time.monotonic()
        client.sendall(b"one")
        assert until(lambda: len(requests) == 1)
        client.sendall(b"two")
        assert until(lambda: len(requests) == 2)
        assert requests[1][0] - began < 0.4
        assert client.recv(3) == b"one" and time.monotonic() - began >= 0.4
        assert client.recv(3) == b"two"


def test_a_client_that_disconnects_is_not_reported(capfd):
    with TcpServer(Echo, Faults()) as server:
        socket.create_connection((server.host, server.port), 5).close()
        with socket.create_connection((server.host, server.port), 5) as other:
            other.sendall(b"hello")
            assert other.recv(100) == b"hello"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("failures", [1, 3])
def test_a_failing_step_is_reported_each_time_and_retried(capfd, failures):
    steps = []

    def step() -> None:
        steps.append(None)
        if len(steps) <= failures:
            raise KeyError("register")

    loop = Loop(step)
    assert until(lambda: len(steps) > failures)
    loop.end()
    assert capfd.readouterr().err == "emulator: KeyError: 'register'\n" * failures
