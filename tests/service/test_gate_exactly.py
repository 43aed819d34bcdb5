"""The gate, to the letter: ids that rise, clocks that are behind, and where an act is booked."""

from __future__ import annotations

import datetime as dt
import itertools
import os

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.customers import FreezeAccount
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.errors import DayClosed, InvalidInstant, RetryTransaction
from gongyi_bank.policies import HourLimits
from gongyi_bank.service.gate import _TRIES, HouseShelf, Visit, _VoucherIds, perform
from gongyi_bank.store.engines import KeyTaken
from gongyi_bank.store.tables import account_line, outlet, voucher
from gongyi_bank.values import Points
from tests.district import START, District, at

_MILLISECOND = dt.timedelta(milliseconds=1)


# --- ids -----------------------------------------------------------------------------------


def give(monkeypatch: pytest.MonkeyPatch, *chances: bytes) -> None:
    """Let chance give these bytes, the last of them for ever."""
    given = itertools.chain(chances, itertools.repeat(chances[-1]))
    monkeypatch.setattr(os, "urandom", lambda count: next(given)[:count])


@pytest.mark.parametrize("chance", [bytes(10), b"\x01" * 10, b"\x00\x00\x00\x00\x00" + b"\xfe" * 5])
def test_ids_of_one_moment_rise_also_where_chance_repeats_itself(
    monkeypatch: pytest.MonkeyPatch, chance: bytes
) -> None:
    give(monkeypatch, chance)
    ids = _VoucherIds()
    made = [ids.next(START) for _ in range(50)]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {16}


def test_ids_of_one_moment_rise_where_chance_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, *(bytes([byte]) * 10 for byte in range(60, 0, -1)))
    ids = _VoucherIds()
    made = [ids.next(START) for _ in range(60)]
    assert made == sorted(set(made))


def test_an_id_that_is_above_the_last_one_is_as_chance_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, bytes(10), b"\x07" * 10)
    ids = _VoucherIds()
    ids.next(START)
    assert ids.next(START)[-7:] == b"\x07" * 7


def test_an_id_above_the_last_one_is_so_far_above_as_four_bytes_of_chance_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, b"\x09" * 10, b"\x00\x00\x00\x05" + b"\x03" * 6)
    ids = _VoucherIds()
    first, second = (int.from_bytes(ids.next(START)) for _ in range(2))
    assert second - first == 1 + 5


@pytest.mark.parametrize("step", [_MILLISECOND, -_MILLISECOND])
def test_another_millisecond_begins_anew_also_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch, step: dt.timedelta
) -> None:
    give(monkeypatch, b"\x05" * 10, bytes(10))
    ids = _VoucherIds()
    ids.next(START)
    assert ids.next(START + step) == _VoucherIds().next(START + step)


def test_where_the_random_bits_run_out_the_moment_stays_and_order_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, b"\xff" * 10)
    ids = _VoucherIds()
    first, second = ids.next(START), ids.next(START)
    assert second == first  # never more than sixteen bytes, nor another moment
    assert int.from_bytes(second[:6]) == START.timestamp() * 1000


# --- clocks --------------------------------------------------------------------------------


