"""A connection to the control box of an xArm, which its arm and its gripper each open."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from pydantic import Field

from hand_drivers.device import DeviceError
from node_kit.scheduling import schedule_in_real_time

CONTROL_PORT = 502
PORT = Field(CONTROL_PORT, ge=1, le=65535, description="control port of the box; another one only for emulators")


class Box:
    """The SDK's object; whatever its calls raise is a DeviceError here. Of an answer that is too short they read what
    is not there.
    """

    def __init__(self, arm: Any) -> None:
        self._arm = arm

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._arm, name)
        return _guarded(name, found) if callable(found) else found


def _guarded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except Exception as error:  # the SDK raises bare exceptions
            raise DeviceError(f"{name}: {type(error).__name__}: {error}") from error

    return guarded


def open_box(address: str, port: int, answer_s: float, connect_s: float, priority: int = 0) -> Box:
    """The SDK's object, connected, nothing enabled; its threads get `priority`. Raises DeviceError.

    The SDK waits for minutes on a host that accepts and stays silent, so it connects in a thread that is given up.
    """
    found: list[Any] = []
    given_up = threading.Event()
    asked = (address, port, answer_s, priority, found, given_up)
    opening = threading.Thread(target=_open, args=asked, name=f"xarm {address}", daemon=True)
    opening.start()
    opening.join(connect_s)
    given_up.set()
    if not found:
        raise DeviceError(f"no answer in {connect_s:g} s")
    if isinstance(found[0], Exception):
        raise DeviceError(str(found[0]))
    return Box(found[0])


def _open(address: str, port: int, answer_s: float, priority: int, found: list[Any], given_up: threading.Event) -> None:
    before = socket.getdefaulttimeout()
    try:
        from xarm.core.config.x_config import XCONF
        from xarm.core.utils.log import logger
        from xarm.wrapper import XArmAPI

        logger.setLevel(logger.ERROR)  # without the report it takes each target for one in a wrong mode, and warns
        if port != CONTROL_PORT:  # the SDK has no parameter for it
            XCONF.SocketConf.TCP_CONTROL_PORT = port
        schedule_in_real_time(priority, inherited=True)  # the thread that gets the answers starts from here
        arm = XArmAPI(
            address,
            is_radian=True,
            do_not_open=True,
            enable_report=False,  # what is needed is asked for; its thread would look for a report 1000 times a second
            forbid_uds=True,
            timed_comm=False,
            check_joint_limit=False,  # the motion guard's; this check lets NaN pass
        )
        arm.connect()
        arm.set_timeout([answer_s])
        found.append(arm)
        if given_up.is_set():  # nobody else would ever close it
            arm.disconnect()
    except Exception as error:  # the SDK raises bare exceptions
        found.append(error)
    finally:
        socket.setdefaulttimeout(before)  # the SDK sets one for the whole process
