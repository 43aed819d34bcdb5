"""Statements of the hot path are prepared on the server, or never, as the URL says."""

from __future__ import annotations

import pytest

from tests.district import District
from tests.postgresql import PostgresqlServer


@pytest.mark.parametrize(("query", "is_prepared"), [("", True), ("prepare_threshold=none", False)])
def test_a_write_is_prepared_unless_a_pooler_is_in_between(
    postgresql_server: PostgresqlServer, query: str, is_prepared: bool
) -> None:
    with postgresql_server.database_with_tables() as url:
        join = "&" if "?" in url else "?"
        district = District(url + join + query if query else url)
        account = district.customer()
        for day in ("03", "04", "05"):
            district.serve(account, f"10-{day} 08:00")
        # The pool has one connection here, for nobody else works.
        with district.bank.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements")
            texts = [row[0] for row in found]
        district.close()
    written = [text for text in texts if text.startswith("WITH claimed")]
    assert bool(written) is is_prepared
    # One text and one set of types: what is empty in a row makes no other statement of it.
    assert len(written) == len(set(written))
