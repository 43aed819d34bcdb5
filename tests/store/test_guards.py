"""The database itself keeps written history from being changed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gongyi_bank.store.engines.guards import APPEND_ONLY, MUTABLE_COLUMNS
from gongyi_bank.store.tables import metadata
from tests.district import START, District

TODAY = START.date()


@pytest.fixture
def used(district: District) -> District:
    """A district in which every kind of history exists that a service leaves."""
    account = district.customer()
    district.serve(account, "10-03 08:00", 60)
    return district


@pytest.mark.parametrize("table", ["account_line", "policy"])
@pytest.mark.parametrize("verb", ["update", "delete", "replace"])
def test_written_rows_cannot_be_changed(used: District, table: str, verb: str) -> None:
    target = metadata.tables[f"gb_{table}"]
    same = {target.c.bank_id: target.c.bank_id}
    with used.bank.engine.connect() as connection:
        if verb == "replace" and connection.dialect.name != "sqlite":
            return
        row = connection.execute(sa.select(target)).first()
        assert row is not None
        statement: sa.Executable = {
            "update": sa.update(target).values(same),
            "delete": sa.delete(target),
            "replace": sa.insert(target).prefix_with("OR REPLACE").values(tuple(row)),
        }[verb]
        with pytest.raises(sa.exc.DBAPIError, match="never changed"):
            connection.execute(statement)


def test_a_record_changes_only_by_its_decision(used: District) -> None:
    record = metadata.tables["gb_hour_record"]
    with used.bank.engine.connect() as connection:
        connection.execute(
            sa.update(record).values(state="voided", voided_on=TODAY, voided_voucher_id=bytes(16))
        )
        for column in ("minutes", "account_no", "ref", "row_digest"):
            value = b"x" * 32 if column == "row_digest" else 7
            with pytest.raises(sa.exc.DBAPIError, match="never changed"), connection.begin_nested():
                connection.execute(sa.update(record).values({column: value}))


def test_of_a_voucher_only_its_place_in_the_outbox_is_filled_in_later(used: District) -> None:
    voucher = metadata.tables["gb_voucher"]
    with used.bank.engine.connect() as connection:
        connection.execute(
            sa.update(voucher).where(voucher.c.act == "hours.record").values(outbox_no=1)
        )
        for change in ({"reason": "another"}, {"voucher_hash": bytes(32)}):
            with pytest.raises(sa.exc.DBAPIError, match="never changed"), connection.begin_nested():
                connection.execute(sa.update(voucher).values(change))
        with pytest.raises(sa.exc.DBAPIError, match="never changed"), connection.begin_nested():
            connection.execute(sa.delete(voucher))


def test_truncate_is_refused_on_postgresql(postgresql_tables_url: str) -> None:
    district = District(postgresql_tables_url)
    for table in (*APPEND_ONLY, *MUTABLE_COLUMNS):
        with (
            district.bank.engine.connect() as connection,
            pytest.raises(sa.exc.DBAPIError, match="never changed"),
        ):
            connection.exec_driver_sql(f"TRUNCATE gb_{table} CASCADE")
    district.close()


def test_every_guarded_column_exists() -> None:
    for table, columns in MUTABLE_COLUMNS.items():
        assert set(columns) <= set(metadata.tables[f"gb_{table}"].columns.keys())
