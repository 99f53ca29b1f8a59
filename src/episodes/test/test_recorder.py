"""The recorder as the graph sees it: a real process, real topics, real signals."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from episode_bags import ARM, metadata, picture

pytest.importorskip("rclpy")

from lifecycle_msgs.msg import Transition
from recorder_process import IMAGE, STATES
from sensor_msgs.msg import Image, JointState

from episodes import messages
from episodes.bag import EpisodeReader, read, read_metadata
from episodes.mcap import Walk, salvage
from episodes.raw_subscriptions import message_type
from episodes.repair import repair
from episodes.statistics import losses
from node_kit import messages as outgoing
from node_kit import qos, testing

pytestmark = pytest.mark.graph


def numbers(bag: Path, topic: str) -> list[int]:
    """The stamps, which are the numbers of the messages."""
    return [messages.stamp_ns(message) for _, _, message in read(bag, {topic})]


def dropped_and_lost(bag: Path) -> tuple[dict[str, int], dict[str, int]]:
    with EpisodeReader(bag) as reader:
        found = losses(reader)
    return found.dropped, found.lost


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_published_message_is_in_the_bag_that_a_signal_leaves(start_recorder, number):
    recorder = start_recorder()
    states, images = recorder.states(), recorder.pictures()
    recorder.send_states(states, 300)
    recorder.send_images(images, 40)
    recorder.wait_for_messages(340)
    assert recorder.status["dropped"] == recorder.status["lost"] == "0"
    assert recorder.status["message"] == "recording"
    assert recorder.signal(number) == 0
    (bag,) = recorder.recorded()
    assert numbers(bag, STATES) == list(range(300))
    assert numbers(bag, IMAGE) == list(range(40))
    assert dropped_and_lost(bag) == ({}, {})
    assert read_metadata(bag) == metadata(None)
    assert recorder.stderr == ""
    content = [message for _, _, message in read(bag, {STATES})]
    assert all(np.array_equal(message.position, [n, n]) for n, message in enumerate(content))


def test_what_is_published_when_the_activation_ends_is_in_the_bag(start_recorder):
    recorder = start_recorder(autostart=False)
    states = recorder.publisher(JointState, STATES, qos.STATE, subscribers=0)
    images = recorder.publisher(Image, IMAGE, qos.IMAGE, subscribers=0)
    assert recorder.change_state(Transition.TRANSITION_CONFIGURE)
    sent = {STATES: 0, IMAGE: 0}
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.005):
            states.publish(outgoing.joint_state(ARM, sent[STATES], np.zeros(2)))
            images.publish(outgoing.image(picture(0), sent[IMAGE], "front"))
            sent.update({topic: number + 1 for topic, number in sent.items()})

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        assert recorder.change_state(Transition.TRANSITION_ACTIVATE)
        active = dict(sent)  # a policy may decide from now on
        assert testing.until(lambda: sent[STATES] > active[STATES] + 20)
    finally:
        ended.set()
        thread.join()
    assert recorder.signal(signal.SIGTERM) == 0
    (bag,) = recorder.recorded()
    late = {topic: numbers(bag, topic)[0] - active[topic] for topic in (STATES, IMAGE)}
    assert max(late.values()) < 0, late


def test_an_activation_does_not_wait_for_topics_that_nobody_publishes(start_recorder):
    recorder = start_recorder(autostart=False)
    assert recorder.change_state(Transition.TRANSITION_CONFIGURE) and recorder.change_state(
        Transition.TRANSITION_ACTIVATE
    )
    recorder.wait_for_status(message="recording", missing=f"{IMAGE} {STATES}")


def test_a_killed_recorder_leaves_what_it_wrote_and_its_description(start_recorder):
    recorder = start_recorder()
    recorder.send_states(recorder.states(), 100)
    (bag,) = recorder.recorded()
    written = lambda: sum(1 for _ in salvage(bag / f"{bag.name}.mcap", Walk()))  # noqa: E731
    assert testing.until(lambda: written() == 100)
    recorder.signal(signal.SIGKILL)
    repair(bag)
    assert numbers(bag, STATES) == list(range(100))
    assert read_metadata(bag) == metadata(None)


def test_a_topic_that_appears_later_is_recorded(start_recorder):
    recorder = start_recorder()
    recorder.wait_for(lambda: recorder.status.get("missing") == f"{IMAGE} {STATES}", "the wait for both topics")
    recorder.send_states(recorder.states(), 20)
    recorder.wait_for(lambda: recorder.status.get("missing") == IMAGE, "the wait for the other topic")
    recorder.send_images(recorder.pictures(), 20)
    recorder.wait_for_messages(40)
    assert recorder.signal(signal.SIGTERM) == 0
    assert numbers(recorder.recorded()[0], IMAGE) == list(range(20))


def test_messages_that_never_arrived_are_counted_in_the_bag(start_recorder):
    recorder = start_recorder(poll_s=0.2)
    images = recorder.pictures()
    recorder.send_images(images, 1)
    recorder.wait_for_messages(1)
    recorder.send_images(images, 200, pace_s=0.0)  # faster than they are taken
    recorder.wait_for(lambda: int(recorder.status["lost"]) > 0, "the count of losses")
    recorder.send_images(images, 1)  # only a later message shows how many are missing before it
    accounted = lambda: int(recorder.status["messages"]) + int(recorder.status["lost"])  # noqa: E731
    recorder.wait_for(lambda: accounted() == 202, "the account of every message")
    assert recorder.status["message"].startswith(f"recording with losses: {IMAGE} ")
    assert recorder.signal(signal.SIGTERM) == 0
    (bag,) = recorder.recorded()
    dropped, lost = dropped_and_lost(bag)
    assert (len(numbers(bag, IMAGE)) + lost[IMAGE], dropped) == (202, {})


def test_a_type_that_bags_do_not_know_is_refused_before_it_is_recorded():
    with pytest.raises(ValueError, match="not one of the standard types"):
        message_type("somewhere_msgs/msg/Thing")
    assert message_type("sensor_msgs/msg/JointState") is JointState


def test_every_start_is_a_new_bag_and_a_stop_keeps_what_came_before_it(start_recorder):
    recorder = start_recorder(autorecord=False)
    states = recorder.states()
    recorder.send_states(states, 5, first=900)
    for first in (0, 100):
        started = recorder.trigger("start")
        assert started.success, started.message
        assert recorder.trigger("start").message == f"already recording {started.message}"
        recorder.send_states(states, 50, first)
        stopped = recorder.trigger("stop")
        assert (stopped.success, stopped.message) == (True, started.message)
        assert numbers(Path(stopped.message), STATES) == list(range(first, first + 50))
    assert recorder.trigger("stop").message == "not recording"
    assert len(recorder.recorded()) == 2


def test_a_failed_start_reports_its_reason_and_the_recorder_continues(start_recorder):
    recorder = start_recorder(autorecord=False)
    recorder.states()
    recorder.bags.rmdir()
    recorder.bags.touch()
    refused = recorder.trigger("start")
    assert not refused.success
    assert str(recorder.bags) in refused.message
    recorder.bags.unlink()
    assert recorder.trigger("start").success


def test_a_failed_recording_is_an_error_a_failed_stop_and_exit_status_1(start_recorder):
    recorder = start_recorder(min_free_bytes=1 << 62)
    recorder.send_states(recorder.states(), 20)
    (bag,) = recorder.recorded()
    assert testing.until(lambda: recorder.stderr)
    assert recorder.stderr.startswith(f"error: node /recorder: recording failed: {bag}: ")
    assert "MiB free on the disk" in recorder.stderr and "make room" in recorder.stderr
    stopped = recorder.trigger("stop")
    assert not stopped.success
    assert stopped.message.startswith(f"{bag}: ") and "MiB free on the disk" in stopped.message
    assert recorder.signal(signal.SIGINT) == 1
    assert recorder.stderr.count("\n") == 1


def test_after_a_failed_recording_another_one_can_be_started(start_recorder):
    recorder = start_recorder(min_free_bytes=1 << 62)
    recorder.send_states(recorder.states(), 20)
    recorder.wait_for(lambda: recorder.status.get("message", "").startswith("failed: "), "the failure")
    started = recorder.trigger("start")
    assert started.success, started.message
    assert Path(started.message) in recorder.recorded() and len(recorder.recorded()) == 2


def test_a_task_with_any_characters_stays_in_the_folder(start_recorder):
    task = "../../put the can / down"
    recorder = start_recorder(metadata=metadata(None, task=task).model_dump_json())
    recorder.wait_for(lambda: recorder.status.get("path"), "the start")
    assert recorder.signal(signal.SIGTERM) == 0
    (bag,) = recorder.recorded()
    assert read_metadata(bag).task == task


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"topics": ["left arm"]}, "parameter 'topics.0'"),
        ({"poll_s": 5.0}, "parameter 'poll_s'"),
        ({"directory": "/dev/null"}, "/dev/null"),
        ({"metadata": ""}, "parameter 'station'"),
        ({"metadata": json.dumps({"task": 3})}, "parameter 'metadata': task: found 3"),
        ({"topic": ["/a"]}, "parameter 'topic': unknown"),
    ],
)
def test_bad_parameters_give_one_line(start_recorder, parameters, reason):
    recorder = start_recorder(**parameters)
    assert recorder.exit_code() == 1
    assert recorder.stderr.startswith("error: ")
    assert recorder.stderr.count("\n") == 1
    assert reason in recorder.stderr
