"""The benchmark's figures."""

from __future__ import annotations

import json

import pytest

import embodiments
from latent_codec.bench import main, run
from latent_codec.inputs import changed_hands


def test_the_file_has_the_figures_of_the_bundle(shipped, tmp_path, capsys):
    path = tmp_path / "out" / "codec.json"
    assert main(["--bundle", str(shipped), "--poses", "200", "--json", str(path)]) == 0
    report, printed = json.loads(path.read_text(encoding="utf-8")), capsys.readouterr().out
    assert report["latent_space"] in printed and len(report["codec_sha256"]) == 64
    for hand in ("inspire", "ability", "xhand", "xarm_gripper", "franka_gripper"):
        assert hand in printed
        times = report["decode_ms"][hand]
        assert 0 < times["p50"] <= times["p99"] <= times["max"]
        assert f"{report['metrics']['hands'][hand]['joint_rad']:.4f}" in printed


def test_measuring_again_gives_what_the_manifest_says(shipped, codec):
    metrics = codec.manifest.metrics
    again = run(shipped, int(metrics["poses"]))["metrics"]
    assert again["cross"] == pytest.approx(metrics["cross"], rel=0.02)


def test_the_shipped_space_is_shared_across_hands(codec):
    cross = codec.manifest.metrics["cross"]
    assert cross["random_direction_deg"] < 10 and cross["random_distance_mm"] < 7
    assert cross["pinch_direction_deg"] < 13 and cross["pinch_distance_mm"] < 5
    assert codec.manifest.metrics["anchors"]["latent_gap"] < 0.1


def test_the_shipped_space_was_trained_on_the_robots_as_they_are(codec):
    assert changed_hands(codec.manifest, [embodiments.load(name) for name in codec.hands]) == []


def test_no_bundle_is_one_line_and_a_failure(tmp_path, capsys):
    assert main(["--bundle", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/manifest.yaml: content: found No such file")
