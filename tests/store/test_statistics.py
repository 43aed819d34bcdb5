"""What the planner believes about a bank that has grown fast since its tables were empty."""

from __future__ import annotations

import sqlalchemy as sa

from gongyi_bank.store.tables import voucher
from gongyi_bank.store.takeover import refresh_statistics
from tests.district import District
from tests.postgresql import PostgresqlServer

#: What the server asks for every row that cites a voucher.
_CITED = (
    "PREPARE cited (bigint, bytea) AS SELECT 1 FROM ONLY gb_voucher x"
    " WHERE bank_id = $1 AND voucher_id = $2 FOR KEY SHARE OF x"
)
_COUNT = 3000


def test_a_session_forgets_the_plans_it_made_for_empty_tables(
    postgresql_server: PostgresqlServer,
) -> None:
    with postgresql_server.database_with_tables() as url:
        district = District(url)
        engine = district.bank.engine
        with engine.connect() as connection:
            _switch_off_autovacuum(connection)
            connection.exec_driver_sql(_CITED)
            before = _plan(connection)
            connection.commit()
            _fill(engine)
            kept = _plan(connection)
            connection.commit()
            refresh_statistics(engine)
            after = _plan(connection)
        assert kept == before  # growth alone does not change a plan that was kept
        assert "gb_voucher_pk" in after
        assert _rows_expected(engine) > _COUNT
        district.close()


def _switch_off_autovacuum(connection: sa.Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE gb_voucher SET (autovacuum_enabled = off)")
    connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    connection.commit()


def _plan(connection: sa.Connection) -> str:
    found = connection.exec_driver_sql("EXPLAIN EXECUTE cited (1, '\\x00')").scalars()
    return "\n".join(line.split("(cost")[0] for line in found)


def _fill(engine: sa.Engine) -> None:
    """Vouchers like the first, under other ids."""
    names = [c.name for c in voucher.columns if c.name not in ("voucher_id", "outbox_no")]
    copied = ", ".join(names)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO gb_voucher (voucher_id, {copied})"
            " SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'),"
            f" {', '.join(f'v.{name}' for name in names)}"
            " FROM (SELECT * FROM gb_voucher WHERE idempotency_key IS NULL LIMIT 1) AS v,"
            f" generate_series(1, {_COUNT}) AS n"
        )


def _rows_expected(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        select = "SELECT reltuples::bigint FROM pg_class WHERE relname = 'gb_voucher'"
        return int(connection.exec_driver_sql(select).scalar_one())
