"""The second stage: decoders alone are trained, and the latents stay what they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_training import weights
from tiny_space import TINY

from contracts.bundle import load_manifest
from latent_codec.training.config import load_config
from latent_codec.training.main import build_recipe, main
from latent_codec.training.recipes.decoders import DecoderSettings
from latent_codec.training.trainer import Trainer

pytestmark = pytest.mark.graph
HANDS = ["inspire", "human", "xarm_gripper"]
STAGE = {"steps": 8, "layout": {"widths": [32, 32]}, "own": 24, "others": 10, "matched": 8}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**TINY, "hands": HANDS, **changes}))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """The same training without the second stage, and then with it, continued in the same folder."""
    folder, bundles = tmp_path_factory.mktemp("stages"), {}
    for name, changes in {"first": {}, "second": {"decoders": STAGE}}.items():
        bundles[name] = folder / name
        config = written(folder, **changes)
        assert main(["--config", str(config), "--out", str(bundles[name]), "--work", str(folder / "work")]) == 0
    return bundles


def test_encoders_and_the_latent_space_stay(trained):
    first, second = (load_manifest(trained[name], "codec") for name in ("first", "second"))
    assert second.latent_space == first.latent_space and second.id != first.id
    for hand in HANDS:
        before, after = (trained[name] / f"{hand}_encoder.onnx" for name in ("first", "second"))
        assert before.read_bytes() == after.read_bytes()


def test_the_manifest_counts_the_steps_of_both_stages(trained):
    first, second = (load_manifest(trained[name], "codec").training for name in ("first", "second"))
    assert (first.steps, second.steps) == (TINY["steps"], TINY["steps"] + STAGE["steps"])
    assert second.config["decoders"]["own"] == STAGE["own"] and second.seconds > first.seconds


def stage(folder: Path) -> Trainer:
    config = load_config(written(folder))
    recipe = build_recipe(config, "tiny").decoders(config, DecoderSettings(**STAGE))
    return Trainer(recipe, config.model_copy(update={"steps": STAGE["steps"]}), "stage", folder / "work")


def test_it_lowers_the_loss_and_leaves_the_encoders(tmp_path):
    trainer = stage(tmp_path)
    before = weights(trainer)
    first = trainer.run(steps=1)["loss"]
    assert trainer.run()["loss"] < first
    for name, value in weights(trainer).items():
        assert np.array_equal(before[name], value) == name.startswith("encoders."), name


def test_an_interrupted_stage_ends_with_the_same_weights(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    expected = stage(whole)
    expected.run()
    stage(parts).run(steps=3)
    rest = stage(parts)
    assert rest.step == 3
    rest.run()
    for name, value in weights(expected).items():
        np.testing.assert_array_equal(weights(rest)[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoders": {**STAGE, "own": 0}}, r"decoders\.own: found 0, expected"),
        ({"decoders": {**STAGE, "width": 3}}, r"decoders\.width: "),
        ({"recipe": "xl_vla_code", "settings": {}, "decoders": STAGE}, "xl_vla_code has no second stage"),
    ],
)
def test_a_second_stage_that_cannot_be_is_one_line(tmp_path, capsys, changes, message):
    config = written(tmp_path, steps=1, **changes)
    arguments = ["--config", str(config), "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    assert main(arguments) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(message, error), error
