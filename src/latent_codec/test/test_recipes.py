"""Every recipe trains, continues where it stopped, and ends in a bundle; and each follows its paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from small_training import trainer_of, weights

import embodiments
from contracts import plugins
from contracts.files import dump_yaml
from embodiments.landmarks import LANDMARKS
from latent_codec.codec import Codec
from latent_codec.training import ablation
from latent_codec.training.config import load_config
from latent_codec.training.data import poses
from latent_codec.training.group import HandGroup
from latent_codec.training.main import main, places
from latent_codec.training.recipes import GROUP, lad, pinch_templates
from latent_codec.training.recipes.lad_space import LocalTransforms
from latent_codec.training.recipes.xl_vla import ThumbVectors

SMALL = {"widths": [16], "activation": "relu"}
NETWORKS = {"encoder": SMALL, "decoder": SMALL}
DROPOUT = {"widths": [32], "activation": "relu", "norm": "before", "dropout": 0.05}
SETTINGS = {
    "crosshand": {**NETWORKS, "batch": 20, "anchors": 8, "pool": 400, "matched": 0},
    "xl_vla_code": {**NETWORKS, "batch": 32, "templates": {"count": 16, "iterations": 3}},
    "xl_vla_paper": {**NETWORKS, "batch": 32},
    "lad": {
        "encoder": DROPOUT,
        "decoder": DROPOUT,
        "pairs": 64,
        "batch": 32,
        "encoder_steps": 6,
        "retarget": {"scout": 1, "iterations": 2},
    },
}
HANDS = {"crosshand": ["inspire", "xarm_gripper"], "lad": ["human", "inspire", "franka_gripper"]}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing of a test is found by, or comes from, another run."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=plugins.names(GROUP))
def config(request, tmp_path):
    """A configuration of each recipe that trains in a second."""
    return write(tmp_path, request.param)


def write(folder, recipe, hands=None, **changes):
    data = {
        "name": f"tiny_{recipe}",
        "recipe": recipe,
        "hands": hands or HANDS.get(recipe, ["inspire", "dexh13"]),
        "latent_dim": 6,
        "steps": 12,
        "warmup_steps": 0,
        "evaluation_poses": 30,
        "settings": {**SETTINGS[recipe], **changes.pop("settings", {})},
    }
    path = folder / f"{recipe}.yaml"
    path.write_text(dump_yaml(data | changes), encoding="utf-8")
    return path


@pytest.mark.graph
def test_a_recipe_trains_and_exports_a_bundle_under_its_own_name(config, tmp_path):
    assert main(["--config", str(config)]) == 0
    name = load_config(config).name
    codec = Codec.load(tmp_path / "out" / "codec" / name)
    assert codec.latent_space.startswith(f"{name}@")
    for hand in codec.hands:
        joints = poses.uniform(embodiments.load(hand), 3, np.random.default_rng(0))
        assert codec.encode(hand, joints).shape == (3, 6)
    assert not (tmp_path / "models").exists()


def test_a_resumed_training_ends_as_one_in_one_piece(config, tmp_path):
    whole = trainer_of(config, tmp_path / "whole")
    whole.run()
    for part in (3, 5, None):  # of lad: within the first stage, across to the second, to the end
        rest = trainer_of(config, tmp_path / "parts")
        rest.run(steps=part)
    assert rest.step == whole.step == 12
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(rest)[name], value, err_msg=name)


def test_only_the_shipped_configuration_goes_to_models(tmp_path):
    from latent_codec.training.config import DEFAULT_CONFIG

    assert places(DEFAULT_CONFIG, tmp_path)[0] == tmp_path / "models" / "codec"
    other = DEFAULT_CONFIG.with_name("lad.yaml")
    assert places(other, tmp_path) == (tmp_path / "out" / "codec" / "lad", tmp_path / "out" / "train" / "codec" / "lad")


@pytest.mark.parametrize("path", sorted(ablation.CONFIG.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configurations_that_come_along_are_valid(path):
    config = load_config(path)
    assert config.name == path.stem
    plugins.load(GROUP, config.recipe).Settings.model_validate(config.settings)


def test_every_recipe_comes_with_a_configuration():
    assert {load_config(path).recipe for path in ablation.CONFIG.parent.glob("*.yaml")} == set(plugins.names(GROUP))


# --- XL-VLA ---


def test_only_the_paper_s_recipe_has_a_kl_term_and_random_latents(tmp_path):
    code, paper = (trainer_of(write(tmp_path, f"xl_vla_{kind}"), tmp_path).recipe for kind in ("code", "paper"))
    assert set(code.loss(0)[1]) == {"reconstruction", "distance", "direction"}
    assert set(paper.loss(0)[1]) == {"reconstruction", "distance", "direction", "kl"}
    joints = paper.group.denormalise(paper.batch(np.random.default_rng(0)))
    first, second = (paper.latents(joints, np.random.default_rng(seed))[0] for seed in (1, 2))
    assert (first - second).abs().mean() > 0.1
    assert torch.equal(*(code.latents(joints, np.random.default_rng(seed))[0] for seed in (1, 2)))


def test_templates_pull_thumb_and_finger_together_as_far_as_the_hand_can():
    hands = [embodiments.load(name) for name in ("xhand", "dexh13")]
    settings = pinch_templates.TemplateSettings(count=16, tip_noise=0.002)
    group = HandGroup(hands)
    made = pinch_templates.make_templates(hands, group, settings, np.random.default_rng(0))
    start = pinch_templates.make_templates(
        hands, group, settings.model_copy(update={"iterations": 0}), np.random.default_rng(0)
    )
    torch.testing.assert_close(made.targets, start.targets)
    before, after = ((t.reached - t.targets).square().sum(-1).mean() for t in (start, made))
    assert after < 0.3 * before
    assert made.unit.abs().max() <= 1


def test_a_reachable_template_reaches_its_target():
    hand = embodiments.load("xhand")
    settings = pinch_templates.TemplateSettings(count=8, point=(0.0, 0.06, 0.12), tip_noise=0.0, iterations=300)
    made = pinch_templates.make_templates([hand], HandGroup([hand]), settings, np.random.default_rng(0))
    thumb_error = (made.reached - made.targets)[0, :, 0].norm(dim=-1)
    index_error = (made.reached - made.targets)[0, :2, 1].norm(dim=-1)
    assert thumb_error.max() < 0.03 and index_error.max() < 0.03


def test_a_four_fingered_hand_repeats_its_ring_finger_where_published():
    group = HandGroup([embodiments.load("dexh13")])
    tips = group.tips(torch.rand(1, 5, group.joint_mask.shape[1]))
    twice, once = ThumbVectors(group.finger_mask, True), ThumbVectors(group.finger_mask, False)
    torch.testing.assert_close(twice(tips)[:, 3], twice(tips)[:, 2])
    assert twice.defined.sum() == 4 and once.defined.sum() == 3


def test_equal_hands_have_no_cross_error_where_decoding_is_perfect():
    vectors = torch.rand(2, 4, 3, 7)
    group = HandGroup([embodiments.load("inspire"), embodiments.load("ability")])
    wanted = ThumbVectors(group.finger_mask, False)
    assert wanted.pairs == 2 * 4
    assert wanted(vectors.new_zeros(2, 7, 5, 3)).abs().max() == 0


# --- LAD ---


def test_the_human_representation_has_bone_lengths_and_rotations():
    human = embodiments.load("human")
    joints = poses.uniform(human, 4, np.random.default_rng(0))
    numbers = LocalTransforms(human)(torch.tensor(joints, dtype=torch.float32))
    assert numbers.shape == (4, 189)
    shifts, rotations = numbers[:, :63].unflatten(1, (21, 3)), numbers[:, 63:].unflatten(1, (21, 2, 3))
    torch.testing.assert_close(rotations.norm(dim=-1), torch.ones(4, 21, 2))
    points = human.kinematics.forward(joints, LANDMARKS)[:, :, :3, 3]
    tip, dip = LANDMARKS.index("index_tip"), LANDMARKS.index("index_dip")
    bone = np.linalg.norm(points[:, tip] - points[:, dip], axis=-1)
    np.testing.assert_allclose(shifts[:, tip].norm(dim=-1), bone, atol=1e-5)
    torch.testing.assert_close(rotations[:, 0], torch.eye(3)[:2].expand(4, 2, 3))


def test_a_tiny_lad_brings_matched_poses_together(tmp_path):
    settings = {"encoder_steps": 150, "batch": 64, "encoder": {**DROPOUT, "dropout": 0.0}}
    path = write(tmp_path, "lad", ["inspire", "xhand"], settings=settings, steps=200, latent_dim=8)
    trainer = trainer_of(path, tmp_path / "work")
    first = trainer.run(steps=1)["contrastive"]
    assert trainer.run(steps=149)["contrastive"] < 0.7 * first
    recipe = trainer.recipe
    with torch.no_grad():
        latents = recipe.space.encode_features(recipe.features)
    hits = (latents[0] @ latents[1].T).argmax(1) == torch.arange(latents.shape[1])
    assert hits.float().mean() > 0.7
    torch.testing.assert_close(latents.norm(dim=-1), torch.ones(latents.shape[:2]))


def test_contrast_is_least_where_matched_latents_are_nearest():
    matched = torch.nn.functional.normalize(torch.randn(1, 40, 8), dim=-1).expand(3, -1, -1)
    mixed = torch.stack([matched[0], matched[0].roll(1, 0), matched[0]])
    for both in (False, True):
        assert lad.contrast(matched, 0.2, both) < lad.contrast(mixed, 0.2, both)


def test_the_temperature_falls_exponentially_in_the_first_stage(tmp_path):
    recipe = trainer_of(write(tmp_path, "lad"), tmp_path).recipe
    falling = [recipe.temperature(step) for step in (0, 3, 6, 11)]
    assert falling == pytest.approx([0.25, 0.2, 0.16, 0.16])
    constant = trainer_of(write(tmp_path, "lad", settings={"annealing": False}), tmp_path).recipe
    assert {constant.temperature(step) for step in (0, 3, 11)} == {0.25}


@pytest.mark.parametrize("tuned", [True, False])
def test_the_second_stage_moves_encoders_only_for_fine_tuning(tmp_path, tuned):
    trainer = trainer_of(write(tmp_path, "lad", settings={"fine_tuning": tuned}), tmp_path / "work")
    before = weights(trainer)
    trainer.run(steps=6)
    first = weights(trainer)
    trainer.run()
    last = weights(trainer)
    for name in before:
        part = name.split(".")[0]
        assert np.array_equal(before[name], first[name]) == (part == "decoders"), name
        assert np.array_equal(first[name], last[name]) == (part == "encoders" and not tuned), name


def test_the_ablation_gives_four_rows(tmp_path):
    path, report = write(tmp_path, "lad", ["inspire", "franka_gripper"]), tmp_path / "rows.json"
    arguments = ["--config", str(path), "--poses", "20", "--work", str(tmp_path / "work"), "--json", str(report)]
    assert ablation.main(arguments) == 0
    rows = yaml.safe_load(report.read_text(encoding="utf-8"))
    assert list(rows) == list(ablation.ROWS)
    assert set(rows["full"]) == {
        "SR inspire",
        "SR franka_gripper",
        "CR inspire->franka_gripper",
        "CR franka_gripper->inspire",
    }


def test_more_poses_in_a_batch_than_there_are_is_one_line(tmp_path, capsys):
    assert main(["--config", str(write(tmp_path, "lad", settings={"batch": 65}))]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "expected" in lines[0] and "at least as many pairs as the batch of 65" in lines[0]
