"""The loop without ROS: what goes in, what comes out, when nothing does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from policy_bundle import AXES, SIZE, write_bundle

from contracts.bundle import BundleError
from contracts.chunk import after
from contracts.errors import expected_field
from contracts.image_contract import Framing
from contracts.manifest import MANIFEST_NAME
from latent_policy_node.loop import LoopSettings, PolicyLoop
from latent_policy_node.policy import Observation, Policy, PolicyStatus

MS = 1_000_000
EPOCH = 10**15
CROPPED = Framing(fit="crop", camera=(20, 16))


class Bench:
    """A loop on a clock of its own; `see` shows it one moment."""

    def __init__(self, bundle: Path, **settings: float) -> None:
        self.loop = PolicyLoop(Policy.load(bundle), LoopSettings(**settings))
        self.now_ns = EPOCH
        self.rng = np.random.default_rng(0)

    def see(self, image: np.ndarray | None = None, wrist: float = 0.3, state_age_ms: int = 0) -> None:
        vector = np.full(len(AXES), 0.5)
        vector[:3] = wrist
        for side in ("left", "right"):
            self.loop.observe_state(side, self.now_ns - state_age_ms * MS, vector)
        pixels = self.rng.integers(1, 256, (*SIZE, 3), dtype=np.uint8) if image is None else image
        self.loop.observe_image(self.now_ns, pixels)

    def step(self, later_ms: int = 5):
        return self.loop.step(lambda: self.now_ns + later_ms * MS)

    def advance(self, ms: int) -> None:
        self.now_ns += ms * MS


@pytest.fixture
def bench(bundle: Path) -> Bench:
    return Bench(bundle)


def test_chunk_carries_the_stamp_of_its_image(bench: Bench) -> None:
    bench.see()
    decision = bench.step()
    assert decision.status == "ok"
    assert {chunk.stamp_ns for chunk in decision.chunks.values()} == {bench.now_ns}
    assert decision.chunks["left"].points.shape == (len(decision.chunks["left"].times_s), len(AXES))


def test_first_chunk_starts_at_the_measured_state(bench: Bench) -> None:
    bench.see()
    np.testing.assert_allclose(bench.step().chunks["right"].points[0, :3], 0.3)


def test_the_same_observation_gives_the_same_chunk(bundle: Path) -> None:
    decisions = []
    for _ in range(2):
        bench = Bench(bundle)
        bench.see()
        decisions.append(bench.step())
    np.testing.assert_array_equal(decisions[0].chunks["left"].points, decisions[1].chunks["left"].points)


def test_a_scene_at_rest_is_inferred_anew_each_time(bundle: Path) -> None:
    bench, ends = Bench(bundle, frozen_frames=0), []
    for _ in range(3):
        bench.see(np.full((*SIZE, 3), 99, np.uint8))
        ends.append(bench.step().chunks["left"].points[-1])
        bench.advance(100)
    assert np.abs(np.diff(ends, axis=0)).max(axis=1).min() > 0


def test_consecutive_chunks_meet_at_the_seam(bench: Bench) -> None:
    bench.see(wrist=0.3)
    first = bench.step().chunks["left"]
    bench.advance(100)
    bench.see(wrist=0.5)
    second = bench.step().chunks["left"]
    seam = bench.now_ns + 5 * MS
    np.testing.assert_allclose(second.at(seam)[0], first.at(seam)[0], atol=1e-9)


def test_frames_between_two_inferences_are_idle(bench: Bench) -> None:
    statuses = []
    for _ in range(7):
        bench.see()
        statuses.append(bench.step().status)
        bench.advance(33)
    assert statuses == ["ok", "idle", "idle", "ok", "idle", "idle", "ok"]


def test_the_same_frame_is_not_inferred_twice(bundle: Path) -> None:
    bench = Bench(bundle, min_period_s=0.0)
    bench.see()
    assert [bench.step().status for _ in range(3)] == ["ok", "idle", "idle"]


def test_stale_image_is_refused(bench: Bench) -> None:
    bench.see()
    assert bench.step(later_ms=250).status == "stale_image"


def test_old_state_is_refused(bench: Bench) -> None:
    bench.see(state_age_ms=150)
    assert bench.step().status == "stale_state"


def test_no_state_is_refused(bench: Bench) -> None:
    bench.loop.observe_image(bench.now_ns, np.ones((*SIZE, 3), np.uint8))
    assert bench.step().status == "no_state"


def test_without_an_image_inference_is_refused(bench: Bench) -> None:
    assert bench.step().status == "no_image"


def test_a_chunk_that_robots_would_not_follow_any_more_is_not_sent(bench: Bench) -> None:
    bench.see()
    times = iter((bench.now_ns, bench.now_ns + 201 * MS))  # of the checks, and of the end of the inference
    late = bench.loop.step(lambda: next(times))
    assert (late.status, dict(late.chunks)) == ("too_late", {}) and late.inferred_ns == bench.now_ns + 201 * MS
    bench.advance(300)
    bench.see(wrist=0.4)
    decision = bench.step()
    assert decision.status == "ok"
    np.testing.assert_allclose(decision.chunks["left"].points[0, :3], 0.4)  # from the robot, not from the late chunk


def test_nan_from_the_model_is_refused_and_the_next_good_frame_accepted(bench: Bench) -> None:
    bench.see(np.zeros((*SIZE, 3), np.uint8))
    refused = bench.step()
    assert (refused.status, dict(refused.chunks)) == ("output_not_finite", {})
    bench.advance(100)
    bench.see()
    assert bench.step().status == "ok"


def test_frozen_camera_is_refused_once_the_robot_moves(bench: Bench) -> None:
    same, statuses = np.full((*SIZE, 3), 9, np.uint8), []
    for index in range(8):
        bench.see(same, wrist=0.3 + 0.005 * index)
        statuses.append(bench.step().status)
        bench.advance(100)
    assert statuses == ["ok"] + ["frozen_image"] * 7


def test_reset_clears_all_state(bench: Bench) -> None:
    bench.see()
    bench.step()
    bench.loop.reset()
    assert bench.step().status == "no_image"


@pytest.mark.parametrize("shape", [(12, 16), (12, 16, 1)])
def test_images_of_another_kind_are_refused(bench: Bench, shape: tuple[int, ...]) -> None:
    bench.see(np.ones(shape, np.uint8))
    assert bench.step().status == "input_shape"


def test_images_are_acted_on_up_to_the_maximum_age_of_the_bundle(bench: Bench) -> None:
    bench.see()
    assert bench.step(later_ms=201).status == "stale_image"
    assert bench.step(later_ms=200).status == "ok"


def test_a_parameter_tightens_the_maximum_age_of_the_bundle(bundle: Path) -> None:
    bench = Bench(bundle, max_image_age_s=0.05)
    bench.see()
    assert bench.step(later_ms=51).status == "stale_image"


def test_a_parameter_does_not_loosen_the_maximum_age_of_the_bundle(bundle: Path) -> None:
    with pytest.raises(BundleError) as caught:
        Bench(bundle, max_image_age_s=0.3)
    expected = "found 0.2, expected at least 0.3, the parameter 'max_image_age_s'"
    assert str(caught.value) == f"{bundle / MANIFEST_NAME}: policy.observation.max_age_s: {expected}"


@pytest.mark.parametrize("old", ["lost_m", "ahead_s", "frozen_motion_m"])
def test_the_old_name_of_a_setting_is_answered_with_the_new_one(old: str) -> None:
    new = LoopSettings.renamed[old]
    assert new in LoopSettings.model_fields
    assert expected_field(LoopSettings, old) == f"'{new}', its new name"


@pytest.fixture(scope="module")
def continuing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose chunk ends at the state plus the sum of the action prefix."""
    return write_bundle(tmp_path_factory.mktemp("prefix"), prefix=4)


