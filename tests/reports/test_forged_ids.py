"""An audit comes to its end, and sees it, whatever a forger writes into a voucher's id.

Found by the bank test with a planted teller that names vouchers as it likes: an id from beyond the
calendar ended the audit with an OverflowError, and the highest one of all was not looked at.
"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gongyi_bank.store.tables import voucher
from tests.district import District


@pytest.mark.parametrize("forged_id", [b"\xf7" + bytes(15), b"\xff" * 16])
@pytest.mark.parametrize("is_closed", [False, True])
def test_an_id_from_beyond_the_calendar_is_a_fault_and_no_crash(
    district: District, forged_id: bytes, is_closed: bool
) -> None:
    district.customer()
    if is_closed:
        district.clock.advance(days=2)
        district.bank.closings.close(str(district.clock.now.date() - dt.timedelta(days=1)))
    with district.bank.engine.begin() as connection:
        newest = sa.select(voucher).order_by(voucher.c.voucher_id.desc()).limit(1)
        row = dict(connection.execute(newest).one()._mapping)
        forged = row | {"voucher_id": forged_id, "idempotency_key": None}
        connection.execute(sa.insert(voucher).values(forged))
    for since in (None, "last_seal") if is_closed else (None,):
        found = {fault.kind for fault in district.bank.verify(since=since).faults}
        assert {"voucher_time", "voucher_day", "voucher_hash"} <= found
