"""The audit of holds: whatever is changed behind their back is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gongyi_bank.store.tables import metadata
from tests.district import District
from tests.reports.history import EXPIRY, History
from tests.reports.test_verification import tampered, tampered_column

#: Of a hold that was captured in part: what only a seal of its day can vouch for.
UNCHECKED = {"bank_id", "outlet_no", "ref", "row_digest"}
HOLD_COLUMNS = [c.name for c in metadata.tables["gb_hold"].columns if c.name not in UNCHECKED]
STEP_COLUMNS = [c.name for c in metadata.tables["gb_hold_event"].columns if c.name != "bank_id"]
PART_TAKEN = "captured > 0 AND state = 'held'"
SETTLED = "state = 'released' AND captured > 0"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A SQLite file in which holds and reservations were settled in every way."""
    path = tmp_path_factory.mktemp("books") / "bank.db"
    district = District(f"sqlite:///{path}", policies=(EXPIRY,))
    history = History(district, 5)
    history.live(120)
    history.leave_things_open()
    desk, account = district.bank.redemptions, history.accounts[0]
    for _ in range(2):
        wish = {"account": account, "store": "ST1", "sku": "rice", "quantity": 2}
        reserved = desk.reserve(**wish).redemption_id
        desk.capture(redemption=reserved, quantity=1)
    desk.capture(redemption=reserved)
    found = district.bank.verify()
    assert found.is_clean, str(found)
    district.close()
    return path, account


@pytest.mark.parametrize("column", HOLD_COLUMNS)
@pytest.mark.parametrize("where", [PART_TAKEN, SETTLED])
def test_a_change_of_any_column_of_a_hold_shows(
    books: tuple[Path, int], tmp_path: Path, column: str, where: str
) -> None:
    one = f"hold_id = (SELECT hold_id FROM gb_hold WHERE {where} LIMIT 1)"
    assert not tampered_column(books, tmp_path, "gb_hold", column, one).is_clean


@pytest.mark.parametrize("column", STEP_COLUMNS)
@pytest.mark.parametrize("kind", ["placed", "extended", "captured", "released"])
def test_a_change_of_any_column_of_a_step_shows(
    books: tuple[Path, int], tmp_path: Path, column: str, kind: str
) -> None:
    one = (
        "(hold_id, event_no) = (SELECT hold_id, event_no FROM gb_hold_event"
        f" WHERE kind = '{kind}' LIMIT 1)"
    )
    assert not tampered_column(books, tmp_path, "gb_hold_event", column, one).is_clean


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE gb_hold SET event_no = event_no + 1", "hold_events"),
        ("DELETE FROM gb_hold_event WHERE kind = 'extended'", "hold_events"),
        ("UPDATE gb_hold_event SET kind = 'extended' WHERE event_no = 1", "hold_events"),
        ("UPDATE gb_hold_event SET kind = 'released' WHERE kind = 'placed'", "hold_events"),
        ("UPDATE gb_hold SET amount = amount + 1", "hold_amount"),
        ("UPDATE gb_hold SET captured = captured + 1", "hold_amount"),
        ("UPDATE gb_hold_event SET amount = amount + 1 WHERE kind = 'released'", "hold_amount"),
        ("UPDATE gb_hold_event SET amount = 1 WHERE kind = 'placed'", "hold_amount"),
        ("UPDATE gb_hold SET state = 'lapsed' WHERE state = 'released'", "hold_state"),
        ("UPDATE gb_hold SET state = 'held' WHERE state = 'released'", "head_held"),
        ("UPDATE gb_hold SET deadline_at = latest_at", "hold_deadline"),
        ("UPDATE gb_hold SET latest_at = placed_at", "hold_deadline"),
        ("UPDATE gb_hold SET placed_at = latest_at", "hold_deadline"),
        ("UPDATE gb_hold SET settled_voucher_id = voucher_id", "hold_voucher"),
        ("UPDATE gb_hold_event SET voucher_id = x'00' WHERE kind = 'extended'", "voucher_missing"),
        ("UPDATE gb_hold_event SET line_no = line_no + 1 WHERE kind = 'captured'", "hold_line"),
        ("UPDATE gb_hold_event SET line_no = NULL WHERE kind = 'captured'", "hold_line"),
        ("UPDATE gb_hold SET payee_no = payee_no + 1 WHERE captured > 0", "hold_line"),
        ("UPDATE gb_hold SET account_no = 7", "head_held"),
        ("DELETE FROM gb_hold", "redemption_hold"),
        ("DELETE FROM gb_hold_event WHERE kind = 'captured'", "hold_line"),
        ("UPDATE gb_redemption SET hold_id = NULL WHERE state = 'reserved'", "redemption_hold"),
        ("UPDATE gb_redemption SET state = 'reserved' WHERE state = 'captured'",
         "redemption_hold"),
        ("UPDATE gb_redemption SET points = points + 1 WHERE state = 'reserved'",
         "redemption_hold"),
        ("UPDATE gb_redemption SET quantity = quantity + 1 WHERE state = 'reserved'",
         "offer_reserved"),
        ("UPDATE gb_redemption SET line_no = line_no + 1 WHERE hold_id <> redemption_id",
         "redemption_hold"),
        ("DELETE FROM gb_redemption WHERE hold_id <> redemption_id", "redemption_hold"),
        ("UPDATE gb_account_head SET held = held + 1", "head_held"),
        ("UPDATE gb_hold SET cites_from = -1", "cites_from"),
        ("UPDATE gb_hold SET cites_from = 1000000", "cites_from"),
        ("UPDATE gb_redemption SET cites_from = -1 WHERE hold_id IS NULL", "cites_from"),
        ("UPDATE gb_redemption SET cites_from = 1000000 WHERE hold_id IS NULL", "cites_from"),
        ("UPDATE gb_redemption SET cites_from = NULL WHERE hold_id IS NULL", "cites_from"),
    ],
)  # fmt: skip
def test_what_no_longer_agrees_with_a_hold_is_named(
    books: tuple[Path, int], tmp_path: Path, statement: str, kind: str
) -> None:
    found = tampered(books, tmp_path, (statement, ()))
    assert kind in {fault.kind for fault in found.faults}, str(found)


def test_a_capture_against_a_customer_is_a_line_of_another_kind(
    books: tuple[Path, int], tmp_path: Path
) -> None:
    wrong = "(SELECT account_no FROM gb_account WHERE kind = 'customer' LIMIT 1)"
    sql = f"UPDATE gb_account_line SET contra_no = {wrong} WHERE kind = 'capture'"
    found = tampered(books, tmp_path, (sql, ()))
    assert {"line_contra", "hold_line"} <= {fault.kind for fault in found.faults}
