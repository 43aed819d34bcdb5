"""After every act an audit finds nothing wrong, and the voucher says who did it, where and when.

What an act says in its receipt is compared elsewhere; here it is what it leaves in the books of a
bank with a seal key: hashes, claims, chains, heads and all else that `verify()` computes anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.store.tables import outlet, staff, voucher
from tests.acts import ACTS, keyed
from tests.district import District
from tests.refusals import redeem, saver, shop

SEAL_KEY = bytes(range(32))


@pytest.fixture
def sealed(sqlite_tables_url: str) -> Iterator[District]:
    """A district whose hashes are keyed, told the time in a zone that is not the bank's."""
    made = District(sqlite_tables_url, seal_key=SEAL_KEY)
    made.clock.now = made.clock.now.astimezone(dt.timezone(dt.timedelta(hours=3)))
    yield made
    made.close()


def voucher_of(district: District, key: str) -> dict[str, Any]:
    """The voucher written under a key, with the codes of its people and its outlet."""
    first, second = staff.alias("first"), staff.alias("second")
    query = (
        sa.select(voucher, first.c.code.label("by"), second.c.code.label("with"), outlet.c.code)
        .join(first, first.c.staff_no == voucher.c.staff_no)
        .outerjoin(second, second.c.staff_no == voucher.c.second_staff_no)
        .join(outlet, outlet.c.outlet_no == voucher.c.outlet_no)
        .where(voucher.c.idempotency_key == key)
    )
    with district.bank.engine.connect() as connection:
        return dict(connection.execute(query).mappings().one())


@pytest.mark.parametrize("act", sorted(ACTS))
def test_an_act_leaves_books_that_an_audit_finds_clean(sealed: District, act: str) -> None:
    by, command, _ = ACTS[act](sealed)
    sealed.acting(by).execute(keyed(command))
    assert sealed.bank.verify().faults == ()
    written = voucher_of(sealed, "K1")
    assert (written["act"], written["by"]) == (act, by)
    assert written["booked_at"] == sealed.clock.now
    if hasattr(command, "second_person"):
        assert written["with"] == command.second_person
    if isinstance(getattr(command, "reason", None), str):
        assert written["reason"] == command.reason
    # Read by people, and kept for ever: as it was said, and no longer than need be.
    assert "\\u" not in written["body"]
    assert '": ' not in written["body"]


GOODS: dict[str, Callable[[District, int], object]] = {
    "redeem": redeem,
    "reserve": lambda d, account: d.bank.redemptions.reserve(account=account, store="P1", sku="A"),
    "release": lambda d, account: d.bank.redemptions.release(
        redemption=d.bank.redemptions.reserve(account=account, store="P1", sku="A").redemption_id,
        reason="不要了",
    ),
}


@pytest.mark.parametrize("act", GOODS)
def test_so_does_an_act_on_goods(sealed: District, act: str) -> None:
    account = saver(sealed)
    shop(sealed)
    GOODS[act](sealed, account)
    assert sealed.bank.verify().faults == ()
