"""The check of `tests/tidy/bound.py` can fail: for every shape of statement one that is broken."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.store.tables import (
    hour_record,
    outbox_consumer,
    outlet,
    staff,
    staff_role,
    voucher,
)
from gongyi_bank.store.transaction import of_bank
from tests.tidy.bound import unbound

#: No bank has this number by chance.
BANK_ID = 7_340_033
_R, _BANK = staff_role, sa.bindparam("bank")
_ON_STAFF = sa.and_(_R.c.staff_no == staff.c.staff_no, _R.c.ended_on.is_(None))
_SAME_BANK = _R.c.bank_id == staff.c.bank_id
_PLACE = outlet.c.outlet_no == _R.c.outlet_no
_PLACE_HERE = sa.and_(outlet.c.bank_id == _R.c.bank_id, _PLACE)


def _roles(on_staff: Any, place: Any, *where: Any) -> sa.Select[Any]:
    joined = staff.outerjoin(_R, on_staff).outerjoin(outlet, place)
    return sa.select(staff.c.code, _R.c.role, outlet.c.tier).select_from(joined).where(*where)


def _recursive(*inner: Any) -> sa.Select[Any]:
    top = sa.select(outlet.c.bank_id, outlet.c.outlet_no).where(of_bank(outlet)).cte(recursive=True)
    below = sa.select(outlet.c.bank_id, outlet.c.outlet_no).where(
        outlet.c.parent_no == top.c.outlet_no, *inner
    )
    tree = top.union_all(below)
    return sa.select(tree.c.outlet_no)


_RECORDS = sa.select(hour_record.c.bank_id, hour_record.c.account_no)
_OTHER = outlet.alias("other")
_SUB = _RECORDS.where(of_bank(hour_record)).subquery("records")
_SMS = outbox_consumer.c.name == "sms"
_WAITING = sa.select(voucher.c.bank_id, voucher.c.voucher_id).where(of_bank(voucher)).subquery()

#: Name; the same statement bound, and unbound; the table that is told.
BROKEN: dict[str, tuple[Any, Any, str]] = {
    "no condition at all (outbox._page, _newest, _position)": (
        sa.select(voucher.c.outbox_no).where(of_bank(voucher)),
        sa.select(voucher.c.outbox_no).where(voucher.c.outbox_no > 3),
        "gb_voucher",
    ),
    "a join of roles (staff.py:24)": (
        _roles(sa.and_(_SAME_BANK, _ON_STAFF), _PLACE_HERE, of_bank(staff)),
        _roles(_ON_STAFF, _PLACE_HERE, of_bank(staff)),
        "gb_staff_role",
    ),
    "a join of outlets": (
        _roles(sa.and_(_SAME_BANK, _ON_STAFF), _PLACE_HERE, of_bank(staff)),
        _roles(sa.and_(_SAME_BANK, _ON_STAFF), _PLACE, of_bank(staff)),
        "gb_outlet",
    ),
    "a condition in the ON of an outer join, which keeps what it is joined to": (
        _roles(sa.and_(_SAME_BANK, _ON_STAFF), _PLACE_HERE, of_bank(staff)),
        _roles(sa.and_(_SAME_BANK, _ON_STAFF, of_bank(staff)), _PLACE_HERE),
        "gb_staff",
    ),
    "a full join, which binds nothing": (
        sa.select(staff.c.code).join(_R, _SAME_BANK).where(of_bank(staff)),
        sa.select(staff.c.code).join(_R, _SAME_BANK, full=True).where(of_bank(staff)),
        "gb_staff_role",
    ),
    "a condition that is one of two": (
        sa.select(staff.c.code).where(sa.and_(of_bank(staff), staff.c.staff_no == 1)),
        sa.select(staff.c.code).where(sa.or_(of_bank(staff), staff.c.staff_no == 1)),
        "gb_staff",
    ),
    "a condition that is denied": (
        sa.select(staff.c.code).where(of_bank(staff)),
        sa.select(staff.c.code).where(~(of_bank(staff))),
        "gb_staff",
    ),
    "two that are bound to each other only": (
        sa.select(staff.c.code).join(_R, _SAME_BANK).where(of_bank(_R)),
        sa.select(staff.c.code).join(_R, _SAME_BANK),
        "gb_staff",
    ),
    "a scalar subquery (house.py:59)": (
        sa.select(sa.select(sa.func.max(staff.c.staff_no)).where(of_bank(staff)).scalar_subquery()),
        sa.select(sa.select(sa.func.max(staff.c.staff_no)).scalar_subquery()),
        "gb_staff",
    ),
    "a subquery that belongs to what is around it (house.py:84)": (
        sa.select(outlet.c.code, sa.select(_R.c.role).where(_PLACE_HERE).scalar_subquery()).where(
            of_bank(outlet)
        ),
        sa.select(outlet.c.code, sa.select(_R.c.role).where(_PLACE).scalar_subquery()).where(
            of_bank(outlet)
        ),
        "gb_staff_role",
    ),
    "an EXISTS": (
        sa.select(outlet.c.code).where(of_bank(outlet), sa.exists().where(_PLACE_HERE)),
        sa.select(outlet.c.code).where(of_bank(outlet), ~sa.exists().where(_PLACE)),
        "gb_staff_role",
    ),
    "an IN": (
        sa.select(outlet.c.code).where(
            of_bank(outlet), outlet.c.outlet_no.in_(sa.select(_R.c.outlet_no).where(of_bank(_R)))
        ),
        sa.select(outlet.c.code).where(
            of_bank(outlet), outlet.c.outlet_no.in_(sa.select(_R.c.outlet_no))
        ),
        "gb_staff_role",
    ),
    "one half of a union (totals.py:79)": (
        sa.union_all(*(sa.select(t.c.code).where(of_bank(t)) for t in (staff, outlet))),
        sa.union_all(sa.select(staff.c.code).where(of_bank(staff)), sa.select(outlet.c.code)),
        "gb_outlet",
    ),
    "a subquery that is read from": (
        sa.select(_RECORDS.where(of_bank(hour_record)).subquery()),
        sa.select(_RECORDS.subquery()),
        "gb_hour_record",
    ),
    "a table that is joined to a subquery": (
        sa.select(staff.c.code).join(_SUB, _SUB.c.bank_id == staff.c.bank_id),
        sa.select(staff.c.code).join(_SUB, _SUB.c.account_no == staff.c.own_account_no),
        "gb_staff",
    ),
    "a subquery's column that is called so": (
        sa.select(staff.c.code).join(_SUB, _SUB.c.bank_id == staff.c.bank_id),
        sa.select(staff.c.code).join(
            named := sa.select(hour_record.c.account_no.label("bank_id"))
            .where(of_bank(hour_record))
            .subquery(),
            named.c.bank_id == staff.c.bank_id,
        ),
        "gb_staff",
    ),
    "a WITH": (
        sa.select(_RECORDS.where(of_bank(hour_record)).cte()),
        sa.select(_RECORDS.cte()),
        "gb_hour_record",
    ),
    "the second part of a recursive WITH": (
        _recursive(of_bank(outlet)),
        _recursive(),
        "gb_outlet",
    ),
    "the same table under another name": (
        sa.select(outlet.c.code)
        .join(_OTHER, _OTHER.c.bank_id == outlet.c.bank_id)
        .where(of_bank(outlet)),
        sa.select(outlet.c.code)
        .join(_OTHER, _OTHER.c.parent_no == outlet.c.outlet_no)
        .where(of_bank(outlet)),
        "gb_outlet AS other",
    ),
    "a table that nobody joined": (
        sa.select(outlet.c.code, staff.c.code).where(of_bank(outlet), of_bank(staff)),
        sa.select(outlet.c.code, staff.c.code).where(of_bank(outlet)),
        "gb_staff",
    ),
    "a subquery in the order": (
        sa.select(outlet.c.code).where(of_bank(outlet)),
        sa.select(outlet.c.code)
        .where(of_bank(outlet))
        .order_by(sa.select(sa.func.count()).select_from(staff).scalar_subquery()),
        "gb_staff",
    ),
    "an UPDATE (outbox.save_position)": (
        sa.update(outbox_consumer).where(_SMS, outbox_consumer.c.bank_id == BANK_ID),
        sa.update(outbox_consumer).where(_SMS),
        "gb_outbox_consumer",
    ),
    "an UPDATE of what a subquery names": (
        sa.update(voucher).where(voucher.c.bank_id == _WAITING.c.bank_id),
        sa.update(voucher).where(voucher.c.voucher_id == _WAITING.c.voucher_id),
        "gb_voucher",
    ),
    "an UPDATE to what a subquery says": (
        sa.update(voucher).where(of_bank(voucher)).values(outbox_no=1),
        sa.update(voucher)
        .where(of_bank(voucher))
        .values(outbox_no=sa.select(sa.func.max(staff.c.staff_no)).scalar_subquery()),
        "gb_staff",
    ),
    "a DELETE": (
        sa.delete(outbox_consumer).where(of_bank(outbox_consumer)),
        sa.delete(outbox_consumer).where(_SMS),
        "gb_outbox_consumer",
    ),
    "an INSERT of what is selected": (
        sa.insert(outlet).from_select(["code"], sa.select(staff.c.code).where(of_bank(staff))),
        sa.insert(outlet).from_select(["code"], sa.select(staff.c.code)),
        "gb_staff",
    ),
    "another bank's number": (
        sa.select(staff.c.code).where(staff.c.bank_id == BANK_ID),
        sa.select(staff.c.code).where(staff.c.bank_id == 1),
        "gb_staff",
    ),
    "another parameter": (
        sa.select(staff.c.code).where(staff.c.bank_id == _BANK),
        sa.select(staff.c.code).where(staff.c.bank_id == sa.bindparam("staff")),
        "gb_staff",
    ),
    "another column": (
        sa.select(staff.c.code).where(staff.c.bank_id == _BANK),
        sa.select(staff.c.code).where(staff.c.staff_no == _BANK),
        "gb_staff",
    ),
    "a text": (
        sa.select(staff.c.code).where(of_bank(staff)),
        sa.select(staff.c.code).where(of_bank(staff), sa.text("1 IN (SELECT 1 FROM gb_pool)")),
        "tables are named in a text",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_check_of_statements_tells_the_table_that_is_not_bound(name: str) -> None:
    whole, broken, told = BROKEN[name]
    assert unbound(whole, BANK_ID) == []
    faults = unbound(broken, BANK_ID)
    assert any(told in fault for fault in faults), faults
