"""Authority is judged in the transaction that writes, and not when somebody logged in."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.commands.outlets import Appointment, AppointStaff, EndRole
from gongyi_bank.errors import GongyiBankError, NotPermitted, UnknownStaff
from gongyi_bank.values import Points
from tests.acts import keyed
from tests.books import counts
from tests.district import District
from tests.refusals import saver, shop
from tests.security.cases import EVERY, scene

#: The roles of those who do the acts of the table.
ROLES = {
    "admin": ("administrator", "H"),
    "K1": ("ledger_keeper", "B01"),
    "K1b": ("ledger_keeper", "B01"),
    "T1": ("teller", "B01S01"),
    "T2": ("teller", "B01S02"),
}


def ending(code: str) -> EndRole:
    role, outlet = ROLES[code]
    return EndRole(code=code, role=role, outlet=outlet, reason="离任")


@pytest.mark.parametrize("act", EVERY)
def test_a_role_that_ended_a_moment_ago_permits_nothing_more(act: str) -> None:
    """In one transaction: what it wrote itself counts, and no handle remembers."""
    made = scene(act)
    bank = made.district.bank
    with bank.engine.connect() as connection, connection.begin() as caller:
        with bank.within(connection, staff="ADM2") as office:
            office.execute(ending(made.staff))
        with (
            bank.within(connection, staff=made.staff) as counter,
            pytest.raises((UnknownStaff, NotPermitted)),
        ):
            counter.execute(made.command)
        caller.rollback()
    made.attempt()


def test_another_role_in_place_of_the_old_one_is_the_one_that_counts() -> None:
    made = scene("outlets.rename")
    bank = made.district.bank
    auditor = Appointment(code="admin", role="auditor", outlet="H")
    with bank.engine.connect() as connection, connection.begin() as caller:
        with bank.within(connection, staff="ADM2") as office:
            office.execute(ending("admin"))
            office.execute(AppointStaff(appointments=(auditor,)))
        with (
            bank.within(connection, staff="admin") as counter,
            pytest.raises(NotPermitted),
        ):
            counter.execute(made.command)
        caller.rollback()


# --- while somebody waits --------------------------------------------------------------------

#: Acts on one account, by whom they are done; each waits for the account's head.
WAITING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a freeze": ("T1", "accounts.freeze", {"reason": "核查"}),
    "a grant": (
        "K1",
        "points.grant",
        {"points": Points(1), "reason": "表彰", "second_person": "K1b", "outlet": "B01"},
    ),
    "a redemption": ("T1", "redemptions.redeem", {"store": "P1", "sku": "A"}),
    "a reversal": (
        "K1",
        "reversals.reverse_line",
        {"line_no": 1, "reason": "误记", "second_person": "K1b"},
    ),
}


@pytest.mark.parametrize("name", [*WAITING, "a service"])
def test_whoever_is_dismissed_while_they_wait_for_a_lock_does_nothing(
    postgresql_district: District, name: str
) -> None:
    """They came first, and were somebody when they came."""
    district = postgresql_district
    shop(district)
    account = saver(district)
    staff, wish = waiting(district, name, account)
    before = counts(district.bank)["gb_voucher"]
    with ThreadPoolExecutor(1) as pool:
        with district.bank.begin(staff="ADM2") as holder:
            holder.lock(accounts=[account])
            late: Future[Any] = pool.submit(outcome, district, staff, wish)
            with pytest.raises(TimeoutError):
                late.result(timeout=0.3)
            district.bank.execute(ending(staff))
        assert type(late.result(timeout=20)) is UnknownStaff
    assert counts(district.bank)["gb_voucher"] == before + 1


def waiting(district: District, name: str, account: int) -> tuple[str, Command]:
    """Who does it, and the command."""
    if name == "a service":
        row = district.row(account, "10-05 08:00")
        fields = {
            field: getattr(row, field) for field in RecordHours.model_fields if field in FIELDS
        }
        return "T1", RecordHours(**fields)
    staff, act, fields = WAITING[name]
    return staff, type(scene(act).command)(account=account, **fields)


FIELDS = frozenset("account category started_at ended_at outlet recorded_by checked_by".split())


def outcome(district: District, staff: str, wish: Command) -> Any:
    try:
        return district.acting(staff).execute(keyed(wish))
    except GongyiBankError as error:
        return error
