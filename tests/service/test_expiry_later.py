"""Expiry that a policy introduces later, on all engines; and the sweep of what is due."""

from __future__ import annotations

import datetime as dt
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import InsufficientPoints
from gongyi_bank.policies import PointsExpiry, RedemptionRules
from gongyi_bank.store import tables
from gongyi_bank.values import NEVER, Points
from tests.district import District
from tests.rules.lots import NaiveLots, book_of
from tests.service.test_expiry import lines
from tests.service.test_statement_counts import registered, statements

MONTH = PointsExpiry(mode="months", length=1)
NONE = PointsExpiry()


def adopt(district: District, policy: PointsExpiry, days: int = 0) -> None:
    day = district.clock().date() + dt.timedelta(days=days)
    district.bank.policies.adopt(policy=policy, effective_on=day)


def grant(district: District, account: int, units: int) -> Any:
    return district.acting("K1").points.grant(
        account=account, points=Points.of_units(units, 2), reason="x", second_person="K1b",
        outlet="B01",
    )  # fmt: skip


def spend(district: District, account: int, units: int) -> None:
    """So many of the smallest part of a point."""
    district.bank.redemptions.redeem(account=account, store="S", sku="fen", quantity=units)


def head(district: District, account: int) -> Any:
    columns = tables.account_head.c
    query = sa.select(
        columns.dead_no, columns.next_expiry_line_no, columns.next_expiry_on,
        columns.last_expires_on,
    ).where(columns.account_no == account)  # fmt: skip
    with district.bank.engine.connect() as connection:
        return tuple(connection.execute(query).one())


def available(district: District, account: int) -> Points:
    return district.bank.reports.customer_summary(account).available


def with_a_shop(district: District) -> None:
    """A store where one piece costs the smallest part of a point."""
    store = NewStore(code="S", name="超市", kind="community_store", recruited_by="B01S01")
    district.bank.stores.recruit(stores=[store])
    offer = NewOffer(store="S", sku="fen", name="一分", points=Points("0.01"), stock=100_000)
    district.bank.stores.publish_offers(offers=[offer])


