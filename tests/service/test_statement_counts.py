"""Round trips are what a single act costs, and a list costs no more than one item.

The numbers are promises (design.md §8): lower one when you save a statement, and think hard
before you raise one. BEGIN, COMMIT and savepoints are not counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.policies import PointsExpiry, TransferRules
from gongyi_bank.values import Points
from tests.acts import ACTS, keyed
from tests.district import District
from tests.mysqld import engine_name
from tests.service.test_stores import a_shop, new_offer

ENGINES = ("sqlite", "postgresql", "mariadb")
#: Statements of each act, submitted with a key, on each of them: SQLite asks once, and writes a
#: statement a table; MariaDB locks first. Where an act must find out what to lock, it asks twice;
#: what sums the books asks a server for its isolation level.
EXPECTED: dict[str, tuple[int, int, int]] = {
    "accounts.close": (9, 7, 10),
    "accounts.freeze": (5, 4, 6),
    "accounts.mark_dormant": (6, 5, 7),
    "accounts.unfreeze": (5, 4, 6),
    "accounts.wake": (5, 4, 6),
    "closings.announce": (4, 4, 5),
    "closings.close": (15, 16, 18),
    "closings.drain": (4, 5, 6),
    "customers.move": (6, 4, 7),
    "customers.register": (11, 7, 12),
    "holds.capture": (7, 4, 8),
    "holds.capture_many": (7, 4, 8),
    "holds.extend": (5, 4, 6),
    "holds.lapse_overdue": (12, 8, 14),
    "holds.place": (6, 4, 7),
    "holds.release": (6, 4, 7),
    "holds.release_many": (6, 4, 7),
    "hours.approve": (6, 4, 7),
    "hours.correct": (10, 7, 12),
    "hours.record": (5, 3, 6),
    "hours.record_many": (5, 3, 6),
    "hours.refuse": (4, 4, 5),
    "hours.void": (8, 5, 9),
    "outlets.close": (9, 9, 11),
    "outlets.move": (9, 9, 11),
    "outlets.open": (10, 8, 11),
    "outlets.rename": (6, 6, 7),
    "outlets.reopen": (9, 8, 10),
    "points.bring_forward": (9, 7, 10),
    "points.expire_due": (10, 9, 11),
    "points.grant": (4, 3, 5),
    "policies.adopt": (8, 8, 9),
    "pools.close": (5, 4, 6),
    "pools.open": (10, 8, 11),
    "redemptions.capture": (10, 4, 11),
    "redemptions.extend": (5, 4, 6),
    "redemptions.refund": (9, 4, 10),
    "reversals.reverse_line": (6, 4, 7),
    "reversals.reverse_voucher": (7, 5, 8),
    "staff.appoint": (9, 8, 10),
    "staff.end": (6, 6, 7),
    "transfers.donate": (6, 4, 7),
    "transfers.gift": (5, 3, 6),
    "transfers.grant": (6, 4, 7),
    "transfers.send": (6, 4, 7),
}
FIRST = dt.date(2022, 1, 1)
_FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@contextmanager
def statements(bank: Bank) -> Iterator[list[str]]:
    """The statements that run inside the block."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().startswith(_FRAME):
            seen.append(statement)

    sa.event.listen(bank.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(bank.engine, "before_cursor_execute", note)


def test_every_act_of_the_core_has_its_number() -> None:
    assert set(EXPECTED) == set(ACTS)


@pytest.mark.parametrize("act", ACTS)
def test_an_act_costs_this_many_statements(district: District, act: str) -> None:
    staff, command, _ = ACTS[act](district)
    bank = district.acting(staff)
    with bank.simulate() as counter:  # whatever is read once per handle or series
        counter.execute(keyed(command))
    with statements(bank) as seen:
        bank.execute(keyed(command))
    expected = EXPECTED[act][ENGINES.index(engine_name(bank.engine.url))]
    assert len(seen) == expected, "\n".join(seen)


def test_a_redemption_costs_eight_statements_and_a_reservation_one_more(district: District) -> None:
    """And on PostgreSQL three, by a handle that has met the store."""
    a_shop(district, new_offer(stock=9, points=Points("0.10")))
    account, desk = district.customer(), district.acting("T1").redemptions
    district.serve(account, "10-03 08:00", 480)
    expected = {"sqlite": [8, 9], "postgresql": [3, 3], "mariadb": [8, 9]}
    found = []
    for act in (desk.redeem, desk.reserve):
        act(account=account, store="P1", sku="A")
        with statements(district.bank) as seen:
            act(account=account, store="P1", sku="A", idempotency_key=act.__name__)
        found.append(len(seen))
    assert found == expected[engine_name(district.url)]


@pytest.mark.parametrize("act", ACTS)
def test_every_statement_names_the_bank_as_a_parameter(sqlite_district: District, act: str) -> None:
    staff, command, _ = ACTS[act](sqlite_district)
    bank = sqlite_district.acting(staff)
    with statements(bank) as seen:
        bank.execute(keyed(command))
    assert [s for s in seen if "bank_id" not in s] == []


# --- a list costs what one item costs ------------------------------------------------------


def rows_for(district: District, accounts: list[int], day: int) -> list[ServiceRow]:
    return [
        district.row(account, f"10-{day:02d} 08:00", ref=f"R{day}-{account}")
        for account in accounts
    ]


def registered(district: District, count: int) -> list[int]:
    new = [
        NewCustomer(outlet="B01S01", name="张三", ref=f"C{i}", registered_on=FIRST)
        for i in range(count)
    ]
    return list(district.bank.customers.register(customers=new).accounts)


def test_crediting_one_ten_or_five_hundred_records_costs_the_same(district: District) -> None:
    accounts = registered(district, 500)
    bank = district.bank
    found = []
    for day, size in enumerate((1, 10, 500), start=3):
        with statements(bank) as seen:
            done = bank.hours.record_many(rows=rows_for(district, accounts[:size], day))
        assert done.count("credited") == size
        found.append(len(seen))
    assert found == [found[0]] * 3


def test_replaying_and_refusing_cost_the_same_too(district: District) -> None:
    accounts = registered(district, 40)
    rows = rows_for(district, accounts, 3)
    district.bank.hours.record_many(rows=rows)
    found = []
    for some in (rows[:1], rows):
        with statements(district.bank) as seen:
            done = district.bank.hours.record_many(rows=some)
        assert done.count("replayed") == len(some)
        found.append(len(seen))
    assert found[0] == found[1]


def test_opening_balances_cost_the_same_for_one_and_for_many(district: District) -> None:
    accounts = registered(district, 61)
    found = []
    for some in (accounts[:1], accounts[1:]):
        rows = [
            OpeningRow(account=a, minutes=60, points=Points("1.25"), as_of=district.clock().date())
            for a in some
        ]
        with statements(district.bank) as seen:
            district.bank.points.bring_forward(rows=rows)
        found.append(len(seen))
    assert found[0] == found[1]


def test_a_transfer_costs_the_same_whatever_the_number_of_its_legs(district: District) -> None:
    giver, *others = registered(district, 61)
    district.serve(giver, "10-03 08:00", 480)
    keeper, cent = district.acting("K1"), Points("0.01")
    keeper.pools.open(code="P1", name="爱心池", outlet="B01")
    keeper.transfers.donate(account=giver, pool="P1", points=Points(4), outlet="B01S01")
    found = []
    for some in (others[:1], others):
        with statements(district.bank) as seen:
            grants = [{"account": account, "points": cent} for account in some]
            keeper.transfers.grant(pool="P1", grants=grants, reason="慰问", second_person="K1b")
            legs = [{"source": giver, "target": account, "points": cent} for account in some]
            back = [{"source": some[0], "target_pool": "P1", "points": cent}]
            keeper.transfers.send(legs=[*legs, *back], outlet="B01S01")
        found.append(len(seen))
    assert found[0] == found[1]


def test_limits_on_grants_cost_no_statement(engine_url: str) -> None:
    """What was granted before is asked with all else, whoever has limits."""
    found = []
    for rules in (
        TransferRules(),
        TransferRules(grantee_points_month_max=Points(5)),
        TransferRules(grant_points_month_max=Points(5), grantee_count_year_max=5),
    ):
        district = District(engine_url, policies=(rules,), bank=f"雁江{len(found)}")
        found.append(granting_costs(district))
        district.close()
    assert found == [[found[0][0]] * 2] * 3


def granting_costs(district: District) -> list[tuple[int, int]]:
    """What a grant and a transfer of many legs from two pools cost, to one and to many."""
    giver, *others = registered(district, 31)
    district.serve(giver, "10-03 08:00", 480)
    keeper, cent, agreed = (
        district.acting("K1"), Points("0.01"), {"reason": "慰问", "second_person": "K1b"},
    )  # fmt: skip
    for code in ("P1", "P2"):
        keeper.pools.open(code=code, name="爱心池", outlet="B01")
        keeper.transfers.donate(account=giver, pool=code, points=Points(4), outlet="B01S01")
    found = []
    for some in (others[:1], others):
        grants = [{"account": account, "points": cent} for account in some]
        with statements(district.bank) as granting:
            keeper.transfers.grant(pool="P1", grants=grants, **agreed)
        legs = [
            {"source_pool": code, "target": account, "points": cent}
            for account in some
            for code in ("P1", "P2")
        ]
        with statements(district.bank) as sending:
            keeper.transfers.send(legs=legs, outlet="B01S01", **agreed)
        found.append((len(granting), len(sending)))
    return found


def test_registering_one_costs_what_many_at_many_outlets_cost(district: District) -> None:
    registered(district, 1)
    places = ("B01S01", "B01S02", "B02S01", "B02S02")
    for place in places:  # a series of numbers is made when it is first used
        district.customer(place)
    found = []
    for size in (1, 4, 80):
        new = [
            NewCustomer(outlet=places[i % 4], name="李四", ref=f"N{size}-{i}") for i in range(size)
        ]
        with statements(district.bank) as seen:
            district.bank.customers.register(customers=new)
        found.append(len(seen))
    assert found[1] == found[2]
    assert found[0] <= found[1]


def test_points_past_their_date_cost_no_statement_per_account(engine_url: str) -> None:
    district = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    accounts = registered(district, 30)
    bank = district.bank
    bank.hours.record_many(rows=rows_for(district, accounts, 3))
    district.clock.advance(days=60)
    found = []
    for day, some in ((4, accounts[:1]), (5, accounts[1:])):
        with statements(bank) as seen:
            done = bank.hours.record_many(rows=rows_for(district, some, day))
        assert done.count("credited") == len(some)
        found.append(len(seen))
    district.close()
    assert found[0] == found[1]


def test_closing_costs_one_look_at_the_dates_however_many_there_are(engine_url: str) -> None:
    """And none where points have no dates."""
    policies = ((), (PointsExpiry(mode="months", length=1),))
    found: list[int] = []
    for some in policies:
        district = District(engine_url, policies=some, bank=f"雁江{len(found)}")
        found += [closing_costs(district, days) for days in (1, 1, 9)]
        district.close()
    without, again, many, once, same, dated = found
    assert without == again == many
    assert once == same == dated == without + 1


def closing_costs(district: District, days: int) -> int:
    """What it costs to close an account with points of so many days into another one."""
    account, heir = district.customer(), district.customer()
    for _ in range(days):
        district.clock.advance(days=1)
        day = district.clock.now.strftime("%m-%d")
        district.serve(account, f"{day} 08:00")
    with statements(district.bank) as seen:
        district.acting("T1").accounts.close(
            account=account, balance_to="account", target=heir, reason="x", second_person="K1"
        )
    return len(seen)


def test_reversing_a_voucher_costs_the_same_for_one_line_and_for_many(district: District) -> None:
    accounts = registered(district, 40)
    found = []
    for day, some in ((3, accounts[:1]), (4, accounts)):
        booked = district.bank.hours.record_many(rows=rows_for(district, some, day)).voucher_id
        with statements(district.bank) as seen:
            district.bank.reversals.reverse_voucher(
                voucher=booked, reason="误记", second_person="ADM2"
            )
        found.append(len(seen))
    assert found[0] == found[1]
