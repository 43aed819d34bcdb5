"""The audit: clean after any history, and a fault for whatever is changed behind its back."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.display import Table
from gongyi_bank.reports import house_checks
from gongyi_bank.reports.faults import Fault, Verification
from gongyi_bank.rules.ledger import CONTRA_KINDS, LINE_SUMMARIES, line_hash, voucher_hash
from gongyi_bank.store import audit_queries
from gongyi_bank.store import verification as store
from gongyi_bank.store.house import AuditOffer, AuditOutlet
from gongyi_bank.store.outlets import StoredStay
from gongyi_bank.store.tables import metadata
from gongyi_bank.values import Points
from tests.district import District
from tests.reports.history import EXPIRY, History

SEAL_KEY = b"kept outside the database"
LINE_COLUMNS = tuple(column.name for column in metadata.tables["gb_account_line"].columns)
HEAD_COLUMNS = tuple(column.name for column in metadata.tables["gb_account_head"].columns)
VOUCHER_COLUMNS = tuple(column.name for column in metadata.tables["gb_voucher"].columns)


@pytest.fixture(params=range(2))
def lived_in(request: pytest.FixtureRequest, engine_url: str) -> Iterator[District]:
    """A district with a history, on each engine."""
    district = District(engine_url, policies=(EXPIRY,), seal_key=SEAL_KEY)
    History(district, request.param).live(150)
    yield district
    district.close()


def test_the_books_are_clean_after_a_random_history(lived_in: District) -> None:
    found = lived_in.bank.verify()
    assert found.is_clean, str(found)
    assert found.counts["accounts"] >= 5
    assert found.counts["lines"] > 30
    assert found.counts["records"] > 10
    assert found.counts["redemptions"] > 3
    assert found.counts["books"] == 1
    balance = lived_in.bank.reports.trial_balance()
    assert balance.is_balanced
    assert {"customer", "issued", "brought_forward", "store"} <= {row.kind for row in balance.rows}


def test_every_kind_of_line_in_a_history_has_a_name(lived_in: District) -> None:
    reports = lived_in.bank.reports
    accounts = [row.account for row in reports.ledger_book("H").rows]
    lines = [line for account in accounts for line in reports.statement(account).lines]
    assert {line.kind for line in lines} <= LINE_SUMMARIES.keys()
    for account in accounts:
        for line in reports.statement(account, newest=5).lines:
            assert reports.explain(account, line.line_no).line == line


def test_accounts_that_are_read_page_by_page_are_clean_and_counted_alike(
    lived_in: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lived_in.bank.verify().counts
    monkeypatch.setattr(store, "ROWS_MAX", 2)
    monkeypatch.setattr(audit_queries, "PAGE_MAX", 3)
    paged = lived_in.bank.verify()
    assert paged.is_clean, str(paged)
    assert paged.counts == whole


def test_small_batches_see_the_same(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    History(sqlite_district, 3).live(60)
    whole = sqlite_district.bank.verify()
    for accounts_max, rows_max, pages_max in ((1, 20_000, 9), (2, 1, 1), (5, 1, 2), (6, 3, 7)):
        monkeypatch.setattr(store, "ACCOUNTS_MAX", accounts_max)
        monkeypatch.setattr(store, "ROWS_MAX", rows_max)
        monkeypatch.setattr(audit_queries, "PAGE_MAX", pages_max)
        part = sqlite_district.bank.verify()
        assert part.is_clean
        assert (
            part.counts.items()
            >= {name: count for name, count in whole.counts.items() if name != "vouchers"}.items()
        )


def test_an_empty_bank_is_clean(district: District) -> None:
    found = district.bank.verify()
    assert found.is_clean
    assert found.counts["accounts"] == 0
    assert found.counts["outlets"] == 7
    assert "账目相符" in str(found)


def test_a_counter_audits_what_it_has_not_committed_yet(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    with sqlite_district.bank.simulate() as counter:
        counter.points.grant(
            account=account, points=Points("5"), reason="表彰", outlet="B01", second_person="K1"
        )
        found = counter.verify()
        assert found.is_clean
        assert found.counts["lines"] == 1
    assert sqlite_district.bank.verify().counts["lines"] == 0


# --- tampering -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A SQLite file with a history, and the account with the longest one."""
    path = tmp_path_factory.mktemp("books") / "bank.db"
    district = District(f"sqlite:///{path}", policies=(EXPIRY,))
    history = History(district, 1)
    history.live(60)
    history.leave_things_open()
    lengths = {a: district.bank.reports.customer_summary(a).lines for a in history.accounts}
    assert district.bank.verify().is_clean
    district.close()
    return path, max(lengths, key=lambda account: lengths[account])