def test_a_chunk_continues_from_the_previous_one_during_the_cross_fade(continuing: Path) -> None:
    bench = Bench(continuing, publish_horizon_s=1.0)  # so that the first chunk shows all that the second goes on from
    bench.see()
    first = bench.step().chunks["left"]
    bench.advance(100)
    bench.see()
    second = bench.step().chunks["left"]
    prefix_sum = first.sample(after(bench.now_ns, np.array([0.1, 0.2, 0.3]))).sum(
        axis=0
    )  # a fade of 0.3 s has three points
    state = np.r_[[0.3] * 3, [0.5] * (len(AXES) - 3)]
    np.testing.assert_allclose(second.points[-1], state + prefix_sum, atol=0.06)  # and a hundredth of the noise
    assert np.abs(prefix_sum).min() > 0.5


def test_the_first_chunk_has_no_action_prefix(continuing: Path) -> None:
    bench = Bench(continuing)
    bench.see()
    np.testing.assert_allclose(bench.step().chunks["left"].points[-1, :3], 0.3, atol=0.06)


def test_a_held_robot_continues_from_its_measured_state(continuing: Path) -> None:
    bench = Bench(continuing)
    bench.see(wrist=0.3)
    bench.step()
    bench.advance(100)
    bench.see(wrist=0.5)
    np.testing.assert_allclose(bench.step().chunks["right"].points[-1, 3:], 0.5, atol=0.06)


def test_no_action_prefix_comes_from_a_chunk_that_is_over(continuing: Path) -> None:
    bench = Bench(continuing)
    bench.see()
    bench.step()
    bench.advance(900)
    bench.see()
    np.testing.assert_allclose(bench.step().chunks["right"].points[-1, :3], 0.3, atol=0.06)


