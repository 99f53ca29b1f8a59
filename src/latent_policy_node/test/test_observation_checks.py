"""Which observations are refused, and why."""

from __future__ import annotations

import numpy as np
import pytest

from latent_policy_node.observation_checks import (
    RATE_IMAGES,
    Frame,
    ImageRate,
    ObservationStatus,
    State,
    check_age,
    check_frozen,
    check_states,
    follow,
    state_at,
)

MS = 1_000_000
GREY, WHITE = np.full((4, 6, 3), 128, np.uint8), np.full((4, 6, 3), 255, np.uint8)
HERE = np.zeros((2, 3))
THERE = HERE + np.array([[0.02, 0, 0], [0, 0, 0]])
UNKNOWN = np.full((2, 3), np.nan)


def frames(images: list[np.ndarray], wrists: list[np.ndarray]) -> Frame:
    frame = None
    for index, (image, place) in enumerate(zip(images, wrists, strict=True)):
        frame, status = follow(frame, 33 * MS * (index + 1), image, place)
        assert status is ObservationStatus.OK
    assert frame is not None
    return frame


def test_the_rate_of_images_is_that_of_most_of_them() -> None:
    rate = ImageRate()
    stamps = [100 * MS * index + (5_000 * MS if index > 7 else 0) for index in range(RATE_IMAGES)]
    for stamp_ns in stamps[:-1]:
        rate.add(stamp_ns)
    assert rate.hz is None
    rate.add(stamps[-1])
    assert rate.hz == pytest.approx(10.0)


def test_a_camera_that_repeats_its_stamp_has_no_rate() -> None:
    rate = ImageRate()
    for _ in range(RATE_IMAGES):
        rate.add(7)
    assert rate.hz is None


def test_no_image_is_no_observation() -> None:
    assert check_age(None, 0, 0.2) is ObservationStatus.NO_IMAGE


@pytest.mark.parametrize(
    ("age_ms", "status"),
    [
        (0, ObservationStatus.OK),
        (200, ObservationStatus.OK),
        (201, ObservationStatus.STALE_IMAGE),
        (-10, ObservationStatus.OK),
        (-51, ObservationStatus.FUTURE_IMAGE),
    ],
)
def test_image_age_is_bounded_on_both_sides(age_ms: int, status: ObservationStatus) -> None:
    assert check_age(Frame(1000 * MS, GREY, HERE), (1000 + age_ms) * MS, 0.2) is status


def test_equal_pixels_while_the_wrist_moves_are_frozen() -> None:
    frame = frames([GREY] * 4, [HERE] * 4)
    assert check_frozen(frame, THERE, 3, 0.01) is ObservationStatus.FROZEN_IMAGE


def test_equal_pixels_of_a_robot_at_rest_are_not_frozen() -> None:
    frame = frames([GREY] * 100, [HERE] * 100)
    assert check_frozen(frame, HERE + 0.001, 3, 0.01) is ObservationStatus.OK


def test_motion_zero_makes_any_repetition_frozen() -> None:
    frame = frames([GREY] * 4, [HERE] * 4)
    assert check_frozen(frame, HERE, 3, 0.0) is ObservationStatus.FROZEN_IMAGE


def test_a_changed_pixel_ends_the_repetition() -> None:
    frame = frames([GREY, GREY, GREY, GREY, WHITE], [HERE, HERE, HERE, HERE, THERE])
    assert frame.repeats == 0
    assert check_frozen(frame, THERE, 3, 0.01) is ObservationStatus.OK


def test_motion_counts_from_the_first_of_the_equal_frames() -> None:
    steps = [HERE + np.array([0.004 * index, 0, 0]) for index in range(4)]
    assert check_frozen(frames([GREY] * 4, steps), steps[-1], 3, 0.01) is ObservationStatus.FROZEN_IMAGE


def test_frames_before_the_first_state_do_not_hide_a_frozen_camera() -> None:
    frame = frames([GREY] * 4, [UNKNOWN, HERE, HERE, THERE])
    assert check_frozen(frame, THERE, 3, 0.01) is ObservationStatus.FROZEN_IMAGE


def test_zero_frames_turns_the_frozen_check_off() -> None:
    assert check_frozen(frames([GREY] * 9, [HERE] * 9), THERE, 0, 0.0) is ObservationStatus.OK


@pytest.mark.parametrize("stamp", [33 * MS, 0])
def test_a_stamp_that_does_not_advance_is_refused(stamp: int) -> None:
    _, status = follow(frames([GREY], [HERE]), stamp, WHITE, HERE)
    assert status is ObservationStatus.STAMP_NOT_ADVANCING


def test_a_clock_set_back_costs_one_frame() -> None:
    frame, _ = follow(Frame(10**12, GREY, HERE), 5 * MS, WHITE, HERE)
    _, status = follow(frame, 38 * MS, GREY, HERE)
    assert status is ObservationStatus.OK


def test_state_is_the_newest_not_newer_than_the_image() -> None:
    history = [State(stamp * MS, np.zeros(1)) for stamp in (10, 20, 30)]
    assert state_at(history, 25 * MS) is history[1]
    assert state_at(history, 5 * MS) is history[0]
    assert state_at([], 5 * MS) is None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State(1000 * MS, np.zeros(2)), ObservationStatus.OK),
        (State(899 * MS, np.zeros(2)), ObservationStatus.STALE_STATE),
        (State(1101 * MS, np.zeros(2)), ObservationStatus.STALE_STATE),
        (State(1000 * MS, np.array([0, np.inf])), ObservationStatus.STATE_NOT_FINITE),
        (None, ObservationStatus.NO_STATE),
    ],
)
def test_one_unfit_state_refuses_the_observation(state: State | None, status: ObservationStatus) -> None:
    good = State(1000 * MS, np.zeros(2))
    assert check_states({"left": good, "right": state}, 1000 * MS, 0.1) is status
