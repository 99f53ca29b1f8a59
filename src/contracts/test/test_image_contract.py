"""A camera that differs from those in a policy's training is refused, with what to do; what is unknown is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from contracts.errors import FileError
from contracts.framing import framed_fovy_deg
from contracts.image_contract import Framing, Trained, check_camera, fit_for, merged, view_difference
from contracts.manifest import ObservationContract

WIDE, FULL, SQUARE = (90, 160), (480, 640), (180, 180)
WHOLE = Trained(WIDE, 10.0, Framing())
CROPPED = Trained(WIDE, 10.0, Framing(fit="crop", camera=FULL))
PADDED = Trained(WIDE, 10.0, Framing(fit="pad", camera=FULL))


def seen_at(fovy_deg: float | None, trained: Trained = WHOLE) -> Trained:
    framing = trained.framing.model_copy(update={"fovy_deg": fovy_deg})
    return Trained(trained.size, trained.rate_hz, framing)


def check(
    size: tuple[int, int],
    trained: Trained = WHOLE,
    *,
    fit: str | None = None,
    rate_hz: float = 30.0,
    fovy_deg: float | None = None,
) -> None:
    camera = SimpleNamespace(height=size[0], width=size[1], fit=fit, rate_hz=rate_hz)
    check_camera("cameras.front", camera, trained, fovy_deg)


@pytest.mark.parametrize("shape", [(180, 180), (240, 320)])
def test_a_station_with_another_shape_is_refused_unless_it_chooses_a_fit(shape):
    with pytest.raises(FileError, match=rf"cameras\.front\.width, height: found {shape[1]}x{shape[0]}, .*160x90.*fit"):
        check(shape)
    for fit in ("crop", "pad"):
        check(shape, fit=fit)


def test_a_camera_slower_than_in_training_is_refused():
    with pytest.raises(FileError, match=r"cameras\.front\.rate_hz: found 5, expected at least 10"):
        check(WIDE, rate_hz=5.0)
    check(WIDE, rate_hz=10.0)


@pytest.mark.parametrize("trained", [CROPPED, PADDED])
def test_a_camera_of_the_shape_of_the_training_is_treated_as_in_training(trained):
    check((240, 320), trained)
    assert fit_for((240, 320), trained, None, "fit") == (trained.framing.fit, "")


@pytest.mark.parametrize("trained", [CROPPED, PADDED])
@pytest.mark.parametrize("shape", [SQUARE, (180, 320)])
def test_a_shape_that_was_not_trained_on_is_refused_though_a_fit_was(trained, shape):
    with pytest.raises(FileError, match=f"the shape of 640x480, .*cameras.front.fit: {trained.framing.fit}$"):
        check(shape, trained)
    check(shape, trained, fit=trained.framing.fit)


@pytest.mark.parametrize(("trained", "fit"), [(CROPPED, "pad"), (PADDED, "crop")])
def test_another_fit_than_in_training_is_refused(trained, fit):
    expected = f"cameras.front.fit: found {fit}, expected {trained.framing.fit}, as in the policy's training, or same"
    with pytest.raises(FileError, match=expected):
        check(FULL, trained, fit=fit)


def test_images_of_the_networks_shape_may_replace_cropped_ones():
    check((180, 320), CROPPED, fit="same")


def test_cameras_of_several_shapes_in_training_leave_the_shape_open():
    assert fit_for(SQUARE, Trained(WIDE, 10.0, Framing(fit="crop")), None, "fit") == ("crop", "")


def test_another_field_of_view_is_refused_with_both_named():
    with pytest.raises(FileError) as error:
        check(WIDE, seen_at(35.0), fovy_deg=45.0)
    assert str(error.value) == (
        "station: cameras.front: found a vertical field of view of 45.0 degrees, "
        "expected the 35.0 of the policy's training: set it, or train with this camera"
    )


def test_the_field_of_view_that_is_left_by_cropping_counts():
    after = framed_fovy_deg(45.0, FULL, WIDE, "crop")
    check(FULL, seen_at(after, CROPPED), fovy_deg=45.0)
    with pytest.raises(FileError, match=r"found a .*35\.0 degrees, expected 45\.0, which crop turns into the 34\.5 of"):
        check(FULL, seen_at(after, CROPPED), fovy_deg=35.0)


@pytest.mark.parametrize(("camera", "trained"), [(None, 35.0), (35.0, None), (None, None)])
def test_a_field_of_view_that_is_unknown_is_not_checked(camera, trained):
    assert view_difference(camera, WIDE, "same", seen_at(trained)) is None


@pytest.mark.parametrize("fovy_deg", [34.0, 36.0])
def test_cameras_of_one_model_have_the_same_field_of_view(fovy_deg):
    check(WIDE, seen_at(35.0), fovy_deg=fovy_deg)


def test_episodes_of_one_camera_give_its_framing():
    one = Framing(fit="crop", camera=FULL, fovy_deg=35.0)
    assert merged([one, one.model_copy(update={"camera": (240, 320)})]) == one


@pytest.mark.parametrize("other", [Framing(), Framing(camera=SQUARE, fovy_deg=45.0)])
def test_episodes_of_several_or_unknown_cameras_give_what_is_common(other):
    assert merged([Framing(fit="crop", camera=FULL, fovy_deg=35.0), other]) == Framing(fit="crop")


def test_episodes_with_two_fits_are_refused():
    with pytest.raises(ValueError, match="crop and pad"):
        merged([CROPPED.framing, PADDED.framing])


def test_the_framing_of_a_camera_that_is_not_used_is_refused():
    with pytest.raises((FileError, ValidationError), match="side"):
        ObservationContract(cameras={"front": WIDE}, framing={"side": Framing()}, max_age_s=0.2)
