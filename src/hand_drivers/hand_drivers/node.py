"""The driver node: chunks in, joint states out, for one device. All that decides motion is in `hand_drivers.driver`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from contracts.files import parse_json_object
from contracts.latency import LatencyTrace
from embodiments.registry import Embodiment
from hand_drivers import settings
from hand_drivers.device import DeviceSettings, JointSample
from hand_drivers.driver import Driver
from hand_drivers.runtime import Runtime
from hand_drivers.settings import DriverSettings
from hand_drivers.state_machine import STILL_ASSERTED
from hand_drivers.status import ChunkStatus, State
from node_kit import cdr, diagnostics, log, messages, qos, scheduling
from node_kit.diagnostics import DiagnosticsPublisher
from node_kit.emergency_stop import EmergencyStop
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.messages import MessageStatus
from node_kit.parameters import Parameters
from node_kit.polled_subscription import DroppedMessages, QueuedSubscription

_LEVELS = {State.STOPPED: diagnostics.WARN, State.LOST: diagnostics.ERROR}


# Of the servo loops of a station, in periods: at 250 and 100 Hz no two begin within half a millisecond.
PHASES = {("left", "arm"): 0.0, ("left", "hand"): 0.25, ("right", "arm"): 0.5, ("right", "hand"): 0.75}


class DriverParameters(DriverSettings, Parameters):
    """Parameters of a driver node."""

    renamed: ClassVar[dict[str, str]] = {**DriverSettings.renamed, "stop_all": "estop_on_fault"}

    side: Literal["left", "right"] = Field(description="side of the station")
    embodiment: str = Field(description="name of the robot, as in the embodiments package")
    device: str = Field(description="name of the device plug-in (entry-point group hand_drivers.devices)")
    address: str = Field(default="", description="where the device is, in the plug-in's own terms")
    options: str = Field(default="{}", description="the plug-in's own options, a JSON object")
    estop_on_fault: bool = Field(
        default=True, description="a fault or loss of this device asserts the emergency stop of its station"
    )

    def device_settings(self, robot: Embodiment) -> DeviceSettings:
        """What the plug-in is made from. Raises ValueError for options that are no JSON object."""
        options = parse_json_object(self.options, "parameter 'options'")
        return DeviceSettings(robot, self.side, self.part, self.address, options, self.rt_priority)


class DriverNode(Lifecycle):
    """Subscribes <side>/<part>/command and estop, publishes <side>/<part>/joint_states; ~/stop and ~/reset."""

    Parameters = DriverParameters
    _runtime: Runtime | None = None

    def configure(self, parameters: DriverParameters) -> None:
        """Load the robot and its plug-in; activation connects the device."""
        self._robot = robot = settings.load_robot(parameters.embodiment, parameters.side, parameters.part)
        device = settings.make_device(parameters.device, parameters.device_settings(robot))
        limits = settings.motion_limits(robot, parameters.velocity_scaling)
        self._driver = Driver(device, limits, parameters)
        on_fault = self._stop_station if parameters.estop_on_fault else lambda fault: None
        phase = PHASES[parameters.side, parameters.part]
        self._runtime = Runtime(self._driver, self._publish, on_fault, self._take_commands, phase)
        self._joints, self._latency, self._logged = list(robot.joints), LatencyTrace(), ""
        self._conflict = ""  # the newest
        self._dropped, self._step_ns = DroppedMessages(), time.monotonic_ns()
        self._in_real_time = parameters.rt_priority > 0
        self._connect_topics(f"{parameters.side}/{parameters.part}")
        name = f"driver/{parameters.side}/{parameters.part}"
        self.keep(DiagnosticsPublisher(self, name, self._report))

    def activate(self) -> None:
        """Connect the device and hold it at its position."""
        if self._in_real_time:
            scheduling.schedule_in_real_time(scheduling.HELPER_PRIORITY, inherited=True)
        assert self._runtime is not None, "activate comes after configure"
        self._commands.start()
        self._runtime.start()

    def deactivate(self) -> None:
        """Brake to rest, stop the device, disconnect."""
        if self._runtime is not None:
            self._runtime.stop()
            self._commands.stop()

    def reconfigure(self, parameters: DriverParameters) -> None:
        """Apply settings that change at run time from the next period on."""
        self._driver.adjust(parameters, settings.motion_limits(self._robot, parameters.velocity_scaling))

    def cleanup(self) -> None:
        """Release the device."""
        self._runtime = None

    def _connect_topics(self, prefix: str) -> None:
        self._publisher = self.keep(self.create_publisher(JointState, f"{prefix}/joint_states", qos.STATE))
        command = (JointTrajectory, f"{prefix}/command", self._on_command, qos.COMMAND, self._on_conflict)
        self._commands = self.keep(QueuedSubscription(self, *command, serialized=True))
        self._estop = self.keep(EmergencyStop(self, self._driver.estop))
        self.keep(self.create_service(Trigger, "~/stop", self._on_stop))
        self.keep(self.create_service(Trigger, "~/reset", self._on_reset))

    def _take_commands(self, now_ns: int) -> None:
        """What came since the last step of the servo loop; the next begins now."""
        self._step_ns = now_ns
        self._commands.deliver()

    def _on_command(self, message: bytes, info: Mapping[str, int]) -> None:
        self._dropped.take(info)
        received_ns = info["received_timestamp"]  # 0 from a middleware without it
        chunk, status = messages.read_chunk(message, self._joints)
        taken_ns = time.time_ns()
        stamp_ns = chunk.stamp_ns
        self._driver.trace.arrived(taken_ns - received_ns if received_ns else 0, stamp_ns, taken_ns - stamp_ns)
        if status is not MessageStatus.OK:
            self._driver.refuse(ChunkStatus(status.value))
            return
        now_ns = self._step_ns
        wall_ns = time.time_ns() - (time.monotonic_ns() - now_ns)
        if self._driver.accept_chunk(chunk, now_ns, wall_ns) is ChunkStatus.ACCEPTED:
            self._latency.add((wall_ns - chunk.stamp_ns) * 1e-6)
            self._begin_figures()

    def _on_conflict(self, reason: str) -> None:
        """Refuse a command that is not from the only publisher, and print who there is."""
        self._driver.disown(reason, self._step_ns)
        if reason != self._conflict:
            self._conflict = reason
            log.warning(self, f"refused: {reason}")

    def _begin_figures(self) -> None:
        """Reset the figures of the servo loop at the first chunk: other nodes start before, and disturb its timing."""
        if self._runtime is not None and self._driver.counts.chunks == 1:
            self._runtime.servo.forget()

    def _on_stop(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._driver.stop("stop requested")
        state = self._driver.state
        response.success = state is not State.LOST  # what a lost device does is not known
        response.message = ": ".join(filter(None, (str(state), self._driver.reason)))
        return response

    def _on_reset(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        stopped = self._driver.state is State.STOPPED and not self._estop.asserted
        if stopped and (others := self._estop.held_by_others()):
            response.success, response.message = False, f"{STILL_ASSERTED} at {', '.join(others)}"
        else:
            response.success, response.message = self._driver.reset()
        return response

    def _stop_station(self, fault: str) -> None:
        """What one robot does is no good without the other: all stop, and a person releases them."""
        log.warning(self, f"emergency stop for all: {fault}")
        self._estop.assert_stop()

    def _publish(self, sample: JointSample) -> None:
        values = (sample.position, sample.velocity, sample.effort)
        self._publisher.publish(cdr.joint_state(self._joints, sample.stamp_ns, *values))

    def _report(self) -> diagnostics.Report:
        assert self._runtime is not None, "diagnostics end at cleanup"
        self._estop.check()
        driver, counts, servo = self._driver, self._driver.counts, self._runtime.servo
        state, reason = driver.state, driver.reason
        self._log(state, reason)
        speed, acceleration = driver.audit.peaks()
        values = {
            "state": str(state),
            "reason": reason,
            "velocity_scaling": driver.settings.velocity_scaling,
            "rate_hz": round(servo.rate_hz(), 2),
            **servo.jitter.values("period_jitter"),
            **servo.work.values("step"),
            "period_histogram": " ".join(map(str, servo.histogram)),
            "longest_period_ms": round(servo.longest_ms, 3),
            "long_gaps": servo.long_gaps,
            "overruns": servo.overruns,
            "real_time": str(servo.real_time),
            "pinned": str(servo.pinned),
            "limited": counts.limited,
            "held": counts.held,
            "refused": counts.refused,
            "refusal": driver.refusal,
            "missed": counts.missed,
            "lost": counts.lost,
            "miss": driver.miss,
            "chunks": counts.chunks,
            "dropped": self._dropped.count,
            "outside_limits": driver.audit.outside,
            "peak_velocity_share": round(speed, 4),
            "peak_acceleration_share": round(acceleration, 4),
            **self._latency.values("camera_to_command"),
            **driver.trace.whole.values("command_to_write"),
            **driver.trace.overhead.values("command_overhead"),
            **driver.trace.hops.values(),
        }
        return _LEVELS.get(state, diagnostics.OK), str(state), values

    def _log(self, state: State, reason: str) -> None:
        """One line whenever the driver stopped, lost its device or left that state."""
        line = f"{state}: {reason}; it stays so until its service ~/reset is called" if state in _LEVELS else ""
        if line != self._logged:
            self._logged = line
            log.warning(self, line or f"{state} again")


def main() -> int:
    """Entry point of the executable `driver_node`."""
    scheduling.prompt()
    return spin(DriverNode, "driver")


if __name__ == "__main__":
    sys.exit(main())
