"""What an audit keeps of a long account: a few bytes of each of its lines."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.reports import cited_vouchers
from gongyi_bank.reports.seal_checks import BooksAudit
from gongyi_bank.store import audit_queries, verification
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_stores import a_shop, new_offer

#: What may stay of a line; a line in memory takes about 1 400 bytes.
BYTES_MAX = 250
ROWS = 200
#: So many times more are added before it is measured again.
TIMES = 8


def redeemed(district: District, account: int) -> None:
    """Lines of one account, each with a redemption."""
    rows = [RedemptionRow(account=account, store="P1", sku="A") for _ in range(ROWS)]
    district.bank.redemptions.redeem_many(rows=rows)


def donated(district: District, account: int) -> None:
    """Lines of a pool, which is an account, too, and of who gave."""
    for _ in range(ROWS // 4):
        district.bank.transfers.donate(
            account=account, points=Points("0.01"), outlet="B01S01", pool="P"
        )


def captured(district: District, account: int) -> None:
    """Lines that capture holds, each with three steps."""
    for _ in range(ROWS // 4):
        held = district.bank.holds.place(account=account, points=Points("0.02"), store="P1")
        district.bank.holds.capture(hold=held.hold_id, points=Points("0.01"))
        district.bank.holds.release(hold=held.hold_id, reason="改期")


def kept_by(bank: Bank) -> int:
    """The most bytes that an audit has in memory at once, beside what stays from the one before."""
    assert bank.verify().is_clean
    often, usual = (50, 2, 2), gc.get_threshold()
    # What is no longer needed counts as little as can be. In a process with many objects the
    # collector leaves the old ones alone until a quarter more are there: so none are old here.
    gc.freeze()
    gc.collect()
    gc.set_threshold(*often)
    tracemalloc.start()
    try:
        bank.verify()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.set_threshold(*usual)
        gc.unfreeze()


@pytest.mark.parametrize(
    ("live", "lines"), [(redeemed, ROWS), (donated, ROWS // 4), (captured, ROWS // 4)]
)
def test_what_an_audit_keeps_hardly_grows_with_the_lines_of_an_account(
    sqlite_district: District,
    monkeypatch: pytest.MonkeyPatch,
    live: Callable[[District, int], None],
    lines: int,
) -> None:
    district = sqlite_district
    monkeypatch.setattr(verification, "ROWS_MAX", 20)
    monkeypatch.setattr(audit_queries, "PAGE_MAX", 20)
    monkeypatch.setattr(cited_vouchers, "_KEPT_MAX", 20)
    # Their batches are as large as all that is written here.
    monkeypatch.setattr(BooksAudit, "faults", lambda _: iter(()))
    a_shop(district, new_offer(sku="A", points=Points("0.01"), stock=100_000))
    account = district.customer()
    district.acting("K1").points.grant(
        account=account, points=Points("900"), reason="表彰", outlet="B01", second_person="K1b"
    )
    district.bank.pools.open(code="P", name="爱心池", outlet="H")
    live(district, account)
    before = kept_by(district.bank)
    for _ in range(TIMES):
        live(district, account)
    assert (kept_by(district.bank) - before) / (TIMES * lines) < BYTES_MAX
