"""A damaged dataset file is refused by field, and images are reduced to exact means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from episode_bags import Episode, write_episode
from hypothesis import given
from hypothesis import strategies as st

from episodes.convert import convert
from episodes.dataset import load_arrays, load_dataset, resize_area, save_arrays, save_dataset
from episodes.extract import Settings
from episodes.metadata import EpisodeError


@pytest.fixture
def data(bag: Path, tmp_path: Path) -> Path:
    convert([bag], tmp_path / "data", Settings(size=(12, 16)))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("shared")
    convert([write_episode(folder / "bag", Episode())], folder / "data", Settings(size=(12, 16)))
    return folder / "data"


@given(
    rows=st.integers(1, 6), columns=st.integers(1, 6), down=st.integers(1, 5), across=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_an_integer_factor_gives_the_exact_mean_of_every_block(rows, columns, down, across, seed):
    image = np.random.default_rng(seed).integers(0, 256, (rows * down, columns * across, 3), dtype=np.uint8)
    mean = image.reshape(rows, down, columns, across, 3).mean(axis=(1, 3))
    small = resize_area(image, (rows, columns))
    assert small.dtype == np.uint8
    assert np.abs(small - mean).max() <= 0.5 + 1e-4


def test_a_uniform_image_stays_uniform_at_any_size():
    image = np.full((240, 320, 3), (3, 100, 250), dtype=np.uint8)
    small = resize_area(image[:, ::-1], (96, 128))
    assert small.shape == (96, 128, 3)
    assert (small == (3, 100, 250)).all()


def test_a_dataset_is_read_back_as_it_was_saved(data, tmp_path):
    dataset = load_dataset(data)
    (tmp_path / "copy").mkdir()
    save_dataset(tmp_path / "copy", dataset)
    assert load_dataset(tmp_path / "copy") == dataset


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda content: content.update(period_s=-1), "period_s"),
        (lambda content: content.update(version=2), "version"),
        (lambda content: content.update(comment="mine"), "comment"),
        (lambda content: content.pop("cameras"), "cameras"),
        (lambda content: content["episodes"][0].update(length=0), "episodes.0.length"),
        (lambda content: content["episodes"][0].update(file="../../episode_00000.npz"), "episodes.0.file"),
        (lambda content: content["episodes"][0]["bases"]["left"].pop(), "episodes.0.bases.left"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused_with_file_and_field(data, change, field):
    file = data / "dataset.yaml"
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(EpisodeError) as caught:
        load_dataset(data)
    assert str(caught.value).startswith(f"{file}: {field}: found ")
    assert ", expected " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_dataset_and_no_yaml_are_refused_with_the_file(tmp_path):
    with pytest.raises(EpisodeError, match=r"dataset\.yaml: found no such file"):
        load_dataset(tmp_path)
    (tmp_path / "dataset.yaml").write_text("a: [1,\n- b: {")
    with pytest.raises(EpisodeError, match=r"dataset\.yaml: line 2: found text that is not plain YAML [^\n]*$"):
        load_dataset(tmp_path)


@given(fraction=st.floats(0.0, 0.999), change=st.integers(1, 255))
def test_a_damaged_episode_file_gives_one_line_or_the_same_arrays(shared, fraction, change):
    folder, entry = shared, load_dataset(shared).episodes[0]
    file = folder / entry.file
    content = file.read_bytes()
    before = load_arrays(folder, entry)
    damaged = bytearray(content)
    damaged[int(fraction * len(content))] ^= change
    file.write_bytes(damaged)
    try:
        after = load_arrays(folder, entry)
        assert all(np.array_equal(array, before[name]) for name, array in after.items() if name in before)
    except EpisodeError as error:
        assert str(error).startswith(f"{file}: ")
        assert "\n" not in str(error)
    finally:
        file.write_bytes(content)


def test_an_episode_of_another_length_is_refused(data):
    (entry,) = load_dataset(data).episodes
    with pytest.raises(EpisodeError, match=r"episode_00000\.npz: .*expected 3 steps"):
        load_arrays(data, entry.model_copy(update={"length": 3}))


def test_arrays_larger_than_the_dataset_describes_are_refused(data):
    dataset = load_dataset(data)
    (entry,) = dataset.episodes
    arrays = load_arrays(data, entry, dataset.cameras)
    assert {name: array.shape for name, array in load_arrays(data, entry).items()} == {
        name: array.shape for name, array in arrays.items()
    }
    save_arrays(data / entry.file, arrays | {"other": np.zeros((entry.length, 1 << 18), np.uint8)})
    with pytest.raises(EpisodeError, match=r"episode_00000\.npz: found .* expected at most [0-9]{7} bytes"):
        load_arrays(data, entry, dataset.cameras)


def test_the_converter_command_reports_in_one_line_and_by_its_exit_code(bag, tmp_path):
    done = _command(str(bag), "--out", str(tmp_path / "out"), "--width", "16", "--height", "12")
    assert done.returncode == 0, done.stderr
    assert "1 episodes (1 new, 0 there already, 0 skipped as not successful, 0 refused)" in done.stdout
    (tmp_path / "file").touch()
    done = _command(str(bag), "--out", str(tmp_path / "file"))
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line][-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def _command(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "episodes.convert", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"})