@pytest.mark.parametrize(
    ("left", "right", "status"),
    [
        ((3, len(AXES)), (2, len(AXES)), PolicyStatus.INPUT_SHAPE),
        ((5, len(AXES)), (5, len(AXES)), PolicyStatus.INPUT_SHAPE),
        ((3, len(AXES) - 1), (3, len(AXES) - 1), PolicyStatus.INPUT_SHAPE),
        ((4, len(AXES)), None, PolicyStatus.INPUT_SHAPE),
        ((4, len(AXES)), (4, len(AXES)), PolicyStatus.OK),
    ],
)
def test_an_action_prefix_of_another_shape_is_refused(
    continuing: Path, left: tuple[int, ...], right: tuple[int, ...] | None, status: PolicyStatus
) -> None:
    state = dict.fromkeys(("left", "right"), np.zeros(len(AXES)))
    prefix = {"left": np.zeros(left)} | ({} if right is None else {"right": np.zeros(right)})
    seen = Observation(0, {"front": np.ones((*SIZE, 3), np.uint8)}, state, prefix)
    assert Policy.load(continuing).infer(seen)[1] is status


def test_an_action_prefix_that_is_not_finite_is_refused(continuing: Path) -> None:
    state = dict.fromkeys(("left", "right"), np.zeros(len(AXES)))
    prefix = dict.fromkeys(("left", "right"), np.full((2, len(AXES)), np.nan))
    seen = Observation(0, {"front": np.ones((*SIZE, 3), np.uint8)}, state, prefix)
    assert Policy.load(continuing).infer(seen)[1] is PolicyStatus.INPUT_NOT_FINITE


@pytest.mark.parametrize(("horizon_s", "last_s"), [(0.2, 0.2), (0.15, 0.2), (0.01, 0.1), (9.0, 0.8)])
def test_a_published_chunk_ends_at_the_first_point_beyond_the_horizon(bundle, horizon_s, last_s) -> None:
    bench = Bench(bundle, publish_horizon_s=horizon_s)
    bench.see()
    assert bench.step().chunks["left"].times_s[-1] == pytest.approx(last_s)


def test_an_image_of_another_shape_is_refused_with_both_named(bench: Bench) -> None:
    bench.see(np.ones((40, 40, 3), np.uint8))
    decision = bench.step()
    assert (decision.status, decision.chunks) == ("image_shape", {})
    assert "found an image of 40x40, expected the shape of 16x12" in bench.loop.image_refusal


def test_a_shape_that_becomes_right_ends_the_refusal(bench: Bench) -> None:
    bench.see(np.ones((40, 40, 3), np.uint8))
    bench.advance(100)
    bench.see()
    assert (bench.step().status, bench.loop.image_refusal) == ("ok", "")


def test_another_field_of_view_is_refused_with_both_named(bench: Bench) -> None:
    bench.loop.fovy_deg = 45.0
    bench.see()
    assert (bench.step().status, bench.step().chunks) == ("field_of_view", {})
    assert "of 45.0 degrees, expected the 35.0 of the policy's training" in bench.loop.image_refusal


@pytest.mark.parametrize("fovy_deg", [None, 34.5])
def test_the_same_or_an_unknown_field_of_view_is_accepted(bench: Bench, fovy_deg: float | None) -> None:
    bench.loop.fovy_deg = fovy_deg
    bench.see()
    assert (bench.step().status, bench.loop.image_refusal) == ("ok", "")


@pytest.mark.parametrize("asked", [{}, {"image_fit": "crop"}])
def test_images_are_cropped_as_in_training_by_default(bundle: Path, tmp_path: Path, asked: dict[str, str]) -> None:
    image = np.random.default_rng(1).integers(1, 256, (20, 16, 3), dtype=np.uint8)
    ours, plain = Bench(write_bundle(tmp_path, framing=CROPPED), **asked), Bench(bundle)
    ours.see(image)
    plain.see(image[4:16])
    np.testing.assert_array_equal(ours.step().chunks["left"].points, plain.step().chunks["left"].points)


def test_another_fit_than_in_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="parameter 'image_fit': found pad, expected crop, as in the policy's"):
        Bench(write_bundle(tmp_path, framing=CROPPED), image_fit="pad")


@pytest.mark.parametrize(("fit", "rows"), [("crop", slice(4, 16)), ("pad", slice(0, 20))])
def test_a_chosen_fit_gives_the_chunk_of_the_image_framed_by_hand(bundle: Path, fit: str, rows: slice) -> None:
    image = np.random.default_rng(1).integers(1, 256, (20, 16, 3), dtype=np.uint8)
    by_hand = image[rows]
    if fit == "pad":
        by_hand = np.zeros((20, 27, 3), np.uint8)
        by_hand[:, 5:21] = image
    chosen, plain = Bench(bundle, image_fit=fit), Bench(bundle)
    chosen.see(image)
    plain.see(by_hand)
    ours, expected = chosen.step(), plain.step()
    assert (ours.status, expected.status) == ("ok", "ok")
    np.testing.assert_array_equal(ours.chunks["left"].points, expected.chunks["left"].points)
