"""Servers of the tests keep out of each other's way, though they share a machine."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.faults.servers import running_server


@pytest.mark.slow
def test_a_server_that_starts_leaves_alone_the_temporary_tables_of_another(
    mariadb_url: str,
) -> None:
    """Where two shared a folder, what the other was about to read was gone, or it crashed."""
    engine = sa.create_engine(mariadb_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE begun (number INT) ENGINE = MyISAM")
        with running_server("mariadb"):
            connection.exec_driver_sql("DROP TEMPORARY TABLE begun")
    engine.dispose()