def test_a_policy_that_comes_later_reaches_points_without_a_date(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")  # booked on 15 October without a date
    adopt(district, MONTH, days=5)  # from 20 October: good until 20 November
    assert head(district, account) == (0, 1, NEVER, NEVER)
    district.clock.advance(days=36)  # 20 November
    assert available(district, account) == 1
    district.clock.advance(days=1)
    assert available(district, account) == 0
    assert district.bank.verify().is_clean
    district.serve(account, "10-03 10:00")
    until = dt.date(2022, 12, 21)
    assert lines(district, account) == [("service", 100), ("expiry", -100), ("service", 100)]
    assert head(district, account) == (100, 3, until, until)
    assert district.bank.verify().is_clean


def test_points_booked_on_the_first_day_before_it_was_adopted_have_its_date(
    district: District,
) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    adopt(district, MONTH)
    district.serve(account, "10-03 10:00")
    assert district.bank.verify().is_clean
    schedule = district.bank.reports.expiry_schedule(account)
    assert [(d.expires_on, d.points) for d in schedule.dates] == [(dt.date(2022, 11, 15), 2)]
    district.clock.advance(days=32)
    assert available(district, account) == 0


def test_what_lives_without_a_date_keeps_what_came_after_it(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    adopt(district, PointsExpiry(mode="months", length=3))  # 15 January
    adopt(district, PointsExpiry(mode="months", length=0), days=1)
    district.clock.advance(days=1)
    district.serve(account, "10-03 10:00")  # good for 16 October alone, but for the older one
    district.clock.advance(days=91)  # 15 January
    assert available(district, account) == 2
    district.clock.advance(days=1)
    assert available(district, account) == 0


def test_none_then_months_then_none_then_months(district: District) -> None:
    with_a_shop(district)
    first, idle, later = (district.customer() for _ in range(3))
    for account in (first, idle):
        grant(district, account, 100)
    adopt(district, MONTH, days=10)  # 25 October: until 25 November
    adopt(district, NONE, days=20)  # 4 November
    adopt(district, MONTH, days=100)  # 23 January 2023: until 23 February
    district.clock.advance(days=15)  # 30 October: the sweep notes the date of both
    noted = district.acting("K1").points.expire_due()
    assert (noted.accounts, noted.lines, noted.points) == (2, 0, 0)
    assert district.acting("K1").points.expire_due().accounts == 0
    district.clock.advance(days=10)  # 9 November: none in force
    grant(district, first, 50)
    grant(district, later, 30)
    district.clock.advance(days=17)  # 26 November: the first date has passed
    assert [available(district, a) for a in (first, idle, later)] == [
        Points("0.50"), 0, Points("0.30"),
    ]  # fmt: skip
    assert district.bank.verify().is_clean
    spend(district, first, 10)
    assert lines(district, first)[2:] == [("expiry", -100), ("redemption", -10)]
    assert head(district, first)[:3] == (100, 2, dt.date(2023, 2, 23))
    swept = district.acting("K1").points.expire_due()
    assert (swept.accounts, swept.lines, swept.points) == (1, 1, 1)
    district.clock.advance(days=89)  # 23 February
    assert available(district, first) == Points("0.40")
    district.clock.advance(days=1)
    swept = district.acting("K1").points.expire_due()
    assert (swept.accounts, swept.points) == (2, Points("0.70"))
    assert district.bank.verify().is_clean


def test_a_gift_keeps_the_date_that_was_introduced_since(district: District) -> None:
    giver, receiver = district.customer(), district.customer()
    grant(district, giver, 100)
    adopt(district, MONTH)  # until 15 November
    district.clock.advance(days=20)
    district.acting("T1").transfers.gift(
        account=giver, target=receiver, points=Points(1), outlet="B01S01"
    )
    assert head(district, receiver)[2] == dt.date(2022, 11, 15)
    assert district.bank.verify().is_clean


def test_an_account_without_passed_dates_costs_no_statement_more(engine_url: str) -> None:
    district = District(engine_url)
    accounts = registered(district, 3)
    bank = district.bank
    found = []

    def record(day: int) -> int:
        with statements(bank) as seen:
            rows = [district.row(a, f"10-{day:02d} 08:00", ref=f"{day}-{a}") for a in accounts]
            assert bank.hours.record_many(rows=rows).count("credited") == 3
        return len(seen)

    record(1)
    found.append(record(2))
    adopt(district, MONTH)
    bank.reports.balance(accounts[0])
    record(3)
    found.append(record(4))
    district.clock.advance(days=32)
    assert record(5) == found[0] + 1  # the dates that have passed are looked at once
    found.append(record(6))
    adopt(district, NONE)
    record(7)
    found.append(record(8))
    district.close()
    assert found == [found[0]] * 4


def test_where_nobody_swept_while_expiry_lasted_the_next_act_finds_what_has_passed(
    district: District,
) -> None:
    account = district.customer()
    grant(district, account, 100)
    adopt(district, MONTH)
    adopt(district, NONE, days=5)
    district.clock.advance(days=10)
    grant(district, account, 50)
    district.clock.advance(days=25)
    assert district.bank.points.expire_due().accounts == 0
    assert available(district, account) == Points("0.50")
    assert district.bank.verify().is_clean
    grant(district, account, 5)
    assert lines(district, account)[2:] == [("expiry", -100), ("grant", 5)]
    assert district.bank.verify().is_clean


# --- the sweep ---------------------------------------------------------------------------------


def test_a_sweep_writes_expiry_lines_at_the_home_outlet_and_can_be_resumed(
    district: District,
) -> None:
    accounts = [district.customer(outlet) for outlet in ("B01S01", "B02S01", "B02S02")]
    for account in accounts:
        grant(district, account, 100)
    spent_elsewhere = district.customer()
    adopt(district, MONTH)
    grant(district, spent_elsewhere, 7)
    district.clock.advance(days=40)
    bank = district.acting("K1")
    first = bank.points.expire_due(count_max=2)
    assert (first.accounts, first.lines, first.may_be_more) == (2, 2, True)
    second = bank.points.expire_due(count_max=3, idempotency_key="S2")
    assert (second.accounts, second.lines, second.may_be_more) == (2, 2, False)
    assert first.points + second.points == Points("3.07")
    assert bank.points.expire_due(count_max=3, idempotency_key="S2") == second
    assert bank.points.expire_due().voucher_id is None
    line, outlet = tables.account_line.c, tables.outlet.c
    query = sa.select(line.account_no, outlet.code).where(
        line.kind == "expiry", outlet.outlet_no == line.outlet_no
    )
    with district.bank.engine.connect() as connection:
        where = {row[0]: row[1] for row in connection.execute(query)}
    assert [where[a] for a in accounts] == ["B01S01", "B02S01", "B02S02"]
    assert district.bank.verify().is_clean


def test_where_the_day_is_closed_already_the_line_is_written_on_the_next_one(
    district: District,
) -> None:
    account = district.customer("B02S01")
    grant(district, account, 100)
    adopt(district, MONTH)
    district.clock.advance(days=40)  # 24 November
    district.bank.closings.close("2022-11-23", outlet="B02")
    district.clock.advance(days=-1)  # a clock that is behind
    swept = district.acting("K1").points.expire_due(count_max=1)
    assert (swept.lines, swept.may_be_more) == (0, False)
    district.bank.closings.close("2022-11-22")
    district.clock.advance(days=1)
    assert district.acting("K1").points.expire_due().lines == 1
    line = district.bank.reports.statement(account, newest=1).lines[0]
    assert (line.kind, line.outlet) == ("expiry", "B02S01")


def test_a_sweep_costs_the_same_for_one_and_for_many(district: District) -> None:
    accounts = registered(district, 30)
    adopt(district, MONTH)
    for account in accounts:
        grant(district, account, 10)
    district.clock.advance(days=40)
    found = []
    for size in (1, 29):
        with statements(district.bank) as seen:
            assert district.bank.points.expire_due(count_max=size).lines == size
        found.append(len(seen))
    assert found[0] == found[1]


def test_held_points_are_honoured_and_expire_when_they_are_released(district: District) -> None:
    with_a_shop(district)
    account = district.customer()
    grant(district, account, 100)
    adopt(district, MONTH)
    district.clock.advance(days=31)
    held = district.bank.redemptions.reserve(account=account, store="S", sku="fen", quantity=40)
    district.clock.advance(days=1)
    assert district.bank.points.expire_due().points == Points("0.60")
    schedule = district.bank.reports.expiry_schedule(account)
    assert (schedule.held, schedule.past, schedule.dates) == (Points("0.40"), 0, ())
    district.bank.redemptions.release(redemption=held.redemption_id, reason="x")
    assert [line for line in lines(district, account) if line[0] == "expiry"] == [
        ("expiry", -60), ("expiry", -40),
    ]  # fmt: skip
    assert district.bank.points.expire_due().accounts == 0
    assert district.bank.verify().is_clean


def test_an_act_without_a_line_leaves_dead_points_for_the_sweep(district: District) -> None:
    account = district.customer()
    grant(district, account, 100)
    adopt(district, MONTH)
    district.clock.advance(days=32)
    assert district.serve(account, "10-03 08:00", 481).state == "waiting_branch"
    assert district.bank.verify().is_clean
    assert district.bank.points.expire_due().points == 1


def test_two_sweeps_and_a_redemption_at_once_expire_each_point_once(
    postgresql_tables_url: str,
) -> None:
    district = District(postgresql_tables_url)
    with_a_shop(district)
    accounts = registered(district, 20)
    for account in accounts:
        grant(district, account, 50)
    adopt(district, MONTH)
    district.clock.advance(days=20)
    for account in accounts:
        grant(district, account, 50)
    district.clock.advance(days=12)

    def redeem() -> None:
        for account in accounts:
            spend(district, account, 20)

    sweep = district.bank.points.expire_due
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(sweep), pool.submit(sweep), pool.submit(redeem)]:
            done.result(60)
    for account in accounts:
        taken = [amount for kind, amount in lines(district, account) if kind == "expiry"]
        assert taken == [-50]
        assert available(district, account) == Points("0.30")
    assert district.bank.verify().is_clean
    district.close()


# --- faults that verify() finds --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"dead_no": 100}, "head_unswept"),
        ({"dead_no": 50}, "head_dead_no"),
        ({"next_expiry_on": dt.date(2022, 11, 17)}, "head_next_expiry"),
        ({"next_expiry_line_no": 2}, "head_next_expiry"),
        ({"next_expiry_line_no": 0}, "head_next_expiry"),
        ({"last_expires_on": dt.date(2022, 11, 14)}, "head_last_expires_on"),
    ],
)
def test_a_head_with_a_wrong_date_is_found(
    sqlite_district: District, change: dict[str, Any], kind: str
) -> None:
    account = sqlite_district.customer()
    grant(sqlite_district, account, 100)
    adopt(sqlite_district, MONTH)
    sqlite_district.clock.advance(days=20)
    assert sqlite_district.bank.verify().is_clean
    table = tables.account_head
    with sqlite_district.bank.engine.begin() as connection:
        connection.execute(table.update().where(table.c.account_no == account).values(**change))
    assert kind in {fault.kind for fault in sqlite_district.bank.verify().faults}


