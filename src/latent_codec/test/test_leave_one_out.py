"""A hand trained with the others against the same hand added to them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tiny_space import TINY

from contracts.bundle import load_manifest
from latent_codec.evaluation import oracle, speed
from latent_codec.training.add_hand import add_hand, bundle
from latent_codec.training.leave_one_out import ACROSS, OWN, Compared, compare, main

pytestmark = pytest.mark.graph

NAMES = ("tiny", "tiny_without_ability", "tiny_with_ability")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "DENSITY_POSES", 900)
    monkeypatch.setattr(add_hand, "STEPS", 6)
    monkeypatch.setattr(speed.decode_speed, "__defaults__", (20,))
    for name, value in {"starts": 1, "library": 128, "iterations": 4}.items():
        monkeypatch.setitem(oracle.SETTINGS, name, value)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | {"hands": ["inspire", "ability"]}), encoding="utf-8")
    return path


def test_the_hand_is_added_to_a_space_that_never_saw_it_and_compared(config, tmp_path, capsys):
    file = tmp_path / "ratios.json"
    command = ["--config", str(config), "--hand", "ability", "--root", str(tmp_path), "--poses", "40"]
    assert main([*command, "--json", str(file)]) == 0
    spaces = {place: load_manifest(tmp_path / "out" / "codec" / place, "codec") for place in NAMES}
    assert set(spaces["tiny"].codec.hands) == set(spaces["tiny_with_ability"].codec.hands) == {"inspire", "ability"}
    assert set(spaces["tiny_without_ability"].codec.hands) == {"inspire"}
    assert spaces["tiny_with_ability"].latent_space == spaces["tiny_without_ability"].latent_space
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert set(OWN) <= set(rows) <= {*OWN, *ACROSS} and "random_direction_deg" in rows
    assert all(row["ratio"] == pytest.approx(row["added"] / row["trained"]) for row in rows.values())
    assert "added in" in capsys.readouterr().out
    left = tmp_path / "out" / "codec"
    shutil.rmtree(left / "tiny_with_ability")
    shutil.copytree(left / "tiny_without_ability", left / "tiny_with_ability")  # as an interrupted run leaves it
    assert main(command) == 0
    assert "ability" in load_manifest(left / "tiny_with_ability", "codec").codec.hands


def test_ratios_are_of_the_hand_and_of_its_pairs_alone():
    def report(own: float, pair: float) -> dict:
        across = dict.fromkeys(ACROSS, 7.0)
        mine = dict.fromkeys(ACROSS, pair)
        return {"hands": {"a": dict.fromkeys(OWN, own)}, "pairs": {"a>b": mine, "b>a": mine, "b>c": across}}

    rows = compare({"trained": report(1.0, 2.0), "added": report(1.1, 3.0)}, "a")
    assert {rows[name] for name in OWN} == {Compared(1.0, 1.1)}
    assert {rows[name] for name in ACROSS} == {Compared(2.0, 3.0)} and rows["random_direction_deg"].ratio == 1.5


def test_a_hand_that_is_not_in_the_configuration_is_refused_in_one_line(config, tmp_path, capsys):
    assert main(["--config", str(config), "--hand", "xhand", "--root", str(tmp_path)]) == 1
    assert "hands: found inspire, ability, expected xhand among them" in capsys.readouterr().err
