"""SQLite files for the tests, made as copies of prepared ones.

May not be imported by the package. Each test gets a file of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests import memory
from tests.district import District, create_tables


class SqliteFiles:
    """New databases: empty, with our tables, or with a founded district, as on a server."""

    @contextmanager
    def fresh_database(self, *, content: bytes | None = None) -> Iterator[str]:
        """Yield the URL of a file with this content, or of one not there yet; remove it then."""
        with memory.folder("gb-sqlite-") as folder:
            file = folder / "bank.db"
            if content is not None:
                file.write_bytes(content)
            yield _url_of(file)

    def database_with_tables(self) -> AbstractContextManager[str]:
        """Yield the URL of a file with our tables and no rows."""
        return self.fresh_database(content=_prepared(create_tables))

    def database_with_district(self) -> AbstractContextManager[str]:
        """Yield the URL of a file with a founded district."""
        return self.fresh_database(content=_prepared(_found_district))


def _found_district(url: str) -> None:
    District(url).close()


@functools.cache
def _prepared(prepare: Callable[[str], None]) -> bytes:
    """The content of a file that was prepared so, once."""
    with memory.folder("gb-sqlite-") as folder:
        file = folder / "prepared.db"
        prepare(_url_of(file))
        # Whoever closes it last empties its log into it.
        assert [path.name for path in folder.iterdir()] == [file.name]
        return file.read_bytes()


def _url_of(file: Path) -> str:
    return f"sqlite:///{file}"
