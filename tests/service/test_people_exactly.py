"""Who may not act, and what they are told: second persons, makers, and people's own accounts.

Each wish is tried in a transaction that is rolled back, so one district serves for all of them.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.hours import ApproveHours, CorrectHours, RefuseHours
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.store.tables import customer
from tests.acts import ACTS, keyed
from tests.district import District, at
from tests.told import told

#: Acts on which two people agree, and the outlet where the second one must serve.
TWO_PEOPLE = {
    "accounts.close": "B01S01",
    "hours.void": "B01S01",
    "points.grant": "B01",
    "redemptions.refund": "B01S01",
    "reversals.reverse_line": "B01S01",
    "reversals.reverse_voucher": "B01S01",
    "transfers.grant": "B01",
    "transfers.send": "B01S01",
}
#: Acts that nobody does about their own account, which of the customers of the case that are, and
#: whether the second person may not either.
NOT_OWN = {
    "accounts.close": ([0], True),
    "hours.approve": ([0], False),
    "hours.correct": ([0], False),
    "hours.record": ([0], False),
    "hours.refuse": ([0], False),
    "hours.void": ([0], True),
    "points.grant": ([0], True),
    "redemptions.refund": ([0], True),
    "reversals.reverse_line": ([0], True),
    "reversals.reverse_voucher": ([0, 1, 2], True),
    "transfers.donate": ([0], False),
    "transfers.gift": ([0, 1], False),
    "transfers.grant": ([1], True),
    "transfers.send": ([0, 1], True),
}
ON_ACCOUNTS = sorted(
    act
    for act in ACTS
    if act.startswith(("accounts", "hours", "points", "holds", "redemp", "revers", "transf"))
)
ROLES = {
    "admin": ("administrator", "H"),
    "K1": ("ledger_keeper", "B01"),
    "K1b": ("ledger_keeper", "B01"),
    "T1": ("teller", "B01S01"),
    "T2": ("teller", "B01S02"),
}


def told_of(district: District, by: str, command: Command) -> str:
    """What somebody is told who tries: a code with its facts, or nothing."""
    with district.bank.engine.connect() as connection, connection.begin() as tried:
        try:
            with district.bank.within(connection, staff=by) as counter:
                counter.execute(keyed(command))
        except GongyiBankError as error:
            return f"{error.code}: {told(error)}"
        finally:
            tried.rollback()
    return ""


def with_second(command: Command, code: str) -> Command:
    return command.model_copy(update={"second_person": code})


@pytest.mark.parametrize("act", TWO_PEOPLE)
def test_the_second_person_is_known_is_another_and_serves_there(
    sqlite_district: District, act: str
) -> None:
    by, command, _ = ACTS[act](sqlite_district)
    place = TWO_PEOPLE[act]
    refusals = {
        "NONE": "unknown_staff: staff NONE",
        by: f"four_eyes: act {act}; staff {by}; outlet {place}; roles two people",
    }
    for code in ("AUD", "T3", "K2"):
        refusals[code] = (
            f"not_permitted: staff {code}; act {act} (复核); outlet {place};"
            " roles staff of the outlet or above"
        )
    heard = {code: told_of(sqlite_district, by, with_second(command, code)) for code in refusals}
    assert heard == refusals


def test_the_table_has_every_act_that_names_a_second_person() -> None:
    named = {wish.act for wish in SERVICES if "second_person" in wish.model_fields}
    assert named & ACTS.keys() == TWO_PEOPLE.keys()


@pytest.mark.parametrize("act", ON_ACCOUNTS)
def test_nobody_decides_on_their_own_account(sqlite_district: District, act: str) -> None:
    by, command, _ = ACTS[act](sqlite_district)
    with sqlite_district.bank.engine.connect() as connection:
        accounts = sorted(connection.scalars(sa.select(customer.c.account_no)))
    role, outlet = ROLES[by]
    sqlite_district.bank.staff.appoint(
        appointments=[
            Appointment(code=f"OWN{i}", role=role, outlet=outlet, own_account=account)
            for i, account in enumerate(accounts)
        ]
    )
    own, is_second_barred = NOT_OWN.get(act, ([], False))
    for i in range(len(accounts)):
        refusal = f"four_eyes: act {act}; staff OWN{i}" if i in own else ""
        assert told_of(sqlite_district, f"OWN{i}", command) == refusal
        if act in TWO_PEOPLE:
            heard = told_of(sqlite_district, by, with_second(command, f"OWN{i}"))
            assert heard == (refusal if is_second_barred else "")


@pytest.mark.parametrize("makers", [("K1", "ADM2"), ("ADM2", "K1")])
@pytest.mark.parametrize("wish", [ApproveHours, RefuseHours])
def test_who_made_or_checked_a_record_does_not_decide_on_it(
    sqlite_district: District, makers: tuple[str, str], wish: type[ApproveHours | RefuseHours]
) -> None:
    recorded_by, checked_by = makers
    account = sqlite_district.customer()
    row = sqlite_district.row(
        account, "10-03 08:00", 481, recorded_by=recorded_by, checked_by=checked_by
    )
    sqlite_district.bank.hours.record_many(rows=[row])
    more = {"reason": "不实"} if wish is RefuseHours else {}
    command = wish(account=account, record_no=1, **more)
    for code in ("K1", "ADM2", "admin"):  # the third has sent it
        refusal = f"four_eyes: act {command.act}; staff {code}"
        assert told_of(sqlite_district, code, command) == refusal
    assert told_of(sqlite_district, "K1b", command) == ""


def test_a_record_is_corrected_by_its_recorder_or_its_checker(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00")
    command = CorrectHours(
        account=account, record_no=1, reason="时间有误", category="sanitation",
        started_at=at("10-03 08:00"), ended_at=at("10-03 10:00"),
        recorded_by="T1b", checked_by="K1",
    )  # fmt: skip
    assert told_of(sqlite_district, "K1", command) == ""
    refusal = "four_eyes: act hours.correct; staff K1b"
    assert told_of(sqlite_district, "K1b", command) == refusal
