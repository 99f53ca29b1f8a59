"""A density separates admissible latents from those beside the space's sheets, and refuses a damaged file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import embodiments
from contracts.bundle import BundleError
from latent_codec.density import Density
from latent_codec.evaluation.admissibility import main, rates
from latent_codec.training.data import families
from latent_codec.training.data import latent_samples as samples
from latent_codec.training.data.density_fit import MOST_COMPONENTS, MOST_ENTRIES, calibrate, component_count, fit

SIZE = 6


def sheet(count: int, seed: int) -> np.ndarray:
    """Points (count, 6) near a curved surface of two dimensions."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-2, 2, size=(2, count))
    points = np.stack([a, b, np.sin(2 * a), np.cos(2 * b), 0.5 * a * b, a**2 / 2], axis=1)
    return points + 0.03 * rng.standard_normal(points.shape)


@pytest.fixture(scope="module")
def density() -> Density:
    return fit(sheet(4000, 1), seed=0)


@pytest.fixture(scope="module")
def threshold(density) -> float:
    return calibrate(density, {"one": sheet(2000, 2), "other": sheet(2000, 3)}, seed=0)


def test_points_of_the_sheet_are_accepted_and_points_beside_it_refused(density, threshold):
    points = sheet(2000, 4)
    assert (density.score(points) >= threshold).mean() >= 0.99
    beside = points.copy()
    beside[:, 2] += 1.0  # not far from the mean: half of the range of that coordinate
    assert (density.score(beside) < threshold).mean() >= 0.99


@pytest.mark.parametrize("wrong", [samples.shifted, samples.noise, samples.turned])
def test_each_kind_of_wrong_points_is_refused(density, threshold, wrong):
    assert (density.score(wrong(sheet(3000, 5), np.random.default_rng(6))) < threshold).mean() >= 0.99


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (fit(sheet(400, 1), seed).to_bytes() for seed in (0, 0, 1))
    assert first == again != other


FINITE = arrays(float, (3, SIZE), elements=st.floats(allow_nan=False, allow_infinity=False))


@given(latents=FINITE)
@settings(max_examples=100)
def test_any_finite_latent_has_a_finite_score(density, latents):
    assert np.isfinite(density.score(latents)).all()


@given(direction=arrays(float, (1, SIZE), elements=st.floats(-1, 1)), start=st.floats(30, 1e3), step=st.floats(1.1, 9))
@settings(max_examples=100)
def test_farther_away_is_never_likelier(density, threshold, direction, start, step):
    if np.linalg.norm(direction) < 0.3:
        return
    direction /= np.linalg.norm(direction)
    near, far = density.score(density.mean + np.concatenate([start * direction, start * step * direction]))
    assert far < near < threshold


