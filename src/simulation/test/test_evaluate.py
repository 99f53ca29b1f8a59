"""The evaluation without ROS: honest intervals, matching bundles, and the shipped policy on two different hands."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from worlds import make_world

from latent_codec.bundle import BundleError
from simulation.evaluate import evaluate, wilson
from simulation.rollout import WorldDevice

MODELS = Path(__file__).resolve().parents[3] / "models"


def test_the_interval_is_wilsons():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_rate_and_stays_within_0_and_1(count, data):
    successes = data.draw(st.integers(0, count))
    low, high = wilson(successes, count)
    assert 0 <= low <= successes / count + 1e-12
    assert successes / count - 1e-12 <= high <= 1


def test_bundles_of_two_latent_spaces_are_refused(tmp_path):
    shutil.copytree(MODELS / "policy", tmp_path / "policy")
    manifest = tmp_path / "policy" / "manifest.yaml"
    content = yaml.safe_load(manifest.read_text())
    content["latent_space"] = "other@0123456789ab"
    manifest.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(BundleError, match="other@0123456789ab"):
        evaluate("inspire", "ability", "pick_place", 1, 0, (tmp_path / "policy", MODELS / "codec"))


def test_a_part_of_a_world_is_a_device():
    world = make_world()
    device = WorldDevice(world, "left/hand")
    before = device.read()
    device.write(world.sides["left"].hand.postures["grasp"])
    world.step(500)
    after = device.read()
    assert after.stamp_ns == world.stamp_ns > before.stamp_ns
    assert np.abs(after.position - before.position).max() > 0.3
    device.stop()
    world.step(100)
    assert np.abs(device.read().position - after.position).max() < 0.02


def test_the_shipped_policy_places_cans_with_two_different_hands():
    result = evaluate("inspire", "ability", "pick_place", 3, 11, (MODELS / "policy", MODELS / "codec"))
    assert result["picks"] == 6
    assert result["successes"] >= 4
    assert result["chunks_refused"] == 0
