"""A real MariaDB for the tests: Debian's packages as a process of ours, or one that runs already.

May not be imported by the package. Nothing here is durable. Needs `mariadb-server-core` and
`mariadb-client-core` (no system service comes with them), a MySQL (tests.mysqld), or
SERVER_URL_VARIABLE.
"""

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import OperationalError

from tests import memory
from tests.district import District, create_tables
from tests.mysqld import SECONDS_MAX, SERVER_URL_VARIABLE, named_or_installed

ABSENT = f"no MariaDB on this machine: install mariadb-server-core, or set {SERVER_URL_VARIABLE}"

#: A test server need not survive a power cut. What the library looks at stays as it should be.
TEST_SETTINGS = (
    "--skip-networking",
    "--innodb-flush-method=fsync",  # nothing in memory; and the library would refuse nosync
    "--innodb-file-per-table=OFF",  # emptying a table makes a new file otherwise
    "--loose-debug-no-sync",  # of MariaDB
    "--innodb-buffer-pool-size=64M",
    "--loose-innodb-log-file-size=32M",  # of MariaDB and older MySQL
    "--performance-schema=OFF",
    "--max-connections=300",
)


class MariadbServer:
    """A running server, reached through `admin_url`."""

    def __init__(self, admin_url: URL) -> None:
        self._engine = create_engine(admin_url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        self._engine.connect().close()
        self._kept = ExitStack()
        self._kept_url: str | None = None
        self._kept_shape: list[str] = []
        self._founded = ExitStack()
        self._founded_name: str | None = None

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Yield the URL of a new, empty database; drop it afterwards."""
        name = f"gb_test_{uuid.uuid4().hex[:16]}"
        with self._engine.connect() as connection:
            # A default as bad as a server's may be: the library names its own.
            connection.exec_driver_sql(
                f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
            )
        try:
            yield self._engine.url.set(database=name).render_as_string(hide_password=False)
        finally:
            with self._engine.connect() as connection:
                _disconnect_all(connection, name)
                connection.exec_driver_sql(f"DROP DATABASE {name}")

    @contextmanager
    def database_with_tables(self) -> Iterator[str]:
        """Yield the URL of a database that has our tables, all of them empty.

        The database is kept and emptied (in memory some 20 ms against 170 for a new one),
        unless a test changed its tables or triggers.
        """
        if self._kept_url is None:
            self._kept_url = self._kept.enter_context(self.fresh_database())
            create_tables(self._kept_url)
            with self._engine.connect() as connection:
                self._kept_shape = _shape(connection, make_url(self._kept_url).database)
        yield self._kept_url
        with self._engine.connect() as connection:
            name = make_url(self._kept_url).database
            assert name is not None
            _disconnect_all(connection, name)
            if _shape(connection, name) == self._kept_shape:
                _empty(connection, name)
                return
        self._kept_url = None
        self._kept.close()

    @contextmanager
    def database_with_district(self) -> Iterator[str]:
        """Yield the URL of such a database with the rows of a founded district."""
        if self._founded_name is None:
            url = self._founded.enter_context(self.fresh_database())
            District(url).close()
            self._founded_name = str(make_url(url).database)
        with self.database_with_tables() as url:
            with self._engine.connect() as connection:
                _copy_rows(connection, self._founded_name, str(make_url(url).database))
            yield url

    def close(self) -> None:
        self._founded.close()
        self._kept.close()
        self._engine.dispose()


def _disconnect_all(connection: Connection, database: str) -> None:
    """End what a test left open: it would hold up the server's DDL for ever."""
    find = "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()"
    for number in connection.exec_driver_sql(find, (database,)).scalars().all():
        try:
            connection.exec_driver_sql(f"KILL {number}")
        except OperationalError:  # it has ended by itself
            continue


def _tables(connection: Connection, database: str | None) -> list[str]:
    find = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
    return list(connection.exec_driver_sql(find, (database,)).scalars())


def _shape(connection: Connection, database: str | None) -> list[str]:
    """All that DDL can change."""
    triggers = connection.exec_driver_sql(f"SHOW TRIGGERS FROM {database}").all()
    return [trigger[0] + trigger[3] for trigger in triggers] + [
        connection.exec_driver_sql(f"SHOW CREATE TABLE {database}.{table}").one()[1]
        for table in _tables(connection, database)
    ]


def _filled(connection: Connection, database: str) -> list[str]:
    """The tables that have rows; the version, which says that they are there, apart."""
    return [
        table
        for table in _tables(connection, database)
        if table != "gb_schema_version"
        and connection.exec_driver_sql(f"SELECT 1 FROM {database}.{table} LIMIT 1").first()
    ]


def _empty(connection: Connection, database: str) -> None:
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    for table in _filled(connection, database):
        connection.exec_driver_sql(f"TRUNCATE TABLE {database}.{table}")
    connection.exec_driver_sql("SET foreign_key_checks = 1")


def _copy_rows(connection: Connection, source: str, target: str) -> None:
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    for table in _filled(connection, source):
        connection.exec_driver_sql(f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table}")
    connection.exec_driver_sql("SET foreign_key_checks = 1")


@contextmanager
def running_server() -> Iterator[MariadbServer]:
    """Yield the server named by the environment, or one started for this process alone."""
    url = os.environ.get(SERVER_URL_VARIABLE)
    with _existing_url(url) if url else _own_server_url() as admin_url:
        server = MariadbServer(admin_url)
        try:
            yield server
        finally:
            server.close()


@contextmanager
def _existing_url(url: str) -> Iterator[URL]:
    made = make_url(url)
    yield made.set(drivername=f"{made.get_backend_name()}+pymysql")


@contextmanager
def _own_server_url() -> Iterator[URL]:
    """Start a server in a folder of its own, about a second; stop it and remove the folder."""
    program = named_or_installed()
    with memory.folder("gb-mariadb-") as home:
        program.make_data(home / "data")
        temporary = home / "tmp"
        temporary.mkdir()
        command = [*program.command(home / "data", home / "s", temporary), *TEST_SETTINGS]
        with _attended(command, home) as process:
            wait_for(home / "s", process)
            yield program.url(home / "s")


#: Runs a server until nobody holds this shell's input open any more, so also when the tests are
#: killed. Its data are not wanted then, so there is no need to let it shut down in order.
ATTENDANT = """
home=$1; shift
"$@" >"$home/log" 2>&1 </dev/null & server=$!
cat >/dev/null
kill -9 $server; wait $server; rm -rf "$home"
"""


@contextmanager
def _attended(command: list[str], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    shell = ["/bin/sh", "-c", ATTENDANT, "attendant", str(home), *command]
    with subprocess.Popen(
        shell, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:  # whose end closes the input, and waits
        yield process


def wait_for(place: Path, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there. Not by the driver, which leaves sockets of failures open."""
    give_up_at = time.monotonic() + SECONDS_MAX
    while True:
        with socket.socket(socket.AF_UNIX) as caller:
            try:
                return caller.connect(str(place))
            except OSError:
                if process.poll() is not None or time.monotonic() > give_up_at:
                    raise
        time.sleep(0.02)
