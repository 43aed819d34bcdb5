"""A network of some length: a TCP proxy in a process of its own that holds every packet.

What arrives is passed on a fixed time later, in both directions, at full bandwidth; packets
that follow each other closely are held side by side, not one after the other.
"""

from __future__ import annotations

import multiprocessing
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import sqlalchemy as sa

#: Below the ports that the kernel gives out by itself.
_PORTS = range(15_432, 15_532)
_STOP = b""


@contextmanager
def delayed(url: str, seconds: float) -> Iterator[str]:
    """The URL of the same database, `seconds` away in each direction."""
    target = sa.make_url(url)
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, *_address(target), seconds), daemon=True)
    process.start()
    try:
        port = mine.recv()
        far = target.set(host="127.0.0.1", port=port)
        yield far.difference_update_query(["host", "port"]).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.join()


def _address(url: sa.URL) -> tuple[str, int]:
    """A host, or the path of a socket, and a port."""
    host = url.query.get("host", url.host or "localhost")
    assert isinstance(host, str)
    port = int(str(url.query.get("port", url.port or 5432)))
    return (str(Path(host) / f".s.PGSQL.{port}") if host.startswith("/") else host), port


def _serve(tell: Connection, host: str, port: int, seconds: float) -> None:
    listener = _listener()
    tell.send(listener.getsockname()[1])
    while True:
        near, _ = listener.accept()
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far = _connected(host, port)
        for source, target in ((near, far), (far, near)):
            held: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            threading.Thread(target=_take, args=(source, held, seconds), daemon=True).start()
            threading.Thread(target=_give, args=(target, held), daemon=True).start()


def _listener() -> socket.socket:
    for port in _PORTS:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise OSError("no port is free")


def _connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    made = socket.socket(socket.AF_UNIX)
    made.connect(host)
    return made


def _take(
    source: socket.socket, held: queue.SimpleQueue[tuple[float, bytes]], seconds: float
) -> None:
    while True:
        try:
            packet = source.recv(1 << 16)
        except OSError:
            packet = _STOP
        held.put((time.monotonic() + seconds, packet))
        if packet == _STOP:
            return


def _give(target: socket.socket, held: queue.SimpleQueue[tuple[float, bytes]]) -> None:
    while True:
        due, packet = held.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if packet == _STOP:
                target.shutdown(socket.SHUT_RDWR)
                return
            target.sendall(packet)
        except OSError:
            return