@pytest.mark.parametrize("column", ["next_expiry_on", "last_expires_on"])
def test_a_head_that_has_been_given_its_date_is_as_right_as_one_that_has_not(
    sqlite_district: District, column: str
) -> None:
    account = sqlite_district.customer()
    grant(sqlite_district, account, 100)
    adopt(sqlite_district, MONTH)
    table = tables.account_head
    for value in (dt.date(2022, 11, 15), NEVER):
        with sqlite_district.bank.engine.begin() as connection:
            mine = table.c.account_no == account
            connection.execute(table.update().where(mine).values({column: value}))
        assert sqlite_district.bank.verify().is_clean


# --- random histories, beside the model of lots ------------------------------------------------

#: A reservation's longest life; the model has no clock, so holds are settled before.
RESERVED_DAYS = 90
ACTS = (
    "credit", "credit", "debit", "hold", "release", "capture", "days", "days", "adopt", "sweep",
)  # fmt: skip


class Beside:
    """An account of a real bank beside the model; what the one refuses the other has not."""

    def __init__(self, district: District, seed: int) -> None:
        rules = RedemptionRules(reservation_hours=24 * RESERVED_DAYS)
        district.bank.policies.adopt(policy=rules, effective_on=district.clock().date())
        with_a_shop(district)
        self.district = district
        self.chance = random.Random(seed)
        self.account = district.customer()
        self.naive = NaiveLots(today=district.clock().date())
        self.adopted: list[tuple[dt.date, PointsExpiry]] = []
        #: Redemption, amount, and the day on which it was reserved.
        self.holds: list[tuple[Any, int, dt.date]] = []

    def step(self) -> None:
        """One act in both."""
        getattr(self, self.chance.choice(ACTS))(self.chance.randrange(1, 40))

    def days(self, count: int) -> None:
        for hold in list(self.holds):
            if (self.naive.today - hold[2]).days + count >= RESERVED_DAYS:
                self.holds.remove(hold)
                self.settle("release", hold)
        self.district.clock.advance(days=count)
        self.naive.pass_days(count, book_of(self.adopted))

    def adopt(self, length: int) -> None:
        mode = self.chance.choice(["none", "months", "calendar_years"])
        policy = PointsExpiry(mode=mode, length=length % 3)
        if not self.adopted or self.adopted[-1][0] < self.naive.today:
            adopt(self.district, policy)
            self.adopted.append((self.naive.today, policy))
            self.naive.wake(book_of(self.adopted))

    def sweep(self, _: int) -> None:
        self.district.bank.points.expire_due()
        self.naive.expire()

    def credit(self, amount: int) -> None:
        grant(self.district, self.account, amount)
        self.naive.credit(amount)

    def debit(self, amount: int) -> None:
        if amount > self.naive.available:
            with pytest.raises(InsufficientPoints):
                spend(self.district, self.account, amount)
        else:
            spend(self.district, self.account, amount)
            self.naive.debit(amount)

    def hold(self, amount: int) -> None:
        desk = self.district.bank.redemptions
        if amount <= self.naive.available:
            held = desk.reserve(account=self.account, store="S", sku="fen", quantity=amount)
            self.holds.append((held.redemption_id, amount, self.naive.today))
            self.naive.hold(amount)

    def release(self, _: int) -> None:
        if self.holds:
            self.settle("release", self.holds.pop())

    def capture(self, _: int) -> None:
        if self.holds:
            self.settle("capture", self.holds.pop(0))

    def settle(self, verb: str, hold: tuple[Any, int, dt.date]) -> None:
        desk = self.district.bank.redemptions
        if verb == "release":
            desk.release(redemption=hold[0], reason="x")
        else:
            desk.capture(redemption=hold[0])
        getattr(self.naive, verb)(hold[1])

    def check(self) -> None:
        """What may be spent, what expires when, and every expiry line."""
        schedule = self.district.bank.reports.expiry_schedule(self.account)
        naive = self.naive
        assert {d.expires_on: d.points.to_units(2) for d in schedule.dates} == naive.dates()
        found = (schedule.past, schedule.held, schedule.available)
        expected = (naive.expirable, naive.held, naive.available)
        assert tuple(points.to_units(2) for points in found) == expected
        taken = [-amount for kind, amount in lines(self.district, self.account) if kind == "expiry"]
        assert taken == naive.expired


