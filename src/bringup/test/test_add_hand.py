"""The command line of adding a hand: every option reaches what adds the hand, and what is wrong is one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import embodiments
from bringup import add_hand
from embodiments.urdf_import.importer import Options
from latent_codec.training.add_hand.place import Arguments

SHIPPED = Path(__file__).resolve().parents[3] / "models" / "codec"
TIPS = ["--tips", "thumb=t", "index=i@0.03,0,-0.01"]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[Arguments]:
    """What would have been added; nothing is."""
    calls: list[Arguments] = []
    monkeypatch.setattr(add_hand, "add", lambda arguments, console, check: calls.append(arguments))
    monkeypatch.setattr(add_hand, "try_policy", lambda name, picks, bundles: f"{name} tried {picks} times")
    return calls


def test_all_options_reach_the_hand_that_is_added(added: list[Arguments], tmp_path: Path) -> None:
    options = ["--forward", "0", "0", "-1", "--palm", "1", "0", "0", "--mount-xyz", "0", "0", "0.1"]
    options += [
        "--mount-rpy",
        "0",
        "0",
        "-1.5",
        "--freeze",
        "wrist=0.2",
        "slide",
        "--kind",
        "gripper",
        "--side",
        "left",
    ]
    places = ["--codec", "c", "--robots", "r", "--work", str(tmp_path), "--steps", "9", "--seed", "3", "--replace"]
    assert add_hand.main(["--name", "toy", "--urdf", "toy.urdf", *TIPS, *options, *places]) == 0
    assert added == [
        Arguments(
            name="toy",
            codec=Path("c"),
            robots=Path("r"),
            work=tmp_path,
            urdf=Path("toy.urdf"),
            tips={"thumb": ("t", (0.0, 0.0, 0.0)), "index": ("i", (0.03, 0.0, -0.01))},
            options=Options(
                kind="gripper",
                side="left",
                forward=(0, 0, -1),
                palm=(1, 0, 0),
                mount_xyz=(0, 0, 0.1),
                mount_rpy=(0, 0, -1.5),
                frozen={"wrist": 0.2, "slide": None},
                seed=3,
            ),
            steps=9,
            seed=3,
            replace=True,
        )
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--name", "toy", "--urdf", "toy.urdf"], 1, "--tips: give them with --urdf FILE"),
        (["--name", "toy", *TIPS], 1, "--tips: give them with --urdf FILE"),
        (["--name", "toy", "--urdf", "a", "--tips", "thumb"], 1, "--tips: found 'thumb', expected FINGER=LINK"),
        (["--name", "toy", "--urdf", "a", "--tips", "thumb=a@1,2"], 1, "--tips: found 'thumb=a@1,2', expected"),
        (["--name", "toy", "--freeze", "wrist=x"], 1, "--freeze: found 'wrist=x', expected JOINT or JOINT=POSITION"),
        (["--name", "inspire"], 1, "codec.hands: found inspire, expected a hand that is not in it"),
        (["--name", "toy", "--kind", "foot"], 2, "foot"),
        (["--name", "toy", "--steps", "0"], 2, "steps"),
        ([], 2, "--name"),
    ],
)
def test_wrong_arguments_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    places = ["--codec", str(SHIPPED), "--robots", str(tmp_path / "robots"), "--work", str(tmp_path / "work")]
    assert add_hand.main([*arguments, *places]) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_hand_that_holds_the_can_is_trained() -> None:
    assert add_hand.check_grasp(embodiments.load("inspire")).startswith("check: a can is held in 7 of 7")


def test_a_hand_that_lets_the_can_fall_is_trained_only_if_told() -> None:
    hand = embodiments.load("inspire")
    open_always = replace(hand, postures={**hand.postures, "grasp": hand.postures["open"]})
    with pytest.raises(add_hand.ArgumentsError, match=r"held in 0 of 7 .* or --anyway to train it as it is"):
        add_hand.check_grasp(open_always)
    assert "held in 0 of 7" in add_hand.check_grasp(open_always, anyway=True)


def test_the_policy_tries_the_hand_at_the_end(added: list[Arguments], capsys: pytest.CaptureFixture[str]) -> None:
    assert add_hand.main(["--name", "toy", "--picks", "3"]) == 0 and "toy tried 3 times" in capsys.readouterr().out
    assert add_hand.main(["--name", "toy", "--picks", "0"]) == 0 and "tried" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("placed", "told"),
    [
        ({"left": 10, "right": 9}, "policy: of 10 cans a side left 10, right 9 placed"),
        (
            {"left": 9, "right": 4},
            "policy: of 10 cans a side left 9, right 4 placed; POOR on the right: train a policy",
        ),
    ],
)
def test_a_side_on_which_the_policy_is_poor_is_named(
    monkeypatch: pytest.MonkeyPatch, placed: dict[str, int], told: str
) -> None:
    monkeypatch.setattr(add_hand, "assemble", lambda *_: None)
    monkeypatch.setattr(add_hand, "roll_out", lambda *_, **__: {"successes_by_side": placed})
    assert add_hand.try_policy("toy", 10, (SHIPPED.parent / "policy", SHIPPED)).startswith(told)


def test_a_policy_that_cannot_try_the_hand_says_why(tmp_path: Path) -> None:
    told = add_hand.try_policy("inspire", 1, (tmp_path / "none", SHIPPED))
    assert told.startswith("policy: not tried: ") and str(tmp_path / "none") in told


@pytest.mark.graph
def test_the_shipped_policy_tries_a_hand_that_it_knows() -> None:
    told = add_hand.try_policy("inspire", 1, (SHIPPED.parent / "policy", SHIPPED))
    assert told == "policy: of 1 cans a side left 1, right 1 placed"