@given(latents=arrays(float, (40, SIZE), elements=st.floats(-3, 3)))
@settings(max_examples=25)
def test_a_latent_s_score_does_not_depend_on_its_batch(density, latents):
    alone = [density.score(row[None])[0] for row in latents]
    np.testing.assert_allclose(density.score(latents), alone, rtol=1e-4, atol=1e-2)
    many = np.tile(latents, (8, 1))
    np.testing.assert_allclose(density.score(many)[:40], alone, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_score(density, value):
    latents = np.zeros((2, SIZE))
    latents[1, 3] = value
    with pytest.raises(ValueError, match="not finite"):
        density.score(latents)


@pytest.mark.parametrize("shape", [(SIZE,), (2, SIZE + 1), (1, 2, SIZE)])
def test_latents_of_another_shape_have_no_score(density, shape):
    with pytest.raises(ValueError, match=r"latents: found shape .*, expected \(B, 6\)"):
        density.score(np.zeros(shape))


def test_dimensions_that_never_change_are_fitted_too():
    points = np.concatenate([sheet(1000, 1), np.full((1000, 2), 3.0)], axis=1)
    assert np.isfinite(fit(points, seed=0).score(points)).all()


def test_few_points_and_many_dimensions_have_fewer_components():
    assert component_count(10, 32) == 1
    assert component_count(10**6, 2) == MOST_COMPONENTS
    assert component_count(10**6, 32) * 32**2 <= MOST_ENTRIES


def read(content: bytes) -> Density:
    return Density.from_bytes(content, "density.npz", SIZE)


def test_a_density_read_back_gives_the_same_scores(density):
    points = sheet(100, 7)
    np.testing.assert_array_equal(read(density.to_bytes()).score(points), density.score(points))


def changed(density: Density, **arrays) -> bytes:
    """The file with some of its arrays replaced; None leaves one out."""
    buffer = io.BytesIO()
    whole = {name: getattr(density, name) for name in ("weights", "means", "covariances")} | arrays
    np.savez(buffer, **{name: array for name, array in whole.items() if array is not None})
    return buffer.getvalue()


def bomb() -> bytes:
    """A file of some kilobytes with an array of many megabytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, weights=np.zeros(4 << 20, np.float32))
    assert len(buffer.getvalue()) < 1 << 17
    return buffer.getvalue()


def damage(density: Density) -> dict[str, tuple[bytes, str]]:
    """What is done to a file, and which field the refusal names."""
    means, flat = density.means.copy(), density.covariances.copy()
    means[0, 0] = np.nan
    flat[1] = -np.eye(SIZE)
    skew = density.covariances.copy()
    skew[0, 0, 1] += 0.5
    objects = np.array([object()], dtype=object)
    return {
        "nothing": (b"", ""),
        "half": (density.to_bytes()[:500], ""),
        "an object": (changed(density, weights=objects), ""),
        "an array missing": (changed(density, means=None), "arrays"),
        "an array too many": (changed(density, extra=np.zeros(1)), "arrays"),
        "double precision": (changed(density, means=density.means.astype(float)), "means"),
        "not a number": (changed(density, means=means), "means"),
        "fewer means": (changed(density, means=density.means[1:]), "means"),
        "other dimensions": (changed(density, covariances=density.covariances[:, 1:]), "covariances"),
        "no components": (changed(density, weights=density.weights[:0]), "weights"),
        "a number as weights": (changed(density, weights=np.float32(1)), "weights"),
        "negative weight": (changed(density, weights=-density.weights), "weights"),
        "wrong sum": (changed(density, weights=2 * density.weights), "weights"),
        "not positive definite": (changed(density, covariances=flat), "covariances"),
        "not symmetric": (changed(density, covariances=skew), "covariances"),
        "too large": (bytes(5 << 20), ""),
        "too large when it is unpacked": (bomb(), ""),
    }


def test_a_damaged_file_is_refused_in_one_line_that_names_the_field(density):
    for what, (content, field) in damage(density).items():
        with pytest.raises(BundleError) as caught:
            read(content)
        text = str(caught.value)
        where = "density.npz: " + (f"{field}: " if field else "")
        assert text.startswith(f"{where}found ") and ", expected " in text and "\n" not in text, what


def test_the_shipped_codec_accepts_and_refuses_99_percent(codec):
    found = rates(codec, count=1000)
    assert set(found) == set(codec.hands)
    for row in found.values():
        assert (
            min(row.values()) >= 0.985
        )  # of so few samples; `python -m latent_codec.evaluation.admissibility` takes more
        assert np.mean(list(row.values())) >= 0.99


def test_samples_of_one_hand_do_not_depend_on_how_they_are_encoded(codec):
    robots = [embodiments.load(name) for name in ("inspire", "xarm_gripper")]
    first, second = (samples.valid(codec.encode, robots, 50, 3) for _ in range(2))
    assert set(first) == {(robot.name, family) for robot in robots for family in families.of(robot)}
    assert {z.shape for z in first.values()} == {(4, codec.latent_dim), (25, codec.latent_dim)}
    for key, latents in first.items():
        np.testing.assert_array_equal(latents, second[key])


def test_postures_that_the_cache_holds_give_the_same_samples(codec, tmp_path):
    robots = [embodiments.load(name) for name in ("inspire", "ability")]
    alone = samples.valid(codec.encode, robots[:1], 50, 3, tmp_path)
    kept, drawn = (samples.valid(codec.encode, robots, 50, 3, cache) for cache in (tmp_path, None))
    assert len(list(tmp_path.iterdir())) == 2 and set(alone) < set(kept) == set(drawn)
    for key, latents in drawn.items():
        np.testing.assert_allclose(kept[key], latents, atol=1e-6)


def test_a_bundle_that_cannot_be_read_is_one_line(tmp_path, capsys):
    assert main(["--bundle", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
