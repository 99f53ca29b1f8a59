"""The gallery: its poses match the names of its rows, every cell shows a hand, and a refused latent is marked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import embodiments
from latent_codec.codec import Codec, DecodeStatus
from latent_codec.gallery import film, layout, palette
from latent_codec.gallery.fingers import joints_of_finger, links_of_fingers
from latent_codec.gallery.main import main
from latent_codec.gallery.poses import PATH, ROWS, SEED, source_poses
from latent_codec.training.data.poses import grasp_tips, thumb_distances

pytest.importorskip("mujoco")
cells = pytest.importorskip("latent_codec.gallery.cells")
gallery_module = pytest.importorskip("latent_codec.gallery.gallery")

HANDS = ("inspire", "xhand", "xarm_gripper")
CELL = (80, 100)


@pytest.fixture(scope="module")
def gallery(shipped):
    with gallery_module.Gallery(Codec.load(shipped, HANDS)) as made:
        yield made


def thumb_to_index_mm(hand: str, joints: np.ndarray) -> float:
    return 1e3 * float(thumb_distances(grasp_tips(embodiments.load(hand), joints[None]))[0, 0])


def drawn(gallery, decoded, index: int = 0) -> np.ndarray:
    scene = gallery._scenes[index]
    (view,) = cells.frames([scene.extent(decoded.joints[None])])
    return cells.draw(scene, decoded, view, CELL)


def saturation(cell: np.ndarray) -> np.ndarray:
    """Largest minus smallest colour of each pixel, in the upper part, where no label is."""
    upper = cell[: int(0.8 * len(cell))].astype(int)
    return upper.max(axis=-1) - upper.min(axis=-1)


@pytest.mark.parametrize("hand", ["inspire", "ability", "xhand"])
def test_the_poses_of_the_rows_are_what_they_are_called(hand):
    poses = source_poses(embodiments.load(hand), SEED)
    distances = {row: thumb_to_index_mm(hand, pose) for row, pose in poses.items()}
    assert tuple(poses) == ROWS
    assert distances["pinch"] < 2.0
    assert 20.0 < distances["power"] < 60.0
    assert distances["open"] > 100.0
    assert distances["point"] > 60.0


@pytest.mark.parametrize("hand", ["inspire", "ability", "xhand", "franka_gripper"])
def test_the_poses_of_the_rows_are_within_the_limits(hand):
    robot = embodiments.load(hand)
    for pose in source_poses(robot, SEED).values():
        assert np.all(pose >= robot.lower - 1e-9) and np.all(pose <= robot.upper + 1e-9)


def test_pointing_leaves_the_index_open_and_closes_the_rest():
    hand = embodiments.load("xhand")
    pose, index = source_poses(hand, SEED)["point"], joints_of_finger(hand, "index")
    np.testing.assert_array_equal(pose[index], hand.postures["open"][index])
    bent = np.abs(pose - hand.postures["open"]) > 0.5
    assert all(bent[joints_of_finger(hand, finger)].any() for finger in ("middle", "ring", "little"))


@pytest.mark.parametrize("hand", embodiments.names("hand") + embodiments.names("gripper"))
def test_every_finger_has_links_of_its_own_and_the_palm_belongs_to_none(hand):
    robot = embodiments.load(hand)
    owners = links_of_fingers(robot)
    assert {owners[tip] for tip in robot.tips.values()} == set(robot.tips)
    assert robot.root not in owners


def test_a_picture_has_a_cell_for_every_hand_and_row_and_a_hand_in_each(gallery):
    picture = gallery.grid(max_width=500)
    assert 400 < picture.shape[1] <= 500
    scene_views = cells.frames(gallery._extents(gallery.decode(np.array(list(gallery.latents.values())))))
    left = layout.labels(ROWS)
    room = 500 - left - layout.RIGHT
    shelf = layout.Shelf.place(scene_views, layout.scale_to_fit(scene_views, room), left)
    for row in range(len(ROWS)):
        top = layout.TOP + row * (shelf.height + layout.GAP) + layout.GAP
        for at, width in zip(shelf.lefts, shelf.widths, strict=True):
            cell = picture[top : top + shelf.height - layout.GAP, at : at + width].astype(int)
            colourful = cell.max(axis=-1) - cell.min(axis=-1) > 60
            assert colourful.mean() > 0.01


def test_fingers_have_the_same_colours_on_every_hand(gallery):
    thumb = np.array(palette.FINGERS["thumb"])
    for index, name in enumerate(gallery.hands):
        joints = embodiments.load(name).postures["open"]
        cell = drawn(gallery, cells.Decoded(joints, DecodeStatus.OK), index).astype(float)
        vivid = cell[(cell.max(axis=-1) - cell.min(axis=-1)) > 60]
        cosine = (vivid @ thumb) / np.linalg.norm(vivid, axis=-1) / np.linalg.norm(thumb)
        assert (cosine > 0.995).sum() > 10, name


def test_a_refused_latent_is_drawn_in_grey_and_labelled(gallery):
    far = np.full(gallery.codec.latent_dim, 20.0)
    opened = embodiments.load("inspire").postures["open"]
    good, refused = cells.decode_each(gallery.codec, "inspire", np.stack([gallery.latents["open"], far]), opened)
    assert not good.refused and refused.refused
    np.testing.assert_array_equal(refused.joints, good.joints)  # held
    plain, grey = drawn(gallery, good), drawn(gallery, refused)
    assert saturation(plain).max() > 100 > 40 > saturation(grey).max()
    label = np.abs(grey.astype(int) - palette.REFUSED).max(axis=-1) < 40
    assert label[int(0.8 * len(label)) :].sum() > 10


def test_a_latent_refused_before_any_other_shows_the_open_hand(gallery):
    opened = embodiments.load("inspire").postures["open"]
    (refused,) = cells.decode_each(gallery.codec, "inspire", np.full((1, gallery.codec.latent_dim), np.nan), opened)
    assert refused.status is DecodeStatus.NOT_FINITE
    np.testing.assert_array_equal(refused.joints, opened)


def test_the_path_rests_at_its_corners_and_is_straight_in_between():
    settings = film.Settings(piece_s=1.0, rest_s=0.2, rate_hz=10)
    places = film.places(2, settings)
    assert len(places) == 24 and np.all(np.diff(places) >= 0)
    corners = np.array([[0.0, 0.0], [2.0, 4.0], [0.0, 0.0]])
    latents = film.along(corners, places)
    np.testing.assert_allclose(latents[:, 1], 2 * latents[:, 0], atol=1e-12)
    np.testing.assert_array_equal(latents[[0, 1, 11, 12, 13, -1]], corners[[0, 0, 1, 1, 1, 2]])


def test_a_film_has_its_frames_and_its_size(gallery, tmp_path):
    settings = film.Settings(piece_s=0.1, rest_s=0.05, rate_hz=20, width=240)
    video, animation = tmp_path / "film.mp4", tmp_path / "film.webp"
    moving = animation if hasattr(cv2, "Animation") else None
    gallery.film(video, moving, settings)
    capture = cv2.VideoCapture(str(video))
    frames = 3 * (len(PATH) - 1)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == frames
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 240
    assert moving is None or len(cv2.imreadanimation(str(animation))[1].frames) > 1


def test_hands_stand_in_two_rows_when_they_are_many():
    views = [cells.Frame(np.zeros(2), 0.12, 0.22)] * 12
    stage = film.Stage.fit([f"hand{i}" for i in range(12)], views, 800)
    assert [len(shelf.widths) for shelf in stage.shelves] == [6, 6]
    assert all(shelf.right <= 800 for shelf in stage.shelves)


def test_an_unknown_source_and_a_missing_bundle_are_one_line(shipped, tmp_path, capsys):
    assert main(["--bundle", str(shipped), "--source", "tentacle", "--out", str(tmp_path / "a.png")]) == 1
    assert capsys.readouterr().err.startswith("error: source: found tentacle, expected one of ")
    assert main(["--bundle", str(tmp_path), "--out", str(tmp_path / "a.png")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_straight_joint_paths_meet_the_latents_at_the_corners(gallery):
    places = np.array([0.0, 0.5, 1.0])
    latents = gallery.path(places, "joints")
    np.testing.assert_allclose(latents[[0, 2]], [gallery.latents["open"], gallery.latents["pinch"]], atol=1e-5)
    middle = (gallery.poses["open"] + gallery.poses["pinch"]) / 2
    np.testing.assert_allclose(latents[1], gallery.codec.encode(gallery.source, middle[None])[0], atol=1e-5)
    straight = gallery.path(places)
    np.testing.assert_allclose(straight[1], straight[[0, 2]].mean(axis=0), atol=1e-12)


def test_what_was_refused_is_counted(gallery):
    far = np.full((1, gallery.codec.latent_dim), 1e3)
    latents = np.concatenate([gallery.latents["open"][None], far])
    assert cells.count(gallery.decode(latents)) == (len(HANDS), 2 * len(HANDS))