def test_behind_an_account_s_newest_line_an_act_goes_by_that_line_s_moment(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00")
    receipt = sqlite_district.bank.at(at("10-14 09:00")).points.grant(
        account=account, points=Points(1), reason="表彰", second_person="ADM2", outlet="H"
    )
    assert (receipt.booked_at, receipt.business_day) == (START, START.date())


def test_behind_several_accounts_it_goes_by_the_newest_of_their_moments(
    sqlite_district: District,
) -> None:
    one, other = sqlite_district.customer(), sqlite_district.customer()
    for account in (one, other):
        sqlite_district.serve(account, "10-03 08:00")
        sqlite_district.clock.advance(days=2)
    receipt = (
        sqlite_district.acting("T1")
        .at(at("10-15 13:00"))
        .transfers.gift(account=one, target=other, points=Points("0.50"), outlet="B01S01")
    )
    assert receipt.booked_at == START + dt.timedelta(days=2)


def test_the_business_day_is_that_of_the_bank_s_zone(sqlite_district: District) -> None:
    """Half past midnight in Shanghai is the day before by the clock of Greenwich."""
    for moment, day in (("10-20 23:30", 20), ("10-21 00:30", 21)):
        bank, account = sqlite_district.bank.at(at(moment)), sqlite_district.customer()
        receipt = bank.accounts.freeze(account=account, reason="核查")
        assert receipt.business_day == dt.date(2022, 10, day)


def test_an_impossible_moment_is_named_as_the_clock_s(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    with pytest.raises(InvalidInstant) as caught:
        sqlite_district.bank.at(START.replace(year=9500)).accounts.wake(account=account)
    assert caught.value.facts["field"] == "clock"


# --- where an act is booked, and on which day ----------------------------------------------


def booked_at(district: District, voucher_id: bytes) -> str | None:
    """The code of the outlet that a voucher names."""
    its_outlet = sa.and_(
        outlet.c.bank_id == voucher.c.bank_id, outlet.c.outlet_no == voucher.c.outlet_no
    )
    query = sa.select(outlet.c.code).select_from(voucher.join(outlet, its_outlet))
    with district.bank.engine.connect() as connection:
        return connection.scalar(query.where(voucher.c.voucher_id == voucher_id))


def test_an_act_is_booked_by_a_role_that_allows_it_and_not_by_the_first(
    sqlite_district: District,
) -> None:
    roles = (("auditor", "H"), ("ledger_keeper", "B01"), ("teller", "B01S01"))
    sqlite_district.bank.staff.appoint(
        appointments=[Appointment(code="X", role=role, outlet=place) for role, place in roles]
    )
    account, desks = sqlite_district.customer(), sqlite_district.acting("X")
    rows = [
        sqlite_district.row(account, f"10-03 {hour}:00", 60, outlet=place, recorded_by="X")
        for hour, place in ((10, "B01S01"), (12, "B01S02"))
    ]
    both = desks.hours.record_many(rows=rows)
    assert both.voucher_id is not None
    assert booked_at(sqlite_district, both.voucher_id.bytes) == "B01"
    frozen = desks.accounts.freeze(account=account, reason="核查")
    assert booked_at(sqlite_district, frozen.voucher_id.bytes) == "B01S01"


def test_a_day_that_is_closed_where_a_line_was_earned_is_closed_for_the_whole_act(
    sqlite_district: District,
) -> None:
    """The act is booked at the head office, and the accounts are of the other branch."""
    accounts = [sqlite_district.customer("B02S01") for _ in range(2)]
    sqlite_district.clock.advance(days=3)
    sqlite_district.acting("K1").closings.close("2022-10-16", outlet="B01")
    behind = sqlite_district.bank.at(at("10-16 12:00"))

    def record(*places: str) -> object:
        rows = [
            sqlite_district.row(
                account, "10-16 08:00", outlet=place, recorded_by="admin", checked_by="ADM2"
            )
            for account, place in zip(accounts, places, strict=True)
        ]
        return behind.hours.record_many(rows=rows)

    with pytest.raises(DayClosed) as caught:
        record("B01S01", "B02S01")
    assert caught.value.facts["outlet"] == "B01S01"
    record("B02S02", "B02S01")


def test_work_of_a_closed_month_counts_on_the_first_open_day_and_keeps_its_own(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    sqlite_district.clock.now = at("11-05 12:00")
    sqlite_district.bank.closings.close("2022-10-31")
    sqlite_district.bank.closings.close("2022-10")
    for start in ("10-20 08:00", "11-02 08:00"):
        sqlite_district.serve(account, start)
    query = sa.select(account_line.c.value_on, account_line.c.origin_on)
    with sqlite_district.bank.engine.connect() as connection:
        days = connection.execute(query.order_by(account_line.c.line_no)).all()
    assert [tuple(row) for row in days] == [
        (dt.date(2022, 11, 1), dt.date(2022, 10, 20)),
        (dt.date(2022, 11, 2), None),
    ]


def test_a_branch_that_has_closed_is_closed_for_its_own_customers_elsewhere_too(
    sqlite_district: District,
) -> None:
    """Work done at the other branch: theirs is refused that day and counts later, others' not."""
    own, other = sqlite_district.customer(), sqlite_district.customer("B02S01")
    sqlite_district.clock.now = at("11-05 12:00")
    for period in ("2022-10-31", "2022-10"):
        sqlite_district.acting("K1").closings.close(period, outlet="B01")
    row = {"outlet": "B02S01", "recorded_by": "admin", "checked_by": "ADM2"}

    def record(moment: str, account: int) -> None:
        rows = [sqlite_district.row(account, "10-31 08:00", **row)]
        sqlite_district.bank.at(at(moment)).hours.record_many(rows=rows)

    with pytest.raises(DayClosed):
        record("10-31 12:00", own)
    record("10-31 12:00", other)
    record("11-05 12:00", own)
    query = sa.select(account_line.c.account_no, account_line.c.value_on, account_line.c.origin_on)
    with sqlite_district.bank.engine.connect() as connection:
        days = {tuple(row) for row in connection.execute(query)}
    last, first = dt.date(2022, 10, 31), dt.date(2022, 11, 1)
    assert days == {(own, first, last), (other, last, None)}


# --- what a handle remembers, and how often an act looks -----------------------------------


def test_how_long_a_record_can_be_is_a_week_until_the_policies_were_read(
    sqlite_district: District,
) -> None:
    day = START.date()
    sqlite_district.bank.policies.adopt(policy=HourLimits(record_minutes_max=90), effective_on=day)
    shelf = HouseShelf()
    assert shelf.longest_record() == dt.timedelta(days=7)
    first = sqlite_district.bank.read(lambda tx: shelf.of(tx, 1))
    assert shelf.longest_record() == first[0].longest_record() < dt.timedelta(days=7)
    assert sqlite_district.bank.read(lambda tx: shelf.of(tx, 1)) is first
    assert sqlite_district.bank.read(lambda tx: shelf.of(tx, 2)) is not first


@pytest.mark.parametrize("taken", [1, _TRIES - 1, _TRIES])
def test_an_act_whose_key_is_taken_meanwhile_looks_again_so_often_and_no_oftener(
    sqlite_district: District, taken: int
) -> None:
    seen: list[Visit] = []

    def serve(visit: Visit, _: FreezeAccount) -> int:
        seen.append(visit)
        if len(seen) <= taken:
            raise KeyTaken
        return len(seen)

    command = FreezeAccount(account=sqlite_district.customer(), reason="核查")

    def run() -> int:
        shelf = HouseShelf()
        found: int = sqlite_district.bank.read(
            lambda tx: perform(tx, "admin", shelf, command, serve)
        )
        return found

    if taken < _TRIES:
        assert run() == taken + 1
    else:
        with pytest.raises(RetryTransaction):
            run()
    assert len({id(visit) for visit in seen}) == min(taken + 1, _TRIES)
