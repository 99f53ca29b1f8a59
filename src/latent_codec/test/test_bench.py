"""The benchmark's command line and figures."""

from __future__ import annotations

import json
import shutil

import pytest

import embodiments
from latent_codec.evaluation import oracle, speed, table5
from latent_codec.evaluation.bench import main
from latent_codec.evaluation.metrics import measure
from latent_codec.evaluation.places import bundles
from latent_codec.evaluation.table5 import COLUMNS
from latent_codec.evaluation.tables import metrics_table
from latent_codec.training.data.inputs import changed_hands

HANDS = ["--hands", "inspire", "xhand", "xarm_gripper"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(speed.decode_speed, "__defaults__", (20,))
    monkeypatch.setattr(table5, "LINES", 10)
    monkeypatch.setitem(oracle.SETTINGS, "starts", 1)
    monkeypatch.setitem(oracle.SETTINGS, "library", 128)
    monkeypatch.setitem(oracle.SETTINGS, "iterations", 4)


@pytest.mark.graph
def test_the_file_has_the_figures_of_the_bundle(shipped, codec, tmp_path, capsys):
    path = tmp_path / "out" / "codec.json"
    command = ["--bundle", str(shipped), *HANDS, "--poses", "40", "--no-oracle", "--json", str(path)]
    assert main(command) == 0
    report, printed = json.loads(path.read_text(encoding="utf-8")), capsys.readouterr().out
    assert {"recipes", "oracle", "speed"} <= set(report)
    (name, found), *_ = report["recipes"].items()
    assert codec.latent_space.startswith(name) and name in printed
    assert all(found["mean"][column] > 0 for column in COLUMNS)
    assert set(found["hands"]) == {*HANDS[1:], "inspire@left"} and "inspire>xhand" in found["pairs"]
    families = report["postures"][name]["xhand"]
    assert 0 < families["grasps"]["tip_error_mm"] < families["uniform"]["tip_error_mm"]
    assert set(report["postures"][name]["xarm_gripper"]) == {"uniform", "postures"} and "open or closed" in printed
    times = report["speed"][name]["inspire"]
    admitted = report["admissibility"][name]["inspire"]
    assert admitted["accepted"] > 0.99 and admitted["refused_shifted"] > 0.98  # of all hands: test_density
    assert 0 < times["p50_ms"] <= times["p99_ms"] <= times["max_ms"]
    assert report["bundles"][name]["latent_space"] == codec.latent_space


@pytest.mark.graph
def test_with_the_oracle_errors_are_read_against_it(shipped, tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "codec.json"
    command = ["--bundle", str(shipped), *HANDS, "--poses", "12", "--root", str(tmp_path), "--json", str(path)]
    assert main(command) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    (found,) = report["recipes"].values()
    best = report["oracle"]["pairs"]["xhand>inspire"]
    assert found["pairs"]["xhand>inspire"]["oracle_random_distance_mm"] == best["random_distance_mm"]
    assert report["oracle"]["mean"]["random_direction_deg"] > 0
    assert list((tmp_path / "out" / "cache" / "oracle").glob("xhand-inspire-*.safetensors"))


def test_metrics_of_the_manifest_are_measured_and_shown(codec):
    metrics = measure(codec, 30)
    assert metrics["poses"] == 30 and metrics["hands"]["inspire"]["joint_rmse_rad"] < 0.1
    assert metrics["anchors"]["own_joint"]["inspire"] < 0.01
    assert metrics["anchors"]["latent_gap"] < 1 and metrics["anchors"]["cross_joint"]["inspire"] < 0.05
    assert metrics_table(metrics).row_count == len(codec.hands)


def test_the_shipped_space_was_trained_on_the_robots_as_they_are(codec):
    assert changed_hands(codec.manifest, [embodiments.load(name) for name in codec.hands]) == []


def test_no_bundle_is_one_line_and_a_failure(tmp_path, capsys):
    assert main(["--bundle", str(tmp_path), "--no-oracle"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/manifest.yaml: found no such file")


def test_a_recipe_that_does_not_exist_is_refused_with_those_that_do(tmp_path, capsys):
    assert main(["--recipe", "telepathy", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: --recipe: found telepathy, expected one of crosshand_four, ")


def test_a_recipe_that_is_not_trained_names_the_command(tmp_path, capsys):
    assert main(["--recipe", "xl_vla_code", "--root", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {tmp_path}/out/codec/xl_vla_code: found no bundle; ./ws train codec --config ")
    assert message.endswith("configs/xl_vla_code.yaml\n")


def test_a_trained_recipe_is_measured_beside_the_shipped_space(shipped, codec, tmp_path):
    trained = tmp_path / "out" / "codec" / "xl_vla_code"
    shutil.copytree(shipped, trained)
    name = codec.latent_space.split("@")[0]
    assert bundles([shipped], ["xl_vla_code"], tmp_path) == {name: shipped, "xl_vla_code": trained}


def test_two_bundles_of_one_name_are_distinguished(shipped, damaged, codec):
    name = codec.latent_space.split("@")[0]
    assert bundles([shipped, damaged], [], shipped) == {name: shipped, codec.latent_space: damaged}