@pytest.mark.parametrize("seed", range(4))
def test_the_bank_is_equal_to_lots_that_are_walked_over_every_day(
    district: District, seed: int
) -> None:
    both = Beside(district, seed)
    for _ in range(40):
        both.step()
        both.check()
    assert district.bank.verify().is_clean


def test_a_gift_keeps_the_date_of_an_older_point_that_is_spent_by_now(district: District) -> None:
    """No point dies before an older one, also where it changes hands: it must not arrive dead."""
    adopt(district, PointsExpiry(mode="months", length=12))
    giver, first, second = (district.customer() for _ in range(3))
    grant(district, giver, 100)  # good until 15 October 2023
    adopt(district, NONE, days=1)
    adopt(district, MONTH, days=3)  # points without a date: until 18 November, or the older one's
    district.clock.advance(days=2)
    grant(district, giver, 100)
    district.clock.advance(days=40)
    for target in (first, second):
        district.acting("T1").transfers.gift(
            account=giver, target=target, points=Points(1), outlet="B01S01"
        )
    assert available(district, first) == available(district, second) == 1
    assert district.bank.verify().is_clean


def test_a_gift_keeps_a_date_that_was_promised_before_expiry_ended_again(
    district: District,
) -> None:
    giver, taker = district.customer(), district.customer()
    grant(district, giver, 100)
    adopt(district, PointsExpiry(mode="months", length=3), days=1)  # good until 16 January
    adopt(district, NONE, days=3)
    district.clock.advance(days=5)
    district.acting("T1").transfers.gift(
        account=giver, target=taker, points=Points(1), outlet="B01S01"
    )
    (found,) = district.bank.reports.expiry_schedule(taker).dates
    assert found.expires_on == dt.date(2023, 1, 16)


def test_a_new_credit_has_the_same_date_whether_or_not_the_account_moved_meanwhile(
    sqlite_district: District,
) -> None:
    """Expiry comes, goes and comes again with a shorter life: found by seed 323 of the lives."""
    district = sqlite_district
    moved, still, taker = (district.customer() for _ in range(3))
    for account in (moved, still):
        grant(district, account, 100)  # without a date
    adopt(district, MONTH, days=1)  # good until 16 November
    district.clock.advance(days=2)
    district.acting("T1").transfers.gift(
        account=moved, target=taker, points=Points("0.10"), outlet="B01S01"
    )
    adopt(district, NONE, days=1)
    adopt(district, PointsExpiry(mode="calendar_years", length=0), days=3)
    adopt(district, PointsExpiry(mode="months", length=0), days=4)
    district.clock.advance(days=5)
    for account in (moved, still):
        grant(district, account, 100)
    assert head(district, moved)[3] == head(district, still)[3]
    assert district.bank.verify().is_clean
