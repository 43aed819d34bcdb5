"""A proxy between a client and its database that loses connections at chosen moments.

It listens on a TCP port of this machine below 32768 (a retrying client can connect to itself on
an ephemeral port) and speaks to the server by whatever its URL says, a Unix socket too.
"""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

import sqlalchemy as sa

#: Not the level READ COMMITTED, with which a transaction may begin.
_COMMIT = re.compile(rb"COMMIT(?!TED)")
_PORTS = range(20_000, 32_000)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Loss(Enum):
    """When a connection is lost, and how the client comes to know."""

    #: Reset before a message of the act reaches the server, long before COMMIT.
    DURING_ACT = "during the act"
    #: Reset before COMMIT reaches the server.
    BEFORE_COMMIT = "before COMMIT"
    #: The proxy stops sending to the client, and COMMIT does not reach the server.
    HALF_CLOSED_BEFORE = "half-closed before COMMIT"
    #: COMMIT is passed on and both sides are reset at once.
    DURING_COMMIT = "during COMMIT"
    #: COMMIT is done; its answer is swallowed and the client reset.
    AFTER_COMMIT = "after COMMIT"
    #: COMMIT is done; instead of the answer the client sees the end of the stream.
    HALF_CLOSED_AFTER = "half-closed after COMMIT"


_ANSWER_LOST = (Loss.DURING_COMMIT, Loss.AFTER_COMMIT, Loss.HALF_CLOSED_AFTER)
#: What each loss leaves behind: the act is in the books, or not; None where that is chance.
IS_APPLIED: dict[Loss, bool | None] = {
    Loss.DURING_ACT: False,
    Loss.BEFORE_COMMIT: False,
    Loss.HALF_CLOSED_BEFORE: False,
    Loss.DURING_COMMIT: None,
    Loss.AFTER_COMMIT: True,
    Loss.HALF_CLOSED_AFTER: True,
}


@dataclass
class _Plan:
    """The next loss: after so many more messages (of the act) or COMMITs."""

    loss: Loss
    skip: int


@dataclass
class Proxy:
    """The proxy of one server; `arm` it, and the next transaction meets its fate once."""

    url: sa.URL
    port: int = 0
    #: How often a connection was lost, in all.
    losses: int = 0
    #: Kept open until the end: a client's side that nobody answers any more.
    half_closed: list[socket.socket] = field(default_factory=list)
    #: How long a message to the server is under way, and how long a client whose connection is
    #: lost hears nothing at all before it comes to know.
    delay_seconds: float = 0.0
    silence_seconds: float = 0.0
    _plan: _Plan | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, loss: Loss, *, skip: int = 0) -> None:
        """Lose the connection once, having let `skip` messages or COMMITs pass."""
        with self._lock:
            self._plan = _Plan(loss, skip)

    def disarm(self) -> bool:
        """Expect nothing more; whether something was still expected."""
        with self._lock:
            is_armed, self._plan = self._plan is not None, None
        return is_armed

    def loss_at(self, message: bytes) -> Loss | None:
        """What this message of a client's is to meet."""
        with self._lock:
            plan = self._plan
            is_commit = _COMMIT.search(message) is not None
            if plan is None or (is_commit == (plan.loss is Loss.DURING_ACT)):
                return None
            if plan.skip:
                plan.skip -= 1
                return None
            self._plan = None
            self.losses += 1
            return plan.loss

    def client_url(self) -> str:
        """The URL by which a client comes through the proxy."""
        url = self.url.set(host="127.0.0.1", port=self.port, query={})
        if url.get_backend_name() == "postgresql":
            url = url.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
        return url.render_as_string(hide_password=False)

    def connect(self) -> socket.socket:
        """A connection to the server itself."""
        place = self._unix_socket()
        if place is None:
            default = 5432 if self.url.get_backend_name() == "postgresql" else 3306
            return socket.create_connection((self.url.host, self.url.port or default))
        upstream = socket.socket(socket.AF_UNIX)
        try:
            upstream.connect(place)
        except OSError:
            upstream.close()
            raise
        return upstream

    def _unix_socket(self) -> str | None:
        folder, file = self.url.query.get("host"), self.url.query.get("unix_socket")
        if folder:
            return f"{folder}/.s.PGSQL.{self.url.port or 5432}"
        return str(file) if file else None


@contextmanager
def running_proxy(url: str) -> Iterator[Proxy]:
    """Yield a proxy in front of the server of this URL."""
    proxy = Proxy(sa.make_url(url))
    listener = _listen()
    proxy.port = listener.getsockname()[1]
    threading.Thread(target=_accept, args=(proxy, listener), daemon=True).start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # which also wakes the thread that accepts
        listener.close()
        for client in proxy.half_closed:
            client.close()


def _listen() -> socket.socket:
    for port in random.SystemRandom().sample(_PORTS, 50):
        listener = socket.socket()
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
        else:
            listener.listen(64)
            return listener
    raise OSError("no port is free")


def _accept(proxy: Proxy, listener: socket.socket) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            server = proxy.connect()
        except OSError:  # it is down
            _reset(client)
            continue
        _Pair(proxy, client, server).start()


class _Pair:
    """A client's connection and the server's that belongs to it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        #: Set while the answer to COMMIT is to be kept from the client, and how it then ends.
        self._swallow: Loss | None = None
        self._is_half_closed = False

    def start(self) -> None:
        for work in (self._forward, self._answer):
            threading.Thread(target=work, daemon=True).start()

    def _forward(self) -> None:
        """From the client to the server."""
        while message := _received(self._client):
            loss = self._proxy.loss_at(message)
            if loss in _ANSWER_LOST:
                self._swallow = loss
            elif loss is Loss.HALF_CLOSED_BEFORE:
                self._half_close()
            elif loss in (Loss.DURING_ACT, Loss.BEFORE_COMMIT):
                break
            time.sleep(self._proxy.delay_seconds)
            if not _sent(self._server, message) or loss is Loss.DURING_COMMIT:
                break
        self._lose()

    def _answer(self) -> None:
        """From the server to the client."""
        while answer := _received(self._server):
            if self._swallow is Loss.HALF_CLOSED_AFTER:
                self._half_close()
            if self._swallow or not _sent(self._client, answer):
                break
        self._lose()

    def _lose(self) -> None:
        _end(self._server)
        if not self._is_half_closed:
            time.sleep(self._proxy.silence_seconds)
            _reset(self._client)

    def _half_close(self) -> None:
        """Say nothing more to the client, whose own side stays open."""
        self._is_half_closed = True
        self._proxy.half_closed.append(self._client)
        try:
            self._client.shutdown(socket.SHUT_WR)
        except OSError:
            self._client.close()
        _end(self._server)


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(65_536)
    except OSError:
        return b""


def _sent(end: socket.socket, message: bytes) -> bool:
    try:
        end.sendall(message)
    except OSError:
        return False
    return True


def _end(end: socket.socket) -> None:
    """Close for both threads: a shutdown wakes whoever is reading."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _reset(end: socket.socket) -> None:
    """Close with RST, so that what was not read is lost too."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        end.shutdown(socket.SHUT_RD)
    end.close()
