"""The wire between simulated devices and the world."""

import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.wire import (
    MAX_DATAGRAM,
    Client,
    Op,
    WireError,
    pack_error,
    pack_reply,
    pack_request,
    unpack_reply,
    unpack_request,
)

numbers = st.lists(st.floats(allow_nan=False, width=64), max_size=30)
finite = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), max_size=30)


@given(st.integers(0, 65535), st.sampled_from(list(Op)), numbers, st.text(max_size=60))
def test_a_request_survives_the_wire(sequence, op, values, text):
    request = unpack_request(pack_request(sequence, op, "left/arm", np.array(values), text))
    assert (request.sequence, request.op, request.part, request.text) == (sequence, op, "left/arm", text)
    np.testing.assert_array_equal(request.values, values)


@given(st.integers(0, 65535), st.integers(0, 2**31 * 10**9 - 1), finite)
def test_a_reply_survives_the_wire(sequence, stamp_ns, values):
    got_sequence, got_stamp, got = unpack_reply(pack_reply(sequence, stamp_ns, np.array(values)))
    assert (got_sequence, got_stamp) == (sequence, stamp_ns)
    np.testing.assert_array_equal(got, values)


@given(st.binary(max_size=200))
def test_noise_is_never_taken_for_a_message(data):
    for unpack in (unpack_request, unpack_reply):
        with pytest.raises(WireError):
            unpack(data)


@given(st.integers(1, 60))
def test_a_truncated_request_is_refused(cut):
    whole = pack_request(1, Op.WRITE, "left/arm", np.zeros(8))
    with pytest.raises(WireError):
        unpack_request(whole[:-cut])


@pytest.mark.parametrize(
    "reply",
    [
        pack_reply(1, 10**18, np.array([0.0, np.nan])),
        pack_reply(1, 10**18, np.array([np.inf])),
        pack_reply(1, -1, np.zeros(3)),
        pack_reply(1, 2**31 * 10**9, np.zeros(3)),
        pack_reply(1, 10**18, np.zeros(3)) + b"x",
        pack_reply(1, 10**18, np.zeros(3))[:-1],
        pack_reply(1, 10**18, np.zeros(3))[:6] + b"\2" + pack_reply(1, 10**18, np.zeros(3))[7:],
    ],
    ids=["nan", "infinite", "before time", "beyond time", "too long", "too short", "unknown status"],
)
def test_a_reply_that_no_world_gives_is_refused(reply):
    with pytest.raises(WireError, match="reply with"):
        unpack_reply(reply)


@pytest.mark.parametrize("place", [8, -1])
def test_a_request_with_broken_text_is_refused(place):
    damaged = bytearray(pack_request(1, Op.HELLO, "left/arm", text="joint1"))
    damaged[place] = 0xFF
    with pytest.raises(WireError, match="UTF-8"):
        unpack_request(bytes(damaged))


def test_a_refusal_carries_its_reason():
    with pytest.raises(WireError, match="no part 'left/foot'"):
        unpack_reply(pack_error(3, "no part 'left/foot'"))


def test_a_silent_world_is_reported_with_its_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        client = Client(address, timeout_s=0.02)
        with pytest.raises(WireError, match=address):
            client.ask(Op.READ, "left/arm")
        client.close()


def test_a_late_answer_is_not_taken_for_the_next_one():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as world:
        world.bind(("127.0.0.1", 0))
        world.settimeout(2.0)

        def serve():
            late, peer = world.recvfrom(MAX_DATAGRAM)
            now, _ = world.recvfrom(MAX_DATAGRAM)  # answers the first question only when the second is asked
            for data, value in ((late, 1.0), (now, 2.0)):
                world.sendto(pack_reply(unpack_request(data).sequence, 0, np.array([value])), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        client = Client(f"127.0.0.1:{world.getsockname()[1]}", timeout_s=0.2)
        with pytest.raises(WireError):
            client.ask(Op.READ, "left/arm")
        _, values = client.ask(Op.READ, "left/arm")
        thread.join()
        client.close()
        np.testing.assert_array_equal(values, [2.0])
