"""The zoo: where public hands come from, what is refused, and a hand that is added, measured and shown."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import yaml

from bringup import zoo
from contracts.errors import FileError
from embodiments import registry
from embodiments.schema import FINGERS
from latent_codec.training import main as training
from latent_codec.training.add_hand import bundle
from latent_codec.training.data import families

SMALL = {
    "name": "small",
    "recipe": "crosshand",
    "hands": ["xhand", "xarm_gripper"],
    "latent_dim": 6,
    "steps": 4,
    "warmup_steps": 2,
    "evaluation_poses": 50,
    "settings": {
        "encoder": {"widths": [24]},
        "decoder": {"widths": [24]},
        "batch": 20,
        "anchors": 8,
        "pool": 400,
        "matched": 64,
        "matched_batch": 16,
    },
}
SHIPPED = Path(__file__).resolve().parents[3] / "models"
HANDS = zoo.chosen(None)


def test_the_zoo_has_at_least_twelve_hands_that_no_training_has_seen() -> None:
    assert len({hand.name for hand in HANDS}) == len(HANDS) >= 12
    assert not {hand.name for hand in HANDS} & {path.stem for path in registry.DATA.glob("*.yaml")}


@pytest.mark.parametrize("hand", HANDS, ids=lambda hand: hand.name)
def test_a_hand_of_the_zoo_is_fetched_by_one_command_and_added_by_one(hand: zoo.Hand) -> None:
    assert bool(hand.url) != bool(hand.wheel and hand.file)
    place = hand.url if hand.url else hand.wheel
    assert place in hand.fetch and hand.fetch.count(f"{hand.name}.urdf") >= 1
    assert hand.command.startswith(f"./ws add-hand --urdf {hand.name}.urdf --name {hand.name} --tips thumb=")


def test_a_hand_that_the_zoo_lacks_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert zoo.main(["--files", str(tmp_path), "--hands", "tentacle"]) == 1
    assert "zoo.yaml: hands: found tentacle, expected one of wuji, " in capsys.readouterr().err


def test_a_missing_file_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zoo.main(["--files", str(tmp_path), "--hands", "leap"]) == 1
    told = capsys.readouterr().err
    assert "leap.urdf: found no file, expected that of: pip download --no-deps dexi-rs" in told


def test_another_file_than_the_published_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wuji.urdf").write_text("<robot/>")
    assert zoo.main(["--files", str(tmp_path), "--hands", "wuji"]) == 1
    assert "wuji.urdf: sha256: found " in capsys.readouterr().err


def test_a_refused_hand_stands_in_the_table_with_its_reason() -> None:
    console_table = zoo.table([(HANDS[0], {"error": "no thumb"})])
    assert list(console_table.columns[1].cells) == ["refused: no thumb"]
    assert "no thumb" in zoo.section(HANDS[0], {"error": "no thumb"})


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zoo.Work]:
    """A small space, and figures of few postures."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(bundle, "DENSITY_POSES", 900)
        patch.setattr(zoo, "POSTURES", 20)
        patch.setattr(zoo, "LATENTS", 200)
        assert training.main(["--config", "small.yaml", "--out", "codec", "--work", "work"]) == 0
        yield zoo.Work(folder / "files", folder / "zoo", folder / "codec", SHIPPED / "policy", 0, steps=2)


@pytest.fixture
def twin(work: zoo.Work) -> zoo.Hand:
    """A hand like Inspire's, which the space has not."""
    work.files.mkdir(exist_ok=True)
    shutil.copyfile(registry.DATA / "inspire.urdf", work.files / "twin.urdf")
    sha256 = hashlib.sha256((work.files / "twin.urdf").read_bytes()).hexdigest()
    tips = {finger: f"{'pinky' if finger == 'little' else finger}_tip" for finger in FINGERS}
    return zoo.Hand(name="twin", title="Twin", url="https://example.org/twin.urdf", sha256=sha256, tips=tips)


@pytest.mark.graph
def test_a_hand_is_added_to_a_copy_measured_once_and_shown(work: zoo.Work, twin: zoo.Hand) -> None:
    before = (work.codec / "manifest.yaml").read_bytes()
    row = zoo.measure(work, twin)
    assert row["found"][-1].startswith("check: a can is held in 7 of 7") and row["joints"] == 6
    assert set(row["families"]) == set(families.ALL) and 0 <= row["admitted"] <= 1 and 0 <= row["admits"] <= 1
    assert (work.codec / "manifest.yaml").read_bytes() == before
    added = (work.bundle(twin) / "manifest.yaml").stat().st_mtime_ns
    assert zoo.measure(work, twin) == row
    assert (work.bundle(twin) / "manifest.yaml").stat().st_mtime_ns == added
    zoo.draw(work, [twin], work.out / "hands.png")
    assert cv2.imread(str(work.out / "hands.png")).std() > 10
    assert [next(iter(column.cells)) for column in zoo.table([(twin, row)]).columns][:2] == ["Twin", "6"]
    assert "curl -fLo twin.urdf https://example.org/twin.urdf" in zoo.section(twin, row)


@pytest.mark.graph
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": 1'])
def test_a_damaged_file_of_figures_is_said_and_measured_again(
    work: zoo.Work, twin: zoo.Hand, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = zoo.measure(work, twin)
    (work.out / "twin" / "figures.json").write_text(content)
    assert zoo.measure(work, twin) == row
    assert capsys.readouterr().err.startswith("measuring again: ")


@pytest.mark.graph
def test_a_hand_that_cannot_be_added_has_its_reason(work: zoo.Work, twin: zoo.Hand) -> None:
    row = zoo.measure(work, twin.model_copy(update={"tips": {"thumb": "thumb_tip", "index": "nail"}}))
    assert list(row) == ["error"] and "nail" in row["error"]


def test_a_file_of_hands_that_is_wrong_names_the_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo.yaml")
    zoo.ZOO.write_text("hands: []\n")
    with pytest.raises(FileError, match=r"zoo\.yaml: hands"):
        zoo.chosen(None)