def tampered(
    books: tuple[Path, int],
    tmp_path: Path,
    *statements: tuple[str, Any],
    seal_key: bytes | None = None,
) -> Verification:
    """The audit of a copy in which somebody has dropped the guards and changed rows."""
    path = tmp_path / "tampered.db"
    shutil.copy(books[0], path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        changed = sum(connection.execute(sql, values).rowcount for sql, values in statements)
        assert changed > 0
    bank = Bank.open(f"sqlite:///{path}", seal_key=seal_key)
    found = bank.verify()
    bank.close()
    return found


def changed_value(value: Any) -> Any:
    """Another value of the same shape."""
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, int):
        return value + 1000
    if value.endswith("12-31"):
        return value[:-1] + "0"
    if value[4:5] == "-" and value[:4].isdigit():  # A day or an instant: one year earlier.
        return f"{int(value[:4]) - 1}{value[4:]}"
    return value + "x"


def tampered_column(
    books: tuple[Path, int], tmp_path: Path, table: str, column: str, where: str, *values: Any
) -> Verification:
    with closing(sqlite3.connect(books[0])) as connection:
        row = connection.execute(f"SELECT {column} FROM {table} WHERE {where}", values).fetchone()
    sql = f"UPDATE {table} SET {column} = ? WHERE {where}"
    kind = metadata.tables[table].columns[column].type
    filled = bytes(16) if isinstance(kind, sa.LargeBinary) else 1 if column.endswith("_no") else "1"
    value = filled if row[0] is None else changed_value(row[0])
    return tampered(books, tmp_path, (sql, (value, *values)))


@pytest.mark.parametrize("column", LINE_COLUMNS)
@pytest.mark.parametrize("line_no", [1, 3])
def test_a_change_of_any_column_of_a_line_shows(
    books: tuple[Path, int], tmp_path: Path, column: str, line_no: int
) -> None:
    where = "account_no = ? AND line_no = ?"
    found = tampered_column(books, tmp_path, "gb_account_line", column, where, books[1], line_no)
    assert not found.is_clean


@pytest.mark.parametrize("column", HEAD_COLUMNS)
def test_a_change_of_any_column_of_a_head_shows(
    books: tuple[Path, int], tmp_path: Path, column: str
) -> None:
    found = tampered_column(books, tmp_path, "gb_account_head", column, "account_no = ?", books[1])
    assert not found.is_clean


@pytest.mark.parametrize("column", VOUCHER_COLUMNS)
def test_a_change_of_any_column_of_a_voucher_shows(
    books: tuple[Path, int], tmp_path: Path, column: str
) -> None:
    of_line = "voucher_id = (SELECT voucher_id FROM gb_account_line WHERE account_no = ? LIMIT 1)"
    found = tampered_column(books, tmp_path, "gb_voucher", column, of_line, books[1])
    kinds = {fault.kind for fault in found.faults} & {
        "line_hash",
        "voucher_missing",
        "voucher_hash",
    }
    # Its place in the outbox is given after the act, and says nothing about it.
    assert bool(kinds) == (column != "outbox_no")


CREDITED = "kind = 'service' AND state = 'credited' AND points > 0"


