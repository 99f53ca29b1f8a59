"""Real time: one thread steps the physics on absolute deadlines and answers the wire while it waits for the next."""

from __future__ import annotations

import select
import socket
import threading
import time

import numpy as np

from simulation.rounds import Rounds
from simulation.wire import MAX_DATAGRAM, Op, Request, WireError, pack_error, pack_reply, unpack_request
from simulation.world import World

TICK_S = 0.002
CHECK_EVERY = 25  # ticks between looks at the task: about 20 a second
LONGEST_LAG_S = 0.25  # further behind than this, time is given up and the real-time factor shows it


class Server:
    """The world behind a UDP port of this machine, in real time."""

    def __init__(self, world: World, rounds: Rounds, port: int) -> None:
        self._world, self._rounds = world, rounds
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise WireError(f"UDP port 127.0.0.1:{port} is in use (station field simulation.port): {error}") from error
        self._socket.setblocking(False)
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._stamp_ns = time.time_ns()
        self._started_s = self._simulated_s = 0.0

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that answer."""
        return self._socket.getsockname()

    @property
    def real_time_factor(self) -> float:
        """Simulated over real seconds since the start."""
        elapsed = time.monotonic() - self._started_s
        return self._simulated_s / elapsed if self._started_s and elapsed > 0.5 else 1.0

    @property
    def running(self) -> bool:
        """Whether physics advances; false too when the thread has died of an error."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin a round and let time run."""
        self._end.clear()
        self._rounds.begin()
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop time; the world keeps its state and the port stays taken until `close`."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def close(self) -> None:
        """Stop and release the port."""
        self.stop()
        self._socket.close()

    def _run(self) -> None:
        steps = round(TICK_S / self._world.model.opt.timestep)
        self._started_s = deadline = time.monotonic()
        ticks = 0
        while not self._end.is_set():
            deadline = max(deadline + TICK_S, time.monotonic() - LONGEST_LAG_S)
            self._serve_until(deadline)
            self._world.step(steps)
            self._stamp_ns = time.time_ns()
            self._simulated_s += TICK_S
            ticks += 1
            if ticks % CHECK_EVERY == 0:
                self._rounds.advance()

    def _serve_until(self, deadline: float) -> None:
        """Answer datagrams until the deadline, and at least those that are waiting."""
        while True:
            wait = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._socket], [], [], wait)
            if not ready:
                return
            self._answer_one()
            if time.monotonic() >= deadline:
                return

    def _answer_one(self) -> None:
        try:
            data, peer = self._socket.recvfrom(MAX_DATAGRAM)
        except OSError:  # an ICMP error of a client that has gone
            return
        try:
            request = unpack_request(data)
        except WireError:
            return  # not ours: silence
        try:
            reply = pack_reply(request.sequence, self._stamp_ns, self._answer(request))
        except WireError as error:
            reply = pack_error(request.sequence, str(error))
        try:
            self._socket.sendto(reply, peer)
        except OSError:  # the client's socket is full or gone; it will ask again
            return

    def _answer(self, request: Request) -> np.ndarray:
        if request.op is Op.STATE:
            return self._world.data.qpos
        if request.op is Op.MOTION:
            return self._world.motion()
        part = self._world.parts.get(request.part)
        if part is None:
            raise WireError(f"no part {request.part!r}, expected one of {', '.join(self._world.parts)}")
        if request.op is Op.READ:
            return self._world.read(request.part).ravel()
        if request.op is Op.HELLO:
            if request.text != ",".join(part.joints):
                raise WireError(f"{request.part} has the joints {', '.join(part.joints)}, not {request.text}")
        elif request.values.shape != (len(part.joints),) or not np.isfinite(request.values).all():
            raise WireError(f"{request.part}: expected {len(part.joints)} finite targets")
        else:
            self._world.write(request.part, request.values)
        return np.zeros(0)
