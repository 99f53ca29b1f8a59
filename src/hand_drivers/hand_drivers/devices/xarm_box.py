"""A connection to the control box of an xArm; its arm and its gripper each have one."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

from pydantic import Field

from hand_drivers.device import DeviceError
from hand_drivers.devices.modbus_tcp import QUICK_ACK
from node_kit.scheduling import schedule_in_real_time

CONTROL_PORT = 502
NO_RESPONSE = 3  # the SDK's code
PORT = Field(default=CONTROL_PORT, ge=1, le=65535, description="control port of the box; another only for emulators")


def place(address: str, port: int) -> str:
    """Where a box is, as text: its host, with the port if that is not the usual one."""
    return address if port == CONTROL_PORT else f"{address}:{port}"


class Box:
    """The SDK's object; exceptions of its calls become DeviceErrors, such as an IndexError for a short response.

    After a missing response the next ones are acknowledged at once: a box may hold a response back until the late one
    before it is acknowledged, which Linux delays by 40 ms, as long as the driver waits.
    """

    def __init__(self, arm: Any) -> None:
        self._arm = arm

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._arm, name)
        return self._guarded(name, found) if callable(found) else found

    def _guarded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                found = call(*args, **kwargs)
                if (found[0] if isinstance(found, tuple) else found) == NO_RESPONSE:
                    self.line.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
                return found
            except Exception as error:  # the SDK raises bare exceptions
                raise DeviceError(f"{name}: {type(error).__name__}: {error}") from error

        return guarded

    @property
    def line(self) -> socket.socket:
        """The SDK's connection, for which it has no public name."""
        return self._arm._arm.arm_cmd.arm_port.com


def open_box(address: str, port: int, answer_s: float, connect_s: float, priority: int = 0) -> Box:
    """Connect to the box; nothing is enabled.

    The SDK waits for minutes for a host that accepts and does not respond, so it connects in a thread that is abandoned
    then.

    Args:
        address: Host.
        port: Control port.
        answer_s: Longest wait for a response, s.
        connect_s: Longest time to connect, s.
        priority: Real-time priority of the SDK's threads; 0: none.

    Raises:
        DeviceError: If it cannot be connected.
    """
    found: list[Any] = []
    abandoned = threading.Event()
    arguments = (address, port, answer_s, priority, found, abandoned)
    opening = threading.Thread(target=_open, args=arguments, name=f"xarm {address}", daemon=True)
    opening.start()
    opening.join(connect_s)
    abandoned.set()
    if not found:
        raise DeviceError(f"no response in {connect_s:g} s")
    if isinstance(found[0], Exception):
        raise DeviceError(str(found[0]))
    return Box(found[0])


def _open(
    address: str, port: int, answer_s: float, priority: int, found: list[Any], abandoned: threading.Event
) -> None:
    before = socket.getdefaulttimeout()
    try:
        from xarm.core.config.x_config import XCONF
        from xarm.core.utils.log import logger
        from xarm.wrapper import XArmAPI

        logger.setLevel(logging.ERROR)  # without the report it warns of a wrong mode at each target
        if port != CONTROL_PORT:  # the SDK has no parameter for it
            XCONF.SocketConf.TCP_CONTROL_PORT = port
        schedule_in_real_time(priority, inherited=True)  # the receiving thread is started from this one
        arm = XArmAPI(
            address,
            is_radian=True,
            do_not_open=True,
            enable_report=False,  # not used, and its thread would poll 1000 times a second
            forbid_uds=True,
            timed_comm=False,
            check_joint_limit=False,  # done by the motion guard; this check lets NaN pass
        )
        arm.connect()
        arm.set_timeout([answer_s])
        found.append(arm)
        if abandoned.is_set():  # not closed elsewhere
            arm.disconnect()
    except Exception as error:  # the SDK raises bare exceptions
        found.append(error)
    finally:
        socket.setdefaulttimeout(before)  # the SDK sets one for the whole process
