"""Which bundles to measure, and what to call them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contracts.bundle import load_manifest

SHIPPED = Path("models") / "codec"
TRAINED = Path("out") / "codec"
CONFIGS = Path(__file__).parents[1] / "training" / "configs"


class PlaceError(RuntimeError):
    """A recipe that is not known or not trained; one line."""


def bundles(paths: Sequence[Path] | None, recipes: Sequence[str], root: Path) -> dict[str, Path]:
    """Bundles by name: `paths`, or the shipped one, by the name of their configuration, then `recipes`.

    Of two with one name the later is called by its whole latent space. Raises PlaceError and BundleError.
    """
    found = {name: recipe_bundle(name, root) for name in dict.fromkeys(recipes)}
    given: dict[str, Path] = {}
    for path in paths or [root / SHIPPED]:
        space = load_manifest(path, "codec").latent_space
        name = space.split("@")[0]
        if path.resolve() not in [other.resolve() for other in found.values()]:
            given[space if name in found or name in given else name] = path
    return {**given, **found}


def recipe_bundle(name: str, root: Path) -> Path:
    """Where the trained bundle of the configuration `name` lies; the shipped one's is in models/codec."""
    known = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    if name not in known:
        raise PlaceError(f"--recipe: found {name}, expected one of {', '.join(known)}")
    trained, shipped = root / TRAINED / name, root / SHIPPED
    if (trained / "manifest.yaml").is_file():
        return trained
    if (shipped / "manifest.yaml").is_file() and _config_name(shipped) == name:
        return shipped
    raise PlaceError(f"{trained}: found no bundle; ./ws train codec --config {CONFIGS / name}.yaml")


def _config_name(bundle: Path) -> str:
    return str(load_manifest(bundle, "codec").training.config.get("name"))
