"""`./ws run latent_codec gallery`: one latent decoded on every hand of a bundle, as a picture and as a film."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import embodiments
from contracts import command_line
from latent_codec.codec import Codec
from latent_codec.gallery import film
from latent_codec.gallery.gallery import Gallery
from latent_codec.gallery.offscreen import check_rendering
from latent_codec.gallery.poses import SEED
from latent_codec.training.data import grasps


class Straight(str, Enum):
    """In what the path of a film is straight between two poses."""

    LATENT = "latent"
    JOINTS = "joints"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return command_line.run(command, arguments, name="gallery", errors=(film.GalleryError,))


def command(
    bundle: Annotated[Path, typer.Option(help="whose hands are shown")] = Path("models/codec"),
    out: Annotated[Path, typer.Option(help="picture (.png)")] = Path("out/gallery.png"),
    video: Annotated[Path | None, typer.Option(help="also a film of a path through the space (.mp4)")] = None,
    animation: Annotated[Path | None, typer.Option(help="the same as an animated picture (.webp, .gif)")] = None,
    source: Annotated[
        str | None, typer.Option(help="hand whose poses are encoded; default: xhand, else the first")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the random pose")] = SEED,
    human_grasps: Annotated[
        bool, typer.Option("--grasps", help="the 33 grasps of Feix's taxonomy, shown by the human hand, as a picture")
    ] = False,
    straight_in: Annotated[Straight, typer.Option(help="what goes straight on the path")] = Straight.LATENT,
) -> int:
    """Show one latent decoded on every hand of a bundle, as a picture and as a film."""
    check_rendering()
    chosen = None
    if human_grasps:
        if source or video or animation:
            raise film.GalleryError("--grasps: found --source, --video or --animation too, expected neither")
        human, source = embodiments.load("human"), "human"
        chosen = dict(zip(grasps.grasps(), grasps.postures(human), strict=True))
    with Gallery(Codec.load(bundle), source, seed, chosen) as gallery:
        gallery.picture(out)
        _tell(gallery, out)
        if video or animation:
            gallery.film(video, animation, film.Settings(straight_in=straight_in.value))
            _tell(gallery, *filter(None, (video, animation)))
    return 0


def _tell(gallery: Gallery, *paths: Path) -> None:
    refused, total = gallery.refused
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {refused} of {total} latents refused")


if __name__ == "__main__":
    sys.exit(main())