@pytest.mark.parametrize(
    ("table", "change", "where", "kind"),
    [
        ("hour_record", "minutes = minutes + 1", CREDITED, "record_minutes"),
        ("hour_record", "minutes = minutes + 1", CREDITED, "head_verified_minutes"),
        ("hour_record", "points = points + 1", CREDITED, "record_line"),
        ("hour_record", "points = points + 1", CREDITED, "record_points"),
        ("hour_record", "line_no = line_no + 1", CREDITED, "record_line"),
        ("hour_record", "line_no = NULL", CREDITED, "record_line"),
        ("hour_record", "policy_id = 999", CREDITED, "record_tariff"),
        ("hour_record", "state = 'refused'", CREDITED, "record_line"),
        ("hour_record", "state = 'credited'", "state LIKE 'waiting%'", "record_tariff"),
        ("hour_record", "state = 'credited'", "state = 'voided'", "head_verified_minutes"),
        ("hour_record", "state = 'voided'", CREDITED, "record_reversal"),
        ("hour_record", "record_no = record_no + 100", CREDITED, "record_number"),
        ("redemption", "points = points + 1", "line_no IS NOT NULL", "redemption_line"),
        ("redemption", "line_no = NULL", "line_no IS NOT NULL", "redemption_line"),
        ("redemption", "state = 'released'", "state = 'redeemed'", "redemption_hold"),
        ("redemption", "quantity = quantity + 1", "state = 'reserved'", "offer_reserved"),
        ("hold", "amount = amount + 1", "1 = 1", "redemption_hold"),
        ("offer", "stock = stock + 1", "1 = 1", "offer_stock"),
        ("offer", "reserved = reserved + 1", "1 = 1", "offer_reserved"),
        ("stock_move", "quantity = quantity + 1", "1 = 1", "offer_stock"),
        ("passbook", "printed_line_no = 9999", "state = 'in_use'", "passbook_printed"),
        ("passbook", "first_line_no = 2", "state = 'in_use'", "passbook_volume"),
        ("serial_counter", "last_no = 0", "series = 'account'", "serial_counter"),
        ("serial_counter", "last_no = 0", "series = 'passbook'", "serial_counter"),
        ("outlet", "tier = 2", "code = 'B01S01'", "outlet_tier"),
        ("outlet", "state = 'closed'", "code = 'B01'", "outlet_open"),
        ("outlet", "tier = 1", "code = 'B01'", "outlet_head"),
        ("customer", "state = 'closed'", "state = 'active'", "account_closed"),
        ("account_head", "dead_no = 1, debited = debited", "1 = 1", "head_dead_no"),
        ("account_head", "held = held + 1", "1 = 1", "head_held"),
    ],
)  # fmt: skip
def test_what_no_longer_agrees_is_named(
    books: tuple[Path, int], tmp_path: Path, table: str, change: str, where: str, kind: str
) -> None:
    found = tampered(books, tmp_path, (f"UPDATE gb_{table} SET {change} WHERE {where}", ()))
    assert kind in {fault.kind for fault in found.faults}, str(found)


@pytest.mark.parametrize("table", ["account_line", "voucher", "account_head", "customer"])
def test_a_row_that_is_gone_is_missed(books: tuple[Path, int], tmp_path: Path, table: str) -> None:
    gone = f"DELETE FROM gb_{table}"
    if table == "account_line":
        gone += " WHERE (account_no, line_no) IN (SELECT account_no, 2 FROM gb_account_head)"
    found = tampered(books, tmp_path, (gone, ()))
    kinds = {fault.kind for fault in found.faults}
    assert kinds & {"line_number", "voucher_missing", "account"}


def test_a_pair_of_lines_without_its_mirror_is_a_fault(sqlite_url: str, tmp_path: Path) -> None:
    district = District(sqlite_url)
    first, second = district.customer(), district.customer(name="李四")
    district.serve(first, "10-03 08:00")
    district.bank.accounts.close(
        account=first, balance_to="account", target=second, reason="迁出", second_person="ADM2"
    )
    assert district.bank.verify().is_clean
    district.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    sql = "UPDATE gb_account_line SET amount = amount + 1 WHERE account_no = ?"
    found = tampered((path, second), tmp_path, (sql, (second,)))
    assert "line_pair" in {fault.kind for fault in found.faults}


@pytest.mark.parametrize("kind", ["service", "opening", "grant", "redemption", "reversal"])
def test_a_line_against_an_account_of_another_kind_is_a_fault(
    books: tuple[Path, int], tmp_path: Path, kind: str
) -> None:
    wrong = "(SELECT account_no FROM gb_account WHERE kind = ?)"
    sql = f"UPDATE gb_account_line SET contra_no = {wrong} WHERE kind = ?"
    others = ("returned",) if None in CONTRA_KINDS[kind] else ("returned", "customer")
    for other in others:
        only_one = sql.replace("kind = ?)", "kind = ? LIMIT 1)")
        found = tampered(books, tmp_path, (only_one, (other, kind)))
        assert "line_contra" in {fault.kind for fault in found.faults}


@pytest.mark.parametrize("seal_key", [None, SEAL_KEY], ids=["plain", "keyed"])
def test_a_chain_that_was_computed_anew_shows_only_where_it_is_keyed(
    sqlite_url: str, tmp_path: Path, seal_key: bytes | None
) -> None:
    district = District(sqlite_url, seal_key=seal_key)
    account = district.customer()
    district.serve(account, "10-03 08:00")
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    assert district.bank.verify().is_clean
    forged = district.bank.read(lambda tx: _forged_hash(tx, account))
    district.close()
    changes = [
        ("UPDATE gb_account_line SET line_hash = ?", (forged,)),
        ("UPDATE gb_account_head SET head_hash = ?", (forged,)),
    ]
    found = tampered((path, account), tmp_path, *changes, seal_key=seal_key)
    assert {fault.kind for fault in found.faults} == ({"line_hash"} if seal_key else set())


