"""What a process receives at its end: nothing over UDP, all else as before."""

from __future__ import annotations

import socket
import subprocess
import sys

RECEIVER = """
import socket
import threading
import time

from node_kit.udp_sockets import stop_receiving

def pair(kind):
    receiver = socket.socket(type=kind)
    receiver.bind(("127.0.0.1", 0))
    sender = socket.socket(type=kind)
    return receiver, sender

udp, to_udp = pair(socket.SOCK_DGRAM)
tcp, to_tcp = pair(socket.SOCK_STREAM)
tcp.listen()
to_tcp.connect(tcp.getsockname())
stream, _ = tcp.accept()
to_udp.sendto(b"before", udp.getsockname())
read = []

def slow():
    time.sleep(0.05)
    read.append(udp.recv(100))

reader = threading.Thread(target=slow)
reader.start()
stop_receiving()
print(read)  # what had arrived has been read
to_udp.sendto(b"after", udp.getsockname())
to_tcp.sendall(b"stream")
print(stream.recv(100))
udp.sendto(b"out", to_udp.getsockname())
udp.settimeout(0.2)
try:
    print(udp.recv(100))
except TimeoutError:
    print("nothing")
udp.settimeout(None)

def wait():
    print(udp.recvfrom(100)[0])

reader = threading.Thread(target=wait)
reader.start()
time.sleep(0.1)
try:
    udp.shutdown(socket.SHUT_RD)  # as Fast DDS wakes its own threads
except OSError:
    pass
reader.join(10.0)
"""


def test_datagrams_are_dropped_after_those_that_had_arrived_are_read() -> None:
    done = subprocess.run([sys.executable, "-c", RECEIVER], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[b'before']\nb'stream'\nnothing\nb''\n", "")


INHERITED = """
import os
import sys
from node_kit.udp_sockets import close_inherited

close_inherited()
for number in sys.argv[1:]:
    try:
        os.fstat(int(number))
        print("open")
    except OSError:
        print("closed")
"""


def test_inherited_udp_sockets_are_closed_and_others_stay_open() -> None:
    datagrams = socket.SOCK_DGRAM
    with socket.socket(type=datagrams) as one, socket.socket() as tcp, socket.socket(type=datagrams) as other:
        numbers = [one.fileno(), tcp.fileno(), other.fileno()]
        arguments = [sys.executable, "-c", INHERITED, *map(str, numbers)]
        done = subprocess.run(arguments, pass_fds=numbers, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("closed\nopen\nclosed\n", "")


SELECTED = """
import socket
from node_kit.udp_sockets import created, stop_receiving

def bound():
    made = socket.socket(type=socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(0.2)
    return made

before = bound()
with created() as own:
    within = bound()
after = bound()
stop_receiving(own)
for each in (before, within, after):
    after.sendto(b"word", each.getsockname())
    try:
        print(each.recv(100))
    except TimeoutError:
        print("nothing")
"""


def test_the_sockets_of_one_node_stop_and_those_of_others_go_on() -> None:
    done = subprocess.run([sys.executable, "-c", SELECTED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("b'word'\nnothing\nb'word'\n", "")
