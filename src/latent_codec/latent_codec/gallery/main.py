"""`./ws run latent_codec gallery`: one latent decoded on every hand of a bundle, as a picture and as a film."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.bundle import BundleError
from latent_codec.codec import Codec
from latent_codec.gallery import film
from latent_codec.gallery.gallery import Gallery
from latent_codec.gallery.offscreen import GalleryError, check_rendering
from latent_codec.gallery.poses import SEED


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="gallery", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/codec"))
    parser.add_argument("--out", type=Path, default=Path("out/gallery.png"), help="picture (.png)")
    parser.add_argument("--video", type=Path, help="also a film of a path through the space (.mp4)")
    parser.add_argument("--animation", type=Path, help="the same as an animated picture (.webp, .gif)")
    parser.add_argument("--source", help="hand whose poses are encoded; by default xhand, else the first")
    parser.add_argument("--seed", type=int, default=SEED, help="of the random pose")
    parser.add_argument(
        "--straight-in", choices=("latent", "joints"), default="latent", help="what goes straight on the path"
    )
    options = parser.parse_args(arguments)
    try:
        check_rendering()
        with Gallery(Codec.load(options.bundle), options.source, options.seed) as gallery:
            _make(gallery, options)
    except (BundleError, GalleryError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _make(gallery: Gallery, options: argparse.Namespace) -> None:
    gallery.picture(options.out)
    _tell(gallery, options.out)
    if options.video or options.animation:
        gallery.film(options.video, options.animation, film.Settings(straight_in=options.straight_in))
        _tell(gallery, *filter(None, (options.video, options.animation)))


def _tell(gallery: Gallery, *paths: Path) -> None:
    refused, total = gallery.refused
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {refused} of {total} latents refused")


if __name__ == "__main__":
    sys.exit(main())