def _forged_hash(tx: Any, account: int) -> bytes:
    """The hash of the first line as somebody without the key computes it."""
    found = next(rows for few in store.batches(tx) for rows in few if rows.account_no == account)
    line = next(line for page in found.lines for line in page)
    fields, _ = next(store.list_vouchers(tx, [line.voucher_id]))
    return line_hash(bytes(32), line.content, voucher_hash(tx.bank.bank_id, fields, None), None)


def test_faults_show_themselves_as_a_table(books: tuple[Path, int], tmp_path: Path) -> None:
    found = tampered(books, tmp_path, ("UPDATE gb_offer SET stock = 0", ()))
    table = found.to_table()
    assert isinstance(table, Table)
    assert len(table) == len(found.faults) == 1
    assert "offer_stock" in str(found)
    assert "rice" in found._repr_html_()
    assert found.faults[0].found == "0"
    assert "offer_stock" in str(found.faults[0])


# --- the house's own checks ----------------------------------------------------------------


def place(no: int, tier: int, parent: int | None, state: str = "open") -> AuditOutlet:
    return AuditOutlet(no, f"O{no}", tier, parent, state)


@pytest.mark.parametrize(
    ("outlets", "kinds"),
    [
        ([place(1, 1, None), place(2, 2, 1), place(3, 3, 2)], []),
        ([place(1, 1, None), place(3, 3, 1)], ["outlet_tier"]),
        ([place(1, 1, None), place(2, 2, 9)], ["outlet_tier"]),
        ([place(1, 1, None), place(2, 1, None)], ["outlet_head"]),
        ([], ["outlet_head"]),
        ([place(1, 1, None), place(2, 2, 1, "closed"), place(3, 3, 2)], ["outlet_open"]),
        ([place(1, 1, None), place(2, 2, 1, "closed"), place(3, 3, 2, "closed")], []),
    ],
)
def test_the_tree_of_outlets(outlets: list[AuditOutlet], kinds: list[str]) -> None:
    assert [fault.kind for fault in house_checks.check_outlets(outlets)] == kinds


@pytest.mark.parametrize(
    ("stays", "count"),
    [
        ([(1, 1, 5, None), (2, 1, 5, 1), (2, 2, 5, 1)], 0),
        ([(1, 1, 5, None), (2, 1, 5, 9)], 1),  # the newest stay is elsewhere
        ([(1, 1, 5, None)], 1),  # none at all
        ([(1, 1, 5, None), (2, 2, 5, 1)], 1),  # the first is gone
        ([(1, 1, 5, None), (2, 1, 5, 1), (2, 3, 5, 1)], 1),  # one between is gone
        ([(1, 1, 5, None), (2, 1, 5, 9), (2, 2, 4, 1)], 1),  # back in time
        ([(1, 1, 5, None), (2, 1, 5, 1), (3, 1, 5, 1)], 1),  # of no outlet
    ],
)
def test_where_outlets_stood(stays: list[tuple[int, int, int, int | None]], count: int) -> None:
    rows = [
        StoredStay(no, n, dt.date(2022, 10, day), parent, "open") for no, n, day, parent in stays
    ]
    faults = house_checks.check_stays([place(1, 1, None), place(2, 2, 1)], rows)
    assert [fault.kind for fault in faults] == ["outlet_stay"] * count


@pytest.mark.parametrize(
    ("offer", "kinds"),
    [
        (AuditOffer(1, "rice", 5, 2, 5, 2), []),
        (AuditOffer(1, "rice", 5, 2, 6, 2), ["offer_stock"]),
        (AuditOffer(1, "rice", 5, 2, 5, 1), ["offer_reserved"]),
    ],
)
def test_stock_and_reservations(offer: AuditOffer, kinds: list[str]) -> None:
    assert [fault.kind for fault in house_checks.check_offers([offer])] == kinds


@pytest.mark.parametrize(("last_no", "is_clean"), [(7, True), (8, True), (6, False)])
def test_a_counter_may_be_ahead_and_not_behind(last_no: int, is_clean: bool) -> None:
    newest = {"outlet": 1, "staff": 1, "policy": 1, "store": 0, "passbook": 0}
    counters = dict.fromkeys([("outlet", 0), ("staff", 0), ("policy", 0)], 1)
    counters |= {("account", 1003): last_no, ("closing", 0): 0, ("gate", 0): 0}
    faults: list[Fault] = house_checks.check_counters(counters, newest, {1003: 7})
    assert (not faults) == is_clean
    for locked in ("closing", "gate"):
        left = {key: number for key, number in counters.items() if key != (locked, 0)}
        assert len(house_checks.check_counters(left, newest, {1003: 7})) == len(faults) + 1
