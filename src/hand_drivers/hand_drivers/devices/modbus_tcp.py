"""A Modbus TCP client that never takes a late response for that to a newer request.

The maker's library takes any 12 bytes for the acknowledgement of a target. `pymodbus` is too strict: the transaction
ids in an Inspire hand's responses are said to be off by one.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

from hand_drivers.device import DeviceError

HEAD = struct.Struct(">HHHB")  # transaction, protocol (0), length of what follows, unit
READ, WRITE, EXCEPTION = 3, 16, 0x80
LONGEST = 254  # bytes after the length
OFFSETS = (0, 1, 0xFFFF)  # of a response's transaction id from the request's, modulo 65536; constant in a connection
IDS = 0x10000
QUICK_ACK = getattr(socket, "TCP_QUICKACK", socket.TCP_NODELAY)  # the former is Linux's, and holds for one response


class ModbusError(DeviceError):
    """The bytes received are no Modbus TCP, so the connection has to be opened again."""


class Transactions:
    """Requests and the responses to them in one connection, one at a time. No socket and no clock."""

    def __init__(self, unit: int) -> None:
        self._unit, self._number, self._buffer = unit, 0, b""
        self._offset: int | None = None  # known from the first response

    @property
    def matched(self) -> bool:
        """Whether there was a response, so that late ones can be distinguished."""
        return self._offset is not None

    def request(self, body: bytes) -> bytes:
        """The bytes of the next request, `body` being function and parameters."""
        self._number = (self._number + 1) % IDS
        return HEAD.pack(self._number, 0, len(body) + 1, self._unit) + body

    def response(self, data: bytes) -> bytes | None:
        """Take received bytes.

        Args:
            data: The bytes.

        Returns:
            Function and data of the response to the last request, None before it is complete. Responses to earlier
            requests are discarded.

        Raises:
            ModbusError: The bytes are no Modbus TCP.
        """
        self._buffer += data
        found = None
        while len(self._buffer) > HEAD.size:
            number, protocol, length, unit = HEAD.unpack_from(self._buffer)
            if protocol or not 2 <= length <= LONGEST or unit != self._unit:
                raise ModbusError(f"found {self._buffer[: HEAD.size].hex(' ')}, expected the head of a response")
            if len(self._buffer) < 6 + length:
                break
            body, self._buffer = self._buffer[HEAD.size : 6 + length], self._buffer[6 + length :]
            if self._matches(number):
                found = body
        return found

    def _matches(self, number: int) -> bool:
        offset = (number - self._number) % IDS
        if self._offset is None and offset in OFFSETS:
            self._offset = offset
        return offset == self._offset


class ModbusTcp:
    """A client of one unit. After an error it is still usable: it connects again where responses cannot be matched."""

    def __init__(self, host: str, port: int, unit: int, answer_s: float) -> None:
        """Connect.

        Args:
            host: Host.
            port: Port.
            unit: Number of the unit.
            answer_s: Longest wait for a connection or a response.

        Raises:
            OSError: There is no connection.
        """
        self._address, self._unit, self._answer_s = (host, port), unit, answer_s
        self._socket: socket.socket | None = None
        self._open()

    def read(self, address: int, count: int) -> list[int]:
        """Read `count` registers.

        Raises:
            DeviceError: There is no valid response.
        """
        body = self._exchange(struct.pack(">BHH", READ, address, count))
        if len(body) != 2 + 2 * count or body[:2] != bytes([READ, 2 * count]):
            raise DeviceError(f"register {address}: found {body.hex(' ')}, expected {count} registers")
        return list(struct.unpack(f">{count}H", body[2:]))

    def write(self, address: int, words: Sequence[int]) -> None:
        """Write registers.

        Raises:
            DeviceError: They were not acknowledged.
        """
        head = struct.pack(">BHH", WRITE, address, len(words))
        body = self._exchange(head + struct.pack(f">B{len(words)}H", 2 * len(words), *words))
        if body != head:
            raise DeviceError(f"register {address}: found {body.hex(' ')}, expected an acknowledgement")

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        self._socket, self._transactions = (
            socket.create_connection(self._address, self._answer_s),
            Transactions(self._unit),
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _exchange(self, body: bytes) -> bytes:
        """The body of the response to a request."""
        try:
            return self._response(self._socket or self._open(), body)
        except TimeoutError:
            if not self._transactions.matched:  # the late response to this request could be taken for that to the next
                self.close()
            raise DeviceError(f"no response in {self._answer_s:g} s") from None
        except (OSError, ModbusError) as error:
            self.close()
            raise DeviceError(str(error)) from error

    def _response(self, connection: socket.socket, body: bytes) -> bytes:
        deadline = time.monotonic() + self._answer_s
        connection.settimeout(self._answer_s)
        connection.sendall(self._transactions.request(body))
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            # A device may hold a response back until the one before is acknowledged, which Linux delays by 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
            data = connection.recv(4096)
            if not data:
                raise ModbusError("the connection was closed")
            found = self._transactions.response(data)
            if found is not None:
                return found
        raise TimeoutError
