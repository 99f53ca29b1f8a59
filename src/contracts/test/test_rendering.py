"""What a machine needs for offscreen rendering."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.rendering import DRIVERS, main, missing_packages, no_rendering


def test_without_a_registered_driver_its_packages_are_missing(tmp_path: Path) -> None:
    assert set(DRIVERS) <= set(missing_packages([tmp_path]))


def test_with_a_registered_driver_no_package_of_one_is_missing(tmp_path: Path) -> None:
    (tmp_path / "50_mesa.json").touch()
    assert not set(DRIVERS) & set(missing_packages([tmp_path / "none", tmp_path]))


def test_an_unknown_platform_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "bogus")
    assert main() == 1
    assert capsys.readouterr().err == "error: MUJOCO_GL: found 'bogus', expected one of egl, osmesa, glfw\n"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError("one\ntwo\n"), "two"), (OSError(), "OSError"), ("", "it crashed"), ("no response", "no response")],
)
def test_error_quotes_the_last_line_and_names_the_packages(error: Exception | str, reason: str) -> None:
    line = str(no_rendering(error))
    assert line.startswith(f"EGL: found no offscreen rendering ({reason}), expected it to work; apt-get")
