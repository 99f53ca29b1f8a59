"""Bad input to the demo, as real runs of it: one clear line, a non-zero exit status, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from bringup_helpers import write_bundles

from contracts.claims import Claim, name_of_node
from contracts.station import station_file

pytestmark = pytest.mark.graph


CALIBRATION = """
image_width: 320
image_height: 180
camera_matrix: {rows: 3, cols: 3, data: [180, 0, 160, 0, 180, 90, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [180, 0, 160, 0, 0, 180, 90, 0, 0, 0, 1, 0]}
"""


class Demo:
    """A workspace with small but valid bundles, and the demo's command line in it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.codec, self.policy = folder / "models" / "codec", folder / "models" / "policy"
        write_bundles(self.codec, self.policy)

    def refusal(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """The one line with which the demo refuses `arguments`."""
        given = {"codec": self.codec, "policy": self.policy, "seconds": 1, "port": self.port}
        named = {argument.partition(":=")[0] for argument in arguments}
        defaults = [f"{name}:={value}" for name, value in given.items() if name not in named]
        argv = [sys.executable, "-m", "bringup.demo", *defaults, *arguments]
        environment = {**os.environ, **(env or {}), "CROSSHAND_WS": str(self.folder)}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=self.folder, env=environment)
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not (self.folder / "out").exists()  # refused before anything was started or written
        return done.stderr


@pytest.fixture
def demo(tmp_path: Path, free_port: int) -> Demo:
    return Demo(tmp_path, free_port)


def test_an_unknown_hand_is_refused_with_the_known_ones(demo: Demo) -> None:
    line = demo.refusal("left_hand:=octopus")
    assert line.startswith("error: left_hand: found 'octopus', expected one of ")
    assert "ability" in line and "inspire" in line and "xarm_gripper" in line


def test_a_hand_outside_the_codec_is_refused_with_the_known_ones(demo: Demo) -> None:
    line = demo.refusal("right_hand:=xhand")
    assert "right_hand: found 'xhand', expected one of ability, inspire in the codec" in line


def test_a_missing_bundle_is_named(demo: Demo) -> None:
    line = demo.refusal(f"policy:={demo.folder}/models/nothing")
    assert "models/nothing/manifest.yaml" in line


def test_a_missing_model_file_is_named(demo: Demo) -> None:
    (demo.policy / "policy.onnx").unlink()
    assert "policy.onnx" in demo.refusal()


def test_a_truncated_model_file_is_named(demo: Demo) -> None:
    file = demo.codec / "inspire_decoder.onnx"
    file.write_bytes(file.read_bytes()[:-5])
    line = demo.refusal()
    assert "inspire_decoder.onnx" in line and "expected" in line


def test_a_changed_byte_is_refused(demo: Demo) -> None:
    file = demo.policy / "policy.onnx"
    content = bytearray(file.read_bytes())
    content[7] ^= 1
    file.write_bytes(content)
    line = demo.refusal()
    assert "policy.onnx" in line and "sha256" in line


def test_a_policy_of_another_latent_space_is_refused(demo: Demo) -> None:
    write_bundles(demo.codec, demo.policy, policy_space="other@0123456789ab")
    line = demo.refusal()
    assert "latent_space: found 'other@0123456789ab', expected 'space@aaaaaaaaaaaa'" in line


def test_a_station_with_a_typing_error_is_refused(demo: Demo) -> None:
    content = yaml.safe_load(station_file("dual_xarm7").read_text())
    content["camras"] = content.pop("cameras")
    file = demo.folder / "lab.yaml"
    file.write_text(yaml.safe_dump(content))
    assert "lab.yaml: camras: found an unknown field, expected 'cameras'" in demo.refusal(f"station:={file}")


def test_a_port_in_use_is_named_with_the_parameter_that_changes_it(demo: Demo, taken_port: int) -> None:
    line = demo.refusal(f"port:={taken_port}")
    assert f"simulation.port: found {taken_port} taken by another simulated world" in line
    assert "port:=" in line


def test_a_second_station_in_one_ros_domain_is_refused(demo: Demo) -> None:
    claim = Claim(name_of_node("/policy", int(os.environ["ROS_DOMAIN_ID"])))
    line = demo.refusal()
    claim.release()
    assert f"policy: found process {os.getpid()}, in ROS domain {os.environ['ROS_DOMAIN_ID']}" in line
    assert "expected no other graph there" in line and "ROS_DOMAIN_ID=" in line


def test_without_egl_the_error_names_the_packages_to_install(demo: Demo) -> None:
    line = demo.refusal(env={"__EGL_VENDOR_LIBRARY_FILENAMES": os.devnull, "EGL_PLATFORM": "surfaceless"})
    assert line.startswith("error: EGL: found no offscreen rendering")
    assert "apt-get install libegl1" in line


def test_opengl_that_makes_a_context_but_cannot_render_is_noticed(demo: Demo) -> None:
    line = demo.refusal(env={"MUJOCO_GL": "glfw", "DISPLAY": "", "WAYLAND_DISPLAY": ""})
    assert line.startswith("error: EGL: found no offscreen rendering")


def test_an_opengl_that_cannot_be_loaded_is_one_line(demo: Demo) -> None:
    line = demo.refusal(env={"MUJOCO_GL": "bogus"})
    assert line.startswith("error: EGL: found no offscreen rendering") and "MUJOCO_GL: bogus" in line


def test_an_unknown_task_is_refused_with_the_known_ones(demo: Demo) -> None:
    assert "task: found 'pick_plac', expected one of pick_place" in demo.refusal("task:=pick_plac")


def test_a_workspace_that_cannot_be_written_is_one_line(demo: Demo) -> None:
    (demo.folder / "out").symlink_to("/dev/full/nowhere")
    line = demo.refusal()
    assert line.startswith(f"error: run directory: {demo.folder}/out/run-") and line.endswith(": not a directory\n")


def test_a_domain_that_is_none_is_refused_before_anything_starts(demo: Demo) -> None:
    assert "ROS_DOMAIN_ID: found 'abc', expected a whole number" in demo.refusal(env={"ROS_DOMAIN_ID": "abc"})


def test_a_report_that_cannot_be_written_is_refused_before_the_run(demo: Demo) -> None:
    path = demo.folder / "lab.txt" / "report.json"
    path.parent.touch()
    line = demo.refusal("--json", str(path))
    assert f"--json: found '{path}' (" in line


def test_a_camera_of_another_shape_is_refused_with_both_named(demo: Demo) -> None:
    line = demo.refusal("cameras.front.width:=180", "cameras.front.height:=180")
    assert "cameras.front.width, height: found 180x180, expected the shape of " in line
    assert "cameras.front.fit" in line


def test_a_camera_of_another_field_of_view_is_refused_with_both_named(demo: Demo) -> None:
    line = demo.refusal("cameras.front.fovy_deg:=45")
    assert "cameras.front: found a vertical field of view of 45.0 degrees, expected the 35.0 of the policy's" in line


def test_cropping_a_camera_narrows_its_field_of_view(demo: Demo) -> None:
    line = demo.refusal("cameras.front.width:=180", "cameras.front.height:=180", "cameras.front.fit:=crop")
    assert "found a vertical field of view of 35.0 degrees, expected 58.7, which crop turns into the 35.0 of" in line


def test_a_real_camera_calibrated_to_another_field_of_view_is_refused(demo: Demo) -> None:
    file = demo.folder / "front.yaml"
    file.write_text(CALIBRATION)
    line = demo.refusal("cameras.front.source:=v4l2", f"cameras.front.calibration:={file}")
    assert "cameras.front: found a vertical field of view of 53.1 degrees, expected the 35.0 of the policy's" in line


def test_a_calibration_that_is_missing_is_named(demo: Demo) -> None:
    line = demo.refusal("cameras.front.source:=v4l2", "cameras.front.calibration:=/nowhere/front.yaml")
    assert "cameras.front.calibration: /nowhere/front.yaml" in line


def test_a_mistyped_argument_is_named(demo: Demo) -> None:
    assert "argument: found 'rihgt_hand', expected 'right_hand'" in demo.refusal("rihgt_hand:=inspire")
