"""网点 in the books: what the database itself refuses, and when an outlet may close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.errors import (
    CodeTaken,
    GongyiBankError,
    OutletClosed,
    OutletNotClosed,
    OutletNotEmpty,
    UnknownOutlet,
    WrongTier,
)
from gongyi_bank.store.tables import outlet
from tests.books import everything
from tests.district import District

#: (outlet_no, code) of the district: H 1000, B01 1001, B02 1002, B01S01 1003 …
GOOD = {
    "outlet_no": 2000, "code": "N", "name": "新", "tier": 3, "parent_no": 1001,
    "parent_tier": 2, "head_mark": None, "setting": "urban", "state": "open",
    "opened_on": dt.date(2022, 10, 15), "closed_on": None,
}  # fmt: skip
#: How the engines say that a constraint was broken; MariaDB's CHECK is no IntegrityError.
CONSTRAINT = r"(?i)constraint|Duplicate entry"
HEAD_FIELDS = {"tier": 1, "parent_no": None, "parent_tier": None, "head_mark": 1}


def insert(district: District, **changes: Any) -> None:
    with district.bank.engine.begin() as connection:
        known = connection.execute(sa.select(outlet.c.bank_id, outlet.c.voucher_id)).first()
        assert known is not None
        row = GOOD | {"bank_id": known.bank_id, "voucher_id": known.voucher_id} | changes
        connection.execute(sa.insert(outlet).values(row))


@pytest.mark.parametrize(
    "changes",
    [
        {"tier": 4, "parent_no": 1003, "parent_tier": 3},
        {"tier": 4, "parent_no": 1001, "parent_tier": 2},
        {"tier": 0, "parent_no": None, "parent_tier": None},
        {"parent_no": 1003, "parent_tier": 3},  # a savings branch under a savings branch
        {"parent_no": 1003},  # … that is said to be a branch
        {"parent_no": 1000, "parent_tier": 1},  # under the head office
        {"parent_no": 1000},
        {"parent_no": None, "parent_tier": None},  # without a branch
        {"parent_no": None},
        {"parent_tier": None},
        {"parent_no": 1999},
        {"tier": 2, "parent_no": 1001},  # a branch under a branch
        {"tier": 2, "parent_no": None, "parent_tier": None},
        HEAD_FIELDS,  # a second head office
        HEAD_FIELDS | {"head_mark": 2},
        HEAD_FIELDS | {"head_mark": None},
        {"head_mark": 1},
        {"code": "B01S01"},
        {"outlet_no": 1003},
        {"state": "shut"},
        {"state": "closed"},
        {"closed_on": dt.date(2022, 10, 15)},
        {"setting": "sea"},
    ],
    ids=str,
)
def test_the_database_itself_refuses_what_is_no_tree_of_three(
    district: District, changes: dict[str, Any]
) -> None:
    with pytest.raises(sa.exc.DatabaseError, match=CONSTRAINT):
        insert(district, **changes)
    insert(district)  # and takes what is one


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("B01S01", {"tier": 2, "parent_no": 1000, "parent_tier": 1}),
        ("B01S01", {"parent_no": 1000, "parent_tier": 1}),
        ("B01", {"tier": 3, "parent_no": 1002, "parent_tier": 2}),
        ("H", {"tier": 2, "parent_no": 1001, "parent_tier": 2, "head_mark": None}),
    ],
)
def test_nor_does_an_outlet_change_its_tier_while_it_has_children_or_accounts(
    district: District, code: str, changes: dict[str, Any]
) -> None:
    statement = sa.update(outlet).where(outlet.c.code == code).values(changes)
    allowed = code == "B01S01" and "tier" in changes  # a legal tree; the acts never do it
    with district.bank.engine.connect() as connection, connection.begin() as attempt:
        if allowed:
            assert connection.execute(statement).rowcount == 1
        else:
            with pytest.raises(sa.exc.DatabaseError, match=CONSTRAINT):
                connection.execute(statement)
        attempt.rollback()


def opened(district: District, code: str = "B02S09") -> str:
    district.bank.outlets.open(outlets=[NewOutlet(code=code, name="新所", parent="B02")])
    return code


def test_an_empty_outlet_closes_and_reopens(district: District) -> None:
    code = opened(district)
    closed = district.bank.outlets.close(outlet=code, reason="撤并")
    assert (closed.code, closed.state, closed.parent) == (code, "closed", "B02")
    with pytest.raises(OutletClosed):
        district.customer(code)
    with pytest.raises(OutletClosed):
        district.bank.outlets.close(outlet=code, reason="撤并")
    reopened = district.bank.outlets.reopen(outlet=code)
    assert (reopened.state, reopened.name) == ("open", "新所")
    with pytest.raises(OutletNotClosed):
        district.bank.outlets.reopen(outlet=code)
    assert district.customer(code)


def _account(district: District, code: str) -> Callable[[], object]:
    account = district.customer(code)
    return lambda: district.bank.accounts.close(account=account, reason="x")


def _role(district: District, code: str) -> Callable[[], object]:
    district.bank.staff.appoint(appointments=[Appointment(code="T9", role="teller", outlet=code)])
    return lambda: district.bank.staff.end(code="T9", role="teller", outlet=code, reason="x")


def _waiting(district: District, code: str) -> Callable[[], object]:
    account = district.customer("B02S01")
    row = {"outlet": code, "recorded_by": "K2", "checked_by": "ADM2"}
    done = district.acting("K2").hours.record_many(
        rows=[district.row(account, "10-03 08:00", 481, **row)]
    )
    assert done.count("waiting_branch") == 1
    refuse = district.bank.hours.refuse
    return lambda: refuse(account=account, record_no=1, reason="x")


@pytest.mark.parametrize(
    ("leave", "what"),
    [(_account, "1 accounts"), (_role, "1 staff roles"), (_waiting, "1 waiting records")],
)
def test_an_outlet_closes_only_when_nothing_is_left_open(
    district: District, leave: Callable[[District, str], Callable[[], object]], what: str
) -> None:
    code = opened(district)
    settle = leave(district, code)
    before = everything(district.bank)
    with pytest.raises(OutletNotEmpty, match=what):
        district.bank.outlets.close(outlet=code, reason="撤并")
    assert everything(district.bank) == before
    settle()
    assert district.bank.outlets.close(outlet=code, reason="撤并").state == "closed"


def test_a_branch_closes_after_its_savings_branches_and_reopens_before_them(
    district: District,
) -> None:
    new = [
        NewOutlet(code="B03", name="三行", parent="H"),
        NewOutlet(code="S", name="所", parent="B03"),
    ]
    district.bank.outlets.open(outlets=new)
    with pytest.raises(OutletNotEmpty, match="1 outlets"):
        district.bank.outlets.close(outlet="B03", reason="x")
    for code in ("S", "B03"):
        district.bank.outlets.close(outlet=code, reason="x")
    with pytest.raises(OutletClosed):
        district.bank.outlets.reopen(outlet="S")
    for code in ("B03", "S"):
        assert district.bank.outlets.reopen(outlet=code).state == "open"


@pytest.mark.parametrize(
    ("act", "fields", "error"),
    [
        ("close", {"outlet": "H", "reason": "x"}, WrongTier),
        ("close", {"outlet": "B99", "reason": "x"}, UnknownOutlet),
        ("move", {"outlet": "B01", "branch": "B02"}, WrongTier),
        ("move", {"outlet": "B01S01", "branch": "H"}, WrongTier),
        ("move", {"outlet": "B01S01", "branch": "B02S01"}, WrongTier),
        ("move", {"outlet": "B01S01", "branch": "B99"}, UnknownOutlet),
        ("rename", {"outlet": "B99", "name": "x"}, UnknownOutlet),
        ("reopen", {"outlet": "B01"}, OutletNotClosed),
        ("open", {"outlets": [NewOutlet(code="N", name="x", parent="B01S01")]}, WrongTier),
        ("open", {"outlets": [NewOutlet(code="B01", name="x", parent="H")]}, CodeTaken),
        ("open", {"outlets": [NewOutlet(code="N", name="x", parent="B99")]}, UnknownOutlet),
    ],
)
def test_refusals_write_nothing(
    district: District, act: str, fields: dict[str, Any], error: type[GongyiBankError]
) -> None:
    before = everything(district.bank)
    with pytest.raises(error):
        getattr(district.bank.outlets, act)(**fields)
    assert everything(district.bank) == before


def test_a_moved_savings_branch_answers_to_its_new_branch(district: District) -> None:
    account = district.customer("B01S02")
    moved = district.bank.outlets.move(outlet="B01S02", branch="B02")
    assert (moved.parent, moved.name) == ("B02", "莲花胜利社区储蓄所")
    row = district.row(account, "10-03 08:00", outlet="B01S02", recorded_by="T2", checked_by="K2")
    done = district.acting("K2").hours.record_many(rows=[row])
    assert done.count("credited") == 1
    refused = district.acting("K1").hours.record_many(rows=[row]).outcomes[0]
    assert refused.error is not None
    assert refused.error.code == "not_permitted"


def test_a_renamed_outlet_keeps_number_and_code(district: District) -> None:
    renamed = district.bank.outlets.rename(outlet="B01", name="莲花新分行")
    assert (renamed.code, renamed.name, renamed.parent) == ("B01", "莲花新分行", "H")
    with district.bank.engine.connect() as connection:
        query = sa.select(outlet.c.outlet_no, outlet.c.name).where(outlet.c.code == "B01")
        assert tuple(connection.execute(query).one()) == (1001, "莲花新分行")
