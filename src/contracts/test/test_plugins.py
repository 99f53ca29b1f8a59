"""Plug-ins are found by name among what is installed."""

from __future__ import annotations

import pytest

from contracts import plugins


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A package with two plug-ins, one of which lacks its vendor's library."""
    (tmp_path / "acme_hands.py").write_text("class Hand: ...\n")
    (tmp_path / "acme_arms.py").write_text("import a_vendor_library_nobody_has\n")
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    entries = "[acme.devices]\nhand = acme_hands:Hand\narm = acme_arms:Arm\ntypo = acme_hands:Hnad\n"
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "acme.devices"


def test_a_plug_in_is_loaded_by_name(group):
    assert plugins.load(group, "hand").__name__ == "Hand"


def test_names_are_listed_without_importing_anything(group):
    assert plugins.names(group) == ("arm", "hand", "typo")


def test_an_unknown_name_lists_what_exists(group):
    with pytest.raises(plugins.PluginError, match=r"acme.devices: found 'foot', expected one of: arm, hand, typo"):
        plugins.load(group, "foot")


def test_a_group_nobody_registers_says_so():
    with pytest.raises(plugins.PluginError, match="none is installed"):
        plugins.load("nobody.here", "x")


@pytest.mark.parametrize(("name", "reason"), [("arm", "a_vendor_library_nobody_has"), ("typo", "Hnad")])
def test_a_plug_in_that_cannot_be_imported_says_why(group, name, reason):
    with pytest.raises(plugins.PluginError, match=f"'{name}' cannot be loaded: .*{reason}"):
        plugins.load(group, name)
