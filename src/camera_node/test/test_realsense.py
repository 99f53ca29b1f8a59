"""RealSense: the real library with an emulated device, the mapping of its clock, and the errors of a lost camera."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from capture_bench import Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from software_camera import FOCAL, HEIGHT, OPTIONS, SERIAL, WIDTH, Camera, absent, rs

from camera_node import capture as capture_module
from camera_node.capture import Capture
from camera_node.device_clock import WINDOW, WRAP_US, DeviceClock
from camera_node.monitor import FrameMonitor
from camera_node.realsense import MOST_RESETS, RealSenseSource, choose
from camera_node.source import SourceError

needs_library = pytest.mark.skipif(bool(absent), reason=absent)
MILLISECOND = 1_000_000
START_NS = 10**15


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def source(camera: Camera) -> Iterator[RealSenseSource]:
    source = RealSenseSource(OPTIONS, camera.query)
    source.open()
    yield source
    source.close()


@pytest.fixture
def bench(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The camera gives frames, a capture reads them, and opens it again soon."""
    monkeypatch.setattr(capture_module, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(capture_module, "LAST_BACKOFF_S", 0.05)
    bench = Bench(None)
    bench.camera = camera
    source = RealSenseSource(OPTIONS, camera.query)
    monitor = FrameMonitor(source.rate_hz, source.always_changes)
    bench.capture = Capture(source, monitor, bench.frames.append, bench._on_change, 0.3)
    camera.live()
    yield bench.stream()
    bench.capture.stop()
    camera.end()


@needs_library
def test_frames_are_rgb_copies_with_the_field_of_view_of_the_stream_s_lens(camera, source):
    camera.give(7)
    first = source.read()
    camera.give(9)
    second = source.read()
    assert first.rgb.shape == (HEIGHT, WIDTH, 3) and first.rgb.dtype == np.uint8
    assert first.rgb.flags.owndata, "the library has few frames, none may be kept"
    assert (first.rgb == (7, 7, 200)).all() and (second.rgb == (9, 9, 200)).all()
    assert source.fovy_deg == pytest.approx(2 * np.degrees(np.arctan(HEIGHT / 2 / FOCAL)))
    assert source.rate_hz == OPTIONS["rate_hz"] and source.always_changes


@needs_library
@pytest.mark.parametrize("stereo", ["this", "another"])
def test_depth_comes_in_mm_with_the_color_of_the_same_moment(stereo):
    camera = Camera(depth=stereo == "this", stereo=stereo)
    source = RealSenseSource(OPTIONS | {"depth": True}, camera.query)
    source.open()
    frames = []
    for value in range(1, 6):
        stamp_ms = time.time() * 1e3 - 1000 + 100 * value
        camera.give_depth(10_000 + 10 * value, stamp_ms)
        camera.give(value, stamp_ms)
        frames += [frame for frame in [source.read()] if frame is not None]
    source.close()
    with_depth = [frame for frame in frames if frame.depth is not None]
    assert source.gives_depth and len(with_depth) >= 3
    for frame in with_depth:
        assert frame.depth.shape == (HEIGHT, WIDTH) and frame.depth.dtype == np.uint16 and frame.depth.flags.owndata
        middle = frame.depth[HEIGHT // 2, WIDTH // 2]
        assert middle == 1000 + int(frame.rgb[0, 0, 0]), "in mm, and of the same moment"
    assert all(a.stamp_ns < b.stamp_ns for a, b in itertools.pairwise(frames))


@needs_library
def test_color_continues_when_depth_is_missing():
    camera = Camera(stereo="another")
    source = RealSenseSource(OPTIONS | {"depth": True}, camera.query)
    source.open()
    frames = []
    for value in range(20):
        camera.give(value)
        frames += [frame for frame in [source.read()] if frame is not None]
    source.close()
    assert len(frames) >= 10 and all(frame.depth is None for frame in frames)


@needs_library
def test_depth_that_a_camera_does_not_have_is_refused(camera):
    with pytest.raises(SourceError, match="option 'depth': depth modes found none; expected one with @"):
        RealSenseSource(OPTIONS | {"depth": True}, camera.query).open()


@needs_library
def test_the_newest_frame_is_read_when_several_are_waiting(camera, source):
    for value in range(5):
        camera.give(value)
    assert source.read().rgb[0, 0, 0] == 4
    assert source.read() is None


@needs_library
@pytest.mark.parametrize("domain", ["system_time", "global_time"])
def test_stamps_on_the_system_clock_are_kept_and_never_in_the_future(camera, source, domain):
    taken_ms = time.time() * 1e3 - 40
    camera.give(1, taken_ms, domain)
    assert source.read().stamp_ns == pytest.approx(taken_ms * 1e6, abs=1000)
    camera.give(2, time.time() * 1e3 + 5000, domain)
    assert source.read().stamp_ns <= time.time_ns()


@needs_library
def test_stamps_are_mapped_to_the_system_clock_even_when_that_is_set(camera, source, monkeypatch):
    camera.give(1, 2000.0, "hardware_clock")
    before_ns = time.time_ns() - 10**9
    assert before_ns < source.read().stamp_ns <= time.time_ns()
    assert source.read() is None  # 100 ms pass, of which the camera's clock counts 10: the next frame was delayed
    camera.give(2, 2010.0, "hardware_clock")
    monkeypatch.setattr(time, "time_ns", lambda: 7 * START_NS)
    assert 60 * MILLISECOND < 7 * START_NS - source.read().stamp_ns < 1000 * MILLISECOND


@needs_library
def test_waiting_is_bounded_and_a_lost_camera_is_an_error(camera, source):
    began_s = time.monotonic()
    assert source.read() is None
    assert time.monotonic() - began_s > 0.05
    camera.condition = "unplugged"
    with pytest.raises(SourceError, match=f"^realsense {SERIAL}: gone"):
        source.read()


@needs_library
def test_an_absent_camera_is_named():
    with pytest.raises(SourceError, match="found cameras none, expected one"):
        RealSenseSource({}, list).open()


@needs_library
def test_an_unknown_mode_is_refused_and_the_known_ones_are_named(camera):
    camera.register_info(rs.camera_info.usb_type_descriptor, "2.1")
    source = RealSenseSource(OPTIONS | {"width": 1280}, camera.query)
    with pytest.raises(SourceError) as raised:
        source.open()
    source.close()
    rate = OPTIONS["rate_hz"]
    assert str(raised.value) == (
        f"realsense {SERIAL} over USB 2.1: color modes found {WIDTH}x{HEIGHT}@{rate}, {2 * WIDTH}x{2 * HEIGHT}@{rate}; "
        f"expected 1280x{HEIGHT}@{rate}"
    )


@needs_library
@pytest.mark.parametrize(("depth", "value"), [(False, 80), (True, 8000)], ids=["color sensor", "depth sensor"])
def test_exposure_and_gain_are_set_in_the_sensor_s_units(depth, value):
    camera = Camera(depth=depth)
    for option in (rs.option.enable_auto_exposure, rs.option.auto_exposure_priority):
        camera.add_option(option, 0, 1)
        camera.sensor.set_option(option, 1)
    camera.add_option(rs.option.exposure, 1, 10_000)
    camera.add_option(rs.option.gain, 0, 128)
    source = RealSenseSource(OPTIONS | {"exposure_us": 8000, "gain": 64}, camera.query)
    source.open()
    source.close()
    assert camera.sensor.get_option(rs.option.exposure) == value and camera.sensor.get_option(rs.option.gain) == 64
    assert camera.sensor.get_option(rs.option.enable_auto_exposure) == 0
    source = RealSenseSource(OPTIONS, camera.query)
    source.open()
    source.close()
    assert camera.sensor.get_option(rs.option.enable_auto_exposure) == 1
    assert camera.sensor.get_option(rs.option.auto_exposure_priority) == 0


@needs_library
@pytest.mark.parametrize(
    ("with_option", "expected"),
    [(True, "found 20, expected 100 to 1000000"), (False, "found 20, expected 0: the camera does not support it")],
)
def test_an_exposure_that_the_camera_cannot_have_is_refused(camera, with_option, expected):
    if with_option:
        camera.add_option(rs.option.exposure, 1, 10_000)
    with pytest.raises(SourceError, match=f"realsense {SERIAL}: option 'exposure_us': {expected}"):
        RealSenseSource(OPTIONS | {"exposure_us": 20}, camera.query).open()


@needs_library
@pytest.mark.parametrize(("condition", "state"), [("silent", "stopped"), ("frozen", "frozen")])
def test_a_stopped_or_frozen_camera_is_reported_as_such(bench, condition, state):
    bench.change(condition)
    bench.wait_for_state(state)


@needs_library
def test_an_unplugged_camera_is_reported_and_streams_when_it_is_back(bench):
    bench.change("unplugged")
    bench.wait_for_state("lost")
    bench.wait_for(lambda: "found cameras none" in bench.capture.problem, "an attempt to open it again")
    shown = len(bench.frames)
    bench.change("fine")
    bench.wait_for_state("streaming")
    bench.wait_for(lambda: len(bench.frames) > shown + 3, "new frames")
    assert (np.diff([frame.stamp_ns for frame in bench.frames]) > 0).all()
    assert bench.camera.resets == 0, "being away is no reason for a reset"


@needs_library
def test_a_camera_that_stays_silent_is_reset_and_reconnected(bench):
    bench.camera.mended_by_reset = True
    bench.change("silent")
    bench.wait_for(lambda: bench.camera.resets, "a reset")
    assert bench.capture.opened >= 3, "twice in vain after the first"
    bench.change("fine")  # it is back after the reset
    bench.wait_for_state("streaming")
    assert bench.camera.resets == 1


def attempts(source: RealSenseSource, count: int) -> list[str]:
    """Open it repeatedly without a frame; return the errors, "" where it opened."""
    errors = []
    for _ in range(count):
        try:
            source.open()
            source.read()
            errors.append("")
        except SourceError as error:
            errors.append(str(error))
        source.close()
    return errors


@needs_library
def test_the_number_of_resets_is_bounded_until_a_frame_comes(camera):
    source = RealSenseSource(OPTIONS | {"frame_timeout_ms": 1}, camera.query)
    errors = attempts(source, 20)
    resets = [text for text in errors if text]
    assert errors[:3] == ["", "", f"realsense {SERIAL}: no frame after opening it 2 times, reset 1 of {MOST_RESETS}"]
    assert len(resets) == camera.resets == MOST_RESETS and f"reset {MOST_RESETS} of {MOST_RESETS}" in resets[-1]
    source.open()
    camera.give(1)
    assert source.read() is not None
    source.close()
    assert attempts(source, 3)[-1].endswith(f"reset 1 of {MOST_RESETS}")


@needs_library
def test_a_camera_is_never_reset_where_resets_are_disabled(camera):
    attempts(RealSenseSource(OPTIONS | {"frame_timeout_ms": 1, "reset_after_failures": 0}, camera.query), 10)
    assert camera.resets == 0


@needs_library
@pytest.mark.parametrize(
    ("text", "resets"), [("errno=16 Last Error: Device or resource busy", 0), ("errno=5 Input/output error", 1)]
)
def test_a_camera_that_fails_to_open_is_reset_unless_it_is_in_use(camera, monkeypatch, text, resets):
    class Sensor:
        def __init__(self, sensor: Any) -> None:
            self._sensor = sensor

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sensor, name)

        def open(self, _: object) -> None:
            raise RuntimeError(f"xioctl(VIDIOC_S_FMT) failed, {text}")

    monkeypatch.setattr(camera, "query_sensors", lambda: [Sensor(camera.sensor)], raising=False)
    errors = attempts(RealSenseSource(OPTIONS, camera.query), 3)
    assert errors[0] == f"realsense {SERIAL}: xioctl(VIDIOC_S_FMT) failed, {text}"
    assert camera.resets == resets


@needs_library
def test_devices_without_a_serial_number_are_skipped(camera):
    source = RealSenseSource(OPTIONS, lambda: [rs.software_device(), camera])
    source.open()
    assert source.fovy_deg > 0
    source.close()
    source.close()


def test_the_serial_number_selects_one_of_several_cameras():
    assert choose({"1": "a", "2": "b"}, "2") == ("2", "b")
    assert choose({"1": "a"}, "") == ("1", "a")
    with pytest.raises(SourceError, match="option 'serial': found none, expected one of 1, 2"):
        choose({"1": "a", "2": "b"}, "")
    with pytest.raises(SourceError, match="found cameras 1, 2, expected 3"):
        choose({"1": "a", "2": "b"}, "3")
    with pytest.raises(SourceError, match="found cameras none, expected 3"):
        choose({}, "3")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"serail": "1"}, "option 'serail': found an unknown field, expected 'serial'"),
        ({"serial": 12}, "option 'serial': found 12"),
        ({"width": 0}, "option 'width': found 0"),
        ({"rate_hz": float("nan")}, "option 'rate_hz': found nan"),
        ({"exposure_us": -1}, "option 'exposure_us': found -1"),
        ({"gain": 16}, "option 'gain': found 16"),
        ({"frame_timeout_ms": 5000}, "option 'frame_timeout_ms': found 5000"),
        ({"depth": "near"}, "option 'depth': found 'near'"),
    ],
)
def test_wrong_options_are_one_line_naming_the_option(options, expected):
    with pytest.raises(SourceError) as raised:
        RealSenseSource(options)
    assert expected in str(raised.value) and "\n" not in str(raised.value)


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(SourceError, match=r"^realsense: pyrealsense2 or a library that it needs is not installed"):
        RealSenseSource({}).open()


