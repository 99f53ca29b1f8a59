"""Random changes of images: what they may change and by how much."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from latent_policy_node.training.config import AugmentConfig
from latent_policy_node.training.photometric import HEIGHT, RECTANGLES, WIDTH, Relight, scale_image

SIZE = (64, 45, 80)
STILL = {"brightness": 0.0, "contrast": 0.0, "colour": 0.0, "noise": 0.0}


def relit(**changes: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images as they are and changed, (B, 3, h, w) each."""
    images = torch.randint(256, (*SIZE, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    augment, generator = AugmentConfig(**(STILL | changes)), torch.Generator().manual_seed(1)
    change = Relight(augment, SIZE, generator, Fabric(accelerator="cpu", devices=1))
    return scale_image(images), change(images)


def test_images_stay_as_they_are_where_nothing_is_to_change() -> None:
    before, after = relit()
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_rectangles_of_one_colour_hide_parts_of_most_images() -> None:
    before, after = relit(hidden=0.5)
    changed = ((after - before).abs() > 1e-5).any(1)
    touched = changed.flatten(1).any(1)
    assert 0.6 < touched.float().mean() < 0.95  # three quarters, less those that lie outside
    largest = RECTANGLES * (WIDTH[1] + 1 / SIZE[2]) * (HEIGHT[1] + 1 / SIZE[1])
    assert changed.float().mean((1, 2)).max() <= largest
    for image, mask in zip(after[touched], changed[touched], strict=True):
        assert len(image[:, mask].T.unique(dim=0)) <= RECTANGLES


def test_changed_pixels_stay_within_the_range_of_an_image() -> None:
    _, after = relit(hidden=1.0, brightness=0.5, contrast=0.5, colour=0.5, noise=0.5)
    assert after.abs().max() <= 1
