"""The evaluation without ROS: confidence intervals, matching bundles, and the shipped policy on two different hands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from worlds import make_world

from contracts import command_line
from contracts.bundle import BundleError
from contracts.errors import FileError
from contracts.station import DEFAULT_STATION, station_file
from hand_drivers.status import State
from simulation import collect
from simulation.collect import pairs_of
from simulation.evaluate import assemble, roll_out, wilson
from simulation.rollout import Beat, WorldDevice
from simulation.trials import Trials

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
        assemble("inspire", "ability", "pick_place", (tmp_path / "policy", MODELS / "codec"))


@pytest.mark.parametrize(("width", "height"), [(180, 180), (320, 240)])
def test_a_camera_of_another_shape_is_refused_with_both_named(tmp_path, width, height):
    content = yaml.safe_load(station_file(DEFAULT_STATION).read_text())
    content["cameras"]["front"] |= {"width": width, "height": height}
    file = tmp_path / "lab.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(FileError, match=rf"cameras\.front\.width, height: found {width}x{height}, .* 160x90"):
        assemble("inspire", "ability", "pick_place", (MODELS / "policy", MODELS / "codec"), str(file))


def test_hands_and_task_that_are_not_given_are_the_station_s():
    labels = assemble("", "dex3", "", (MODELS / "policy", MODELS / "codec"), "g1").labels
    named = {"station": "g1", "task": "pick_place", "left_hand": "inspire", "right_hand": "dex3"}
    assert {name: labels[name] for name in named} == named


def test_demonstrations_are_made_with_the_station_s_hands():
    assert pairs_of("g1") == ["inspire:inspire"]
    assert pairs_of("dual_xarm7") == ["inspire:ability", "ability:inspire"]


@pytest.mark.graph
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--station", "nope"], "station: found 'nope', expected a YAML file or one of"),
        (["--pairs", "inspire"], "--pairs: found 'inspire', expected LEFT:RIGHT"),
        (["--pairs", "nope:inspire", "--workers", "1"], "embodiment 'nope': name: found nope, expected one of"),
    ],
)
def test_demonstrations_of_what_does_not_exist_are_refused(arguments, line, tmp_path, capsys):
    assert command_line.run(collect.run, ["--out", str(tmp_path), *arguments], name="collect") in (1, 2)
    (error,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert line in error


def refusal(*arguments):
    """The one line with which the command refuses `arguments`, as `./ws run simulation evaluate` prints it."""
    argv = [sys.executable, "-m", "simulation.evaluate", "--episodes", "1", *arguments]
    given = {"--policy": MODELS / "policy", "--codec": MODELS / "codec"}
    argv += [str(word) for name, path in given.items() if name not in arguments for word in (name, path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.graph
def test_wrong_input_is_refused_in_one_line(tmp_path):
    assert "octopus" in refusal("--left", "octopus")
    assert "expected one of pick_place" in refusal("--task", "pick_plac")
    assert "station: found 'g7', expected a YAML file or one of dual_xarm7, g1" in refusal("--station", "g7")
    assert f"{tmp_path / 'manifest.yaml'}: found no such file" in refusal("--policy", str(tmp_path))
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refusal("--json", str(tmp_path / "file" / "report.json"))


def test_a_changed_byte_is_refused_in_one_line(tmp_path):
    shutil.copytree(MODELS / "policy", tmp_path / "policy")
    file = tmp_path / "policy" / "policy.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    line = refusal("--policy", str(tmp_path / "policy"))
    assert f"{file}: sha256" in line


def test_a_machine_that_cannot_render_is_reported_in_one_line(monkeypatch):
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_FILENAMES", os.devnull)
    monkeypatch.setenv("EGL_PLATFORM", "surfaceless")
    assert "EGL: found no offscreen rendering" in refusal()


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


@pytest.mark.graph
@pytest.mark.parametrize("rate_hz", [20.0, 100.0, 250.0, 300.0, 500.0])
def test_a_beat_happens_at_its_rate_and_never_early(rate_hz):
    times = []
    beat = Beat(rate_hz, 0.002, lambda: times.append(0.002 * beat.next))
    while beat.next < 500:
        beat.happen()
    due = np.arange(round(rate_hz)) / rate_hz
    assert len(times) == round(rate_hz)
    assert ((times - due > -1e-9) & (times - due < 0.002)).all()


@pytest.fixture(scope="module")
def bench():
    return assemble("inspire", "ability", "pick_place", (MODELS / "policy", MODELS / "codec"))


def test_drivers_have_the_rates_and_checks_of_the_station(bench):
    for side in bench.sides:
        arm, hand = side.drivers["arm"].settings, side.drivers["hand"].settings
        assert (arm.rate_hz, hand.rate_hz) == (250.0, 100.0)
        assert arm.max_following_error > 0 and arm.command_timeout_s == hand.command_timeout_s == 0.2


def test_a_fault_stops_all_robots_until_the_next_round(bench):
    rollout = bench.rollout
    trials = Trials(bench.world, bench.world.task, np.random.default_rng(3))
    drivers = [driver for side in bench.sides for driver in side.drivers.values()]
    rollout.begin(trials)
    rollout.run_until(lambda: trials.elapsed_s > 1.0)
    assert {driver.state for driver in drivers} == {State.TRACKING}
    drivers[0].stop("a joint does not follow")
    rollout.run_until(lambda: trials.elapsed_s > 1.1)
    assert {driver.state for driver in drivers} == {State.STOPPED} and len(rollout.faults) == 1
    rollout.begin(trials)
    rollout.run_until(lambda: trials.elapsed_s > 1.0)
    assert {driver.state for driver in drivers} == {State.TRACKING}


@pytest.mark.parametrize("continuous", [False, True])
def test_the_shipped_policy_places_cans_with_two_different_hands(continuous, bench):
    result = roll_out(bench, 3, 11, continuous)
    assert result["picks"] == 6
    assert result["successes"] >= 4
    assert result["chunks_refused"] == 0
    assert 3 < result["seconds_per_round"] < 12