def test_closing_what_was_never_opened_is_harmless():
    source = RealSenseSource({})
    assert source.close() is None and source.fovy_deg == 0


delays = st.integers(0, 200 * MILLISECOND)
frames = st.lists(st.tuples(st.integers(1000, 100 * MILLISECOND), delays), min_size=1, max_size=60)
phases = st.integers(0, WRAP_US - 1)


def wire(frames: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Times (ns) of acquisition and of arrival, in order, of frames given by distance and delay."""
    taken = START_NS + np.cumsum([distance // 1000 * 1000 for distance, _ in frames])
    return taken, np.maximum.accumulate(taken + [delay for _, delay in frames])


def mapped(hardware_us: np.ndarray, arrivals: np.ndarray) -> np.ndarray:
    """Times of acquisition (ns) on the camera's clock; the camera's stamps wrap."""
    clock = DeviceClock()
    return np.array(
        [a - clock.age_ns(int(us) % WRAP_US / 1e3, int(a)) for us, a in zip(hardware_us, arrivals, strict=True)]
    )


@settings(deadline=None)
@given(frames, phases)
def test_a_stamp_is_too_late_by_the_least_delay_so_far_and_no_more(frames, phase):
    """Whatever the phase of the camera's clock, and across its wrap."""
    taken, arrivals = wire(frames)
    stamps = mapped((taken - START_NS) // 1000 + phase, arrivals)
    assert (stamps - taken == np.minimum.accumulate(arrivals - taken)).all()


@settings(deadline=None)
@given(frames, frames, phases, phases | st.integers(1, 200_000).map(lambda us: WRAP_US - us))
def test_after_a_jump_of_the_camera_clock_only_later_delays_count(before, after, phase, jump):
    taken, arrivals = wire(before + after)
    hardware_us = (taken - START_NS) // 1000 + phase
    hardware_us[len(before) :] += jump
    distance_us = (taken[len(before)] - taken[len(before) - 1]) // 1000
    # Back by less than the distance of two frames is no different from a frame that was delayed by as much.
    held_up_us = max(0, distance_us - (distance_us + jump) % WRAP_US)
    errors = (mapped(hardware_us, arrivals) - taken)[len(before) :]
    since = np.minimum.accumulate((arrivals - taken)[len(before) :])
    assert (errors >= -1000 * held_up_us).all() and (errors <= since).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1e13), st.integers(0, 10**10)), min_size=1, max_size=50))
def test_stamps_never_go_back_and_are_never_in_the_future(events):
    clock, arrivals = DeviceClock(), np.cumsum([gap for _, gap in events])
    stamps = np.array([a - clock.age_ns(ms, int(a)) for (ms, _), a in zip(events, arrivals, strict=True)])
    assert (stamps <= arrivals).all() and (np.diff(stamps) >= 0).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e-4, 1e-4), phases, st.integers(0, 50 * MILLISECOND))
def test_clocks_that_drift_apart_do_not_add_up(drift, phase, delay):
    period = 33 * MILLISECOND
    taken = START_NS + period * np.arange(4 * WINDOW)
    hardware_us = np.round((taken - START_NS) * (1 + drift) / 1000).astype(np.int64) + phase
    errors = mapped(hardware_us, taken + delay) - taken
    assert np.abs(errors - delay).max() <= abs(drift) * WINDOW * period + 2000


def test_a_delayed_frame_keeps_its_age():
    clock = DeviceClock()
    assert clock.age_ns(1000.0, START_NS) == 0
    assert clock.age_ns(1033.0, START_NS + 33 * MILLISECOND) == 0
    assert clock.age_ns(1066.0, START_NS + 966 * MILLISECOND) == 900 * MILLISECOND
