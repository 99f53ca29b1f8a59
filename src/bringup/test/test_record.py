"""`./ws record`: the station's recorder, alone."""

import sys
from pathlib import Path

import yaml

from bringup import record, station
from bringup.paths import RunDirectory


def test_recorder_alone_gets_the_topics_and_autostarts(tmp_path):
    resolved = station.load("dual_xarm7", {"record": True, "right_hand": "xhand"})
    command = record.prepare(resolved, RunDirectory.create(tmp_path))
    assert command[0] == sys.executable
    parameters = yaml.safe_load(Path(command[command.index("--params-file") + 1]).read_text())
    assert list(parameters) == ["/recorder"]
    recorder = parameters["/recorder"]["ros__parameters"]
    assert recorder["autostart"] is True
    assert "left/arm/command" in recorder["topics"]
    assert yaml.safe_load(Path(recorder["station"]).read_text())["sides"]["right"]["hand"]["embodiment"] == "xhand"


def test_unknown_argument_is_refused_in_one_line(capsys):
    assert record.main(["lefthand:=inspire"]) != 0
    assert capsys.readouterr().err.splitlines() == ["error: argument: found 'lefthand', expected 'left_hand'"]


def test_a_hand_that_does_not_exist_is_refused_before_anything_is_recorded(capsys):
    assert record.main(["left_hand:=octopus"]) != 0
    assert capsys.readouterr().err.startswith("error: left_hand: found 'octopus', expected one of ability")
