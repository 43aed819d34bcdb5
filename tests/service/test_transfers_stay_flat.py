"""What a transfer looks at does not grow with the lines of the accounts on either side.

Counted, not timed: on servers the rows that the whole act makes the engine read, on SQLite the
steps of its machine. Every limit is set and every point has a date, so that nothing is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.policies import PointsExpiry, TransferRules
from gongyi_bank.store import transfers
from gongyi_bank.store.tables import account_line
from gongyi_bank.store.transaction import Query, Transaction
from gongyi_bank.values import Points
from tests.district import District
from tests.mysqld import engine_name
from tests.service.test_statement_counts import registered
from tests.service.test_stores import a_shop, new_offer
from tests.service.test_transfers import a_pool, leg, saver

CENT, MANY = Points("0.01"), Points(10000)
AGREED: dict[str, Any] = {"reason": "慰问", "second_person": "K1b"}
LIMITS = {
    f"{purpose}_{limit}_{period}_max": most
    for purpose in ("gift", "donation", "grant", "grantee")
    for limit, most in (("points", MANY), ("count", 10000))
    for period in ("month", "year")
}
#: Lines that come to the giver, the taker and the pool between the two counts.
GROWTH = 600
#: A search by halves looks at a line more when lines double; a scan would look at all of them.
ALLOWED = {"sqlite": 1500, "postgresql": 120, "mariadb": 120}
_READ_BY_MARIADB = "SHOW SESSION STATUS LIKE 'Handler_read%%'"  # MySQL knows it, too
_READ_BY_POSTGRESQL = (
    "SELECT SUM(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))"
    " FROM pg_stat_xact_user_tables"
)


@pytest.fixture
def district(engine_url: str) -> Iterator[District]:
    policies = (
        PointsExpiry(mode="calendar_years", length=3), TransferRules(may_give_on=False, **LIMITS),
    )  # fmt: skip
    made = District(engine_url, policies=policies)
    yield made
    made.close()


def looked_at(bank: Bank, act: Callable[[Bank], object]) -> int:
    """How much the engine looks at for an act, of which nothing stays."""
    if engine_name(bank.engine.url) == "sqlite":  # What it knows of tables changes its plans.
        with bank.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    with bank.simulate() as trial:  # Whatever is asked once.
        act(trial)
    with bank.engine.connect() as connection:
        with bank.within(connection) as counter:
            so_far = _counter(connection, engine_name(bank.engine.url))
            before = so_far()
            act(counter)
            found = so_far() - before
        connection.rollback()
    return found


def _counter(connection: sa.Connection, name: str) -> Callable[[], int]:
    """Tells what this connection has looked at so far."""
    if name == "sqlite":
        steps = itertools.count()
        driver: Any = connection.connection.dbapi_connection
        driver.set_progress_handler(lambda: next(steps) and None, 1)
        return lambda: next(steps)
    if name == "postgresql":  # It would read a small table whole.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return lambda: int(connection.exec_driver_sql(_READ_BY_POSTGRESQL).scalar_one())
    return lambda: sum(int(row[1]) for row in connection.exec_driver_sql(_READ_BY_MARIADB))


def gift(bank: Bank, account: int, target: int, points: Points) -> None:
    bank.transfers.gift(account=account, target=target, points=points, outlet="B01S01")


def count_lines(bank: Bank) -> int:
    def read(tx: Transaction) -> int:
        return tx.connection.scalars(sa.select(sa.func.count()).select_from(account_line)).one()

    return bank.read(read)


def test_the_lines_of_the_giver_the_taker_and_the_pool_do_not_count(district: District) -> None:
    a_shop(district, new_offer(stock=5 * GROWTH, points=CENT))
    giver, taker, fresh = saver(district), saver(district), saver(district)
    a_pool(district, points=8)
    others = registered(district, GROWTH // 4)
    keeper = district.acting("K1")
    bank = district.bank
    grants = [{"account": account, "points": CENT} for account in others]
    acts: dict[str, Callable[[Bank], object]] = {
        "a gift": lambda bank: gift(bank, giver, taker, CENT),
        "a gift by a new account": lambda bank: gift(bank, fresh, giver, CENT),
        "a donation": lambda bank: bank.transfers.donate(
            account=giver, pool="P1", points=CENT, outlet="B01S01"
        ),
        "a grant": lambda bank: bank.transfers.grant(
            pool="P1", grants=[{"account": taker, "points": CENT}], **AGREED
        ),
        "many legs": lambda bank: bank.transfers.send(
            legs=[leg(giver, taker, CENT), leg("P1", giver, CENT), leg(taker, "P1", CENT)],
            outlet="B01S01", **AGREED,
        ),
    }  # fmt: skip
    for act in acts.values():
        act(keeper)
    short = {name: looked_at(keeper, act) for name, act in acts.items()}
    before = count_lines(bank)
    for account in (giver, taker):
        rows = [RedemptionRow(account=account, store="P1", sku="A") for _ in range(GROWTH)]
        district.acting("T1").redemptions.redeem_many(rows=rows)
    for _ in range(4):
        keeper.transfers.grant(pool="P1", grants=grants, **AGREED)
    assert count_lines(bank) >= before + 3 * GROWTH
    long = {name: looked_at(keeper, act) for name, act in acts.items()}
    grown = {name: long[name] - short[name] for name in acts}
    allowed = ALLOWED[engine_name(district.url)]
    assert {name: more for name, more in grown.items() if more > allowed} == {}, (short, long)


def test_a_gift_finds_its_lots_however_many_lines_lie_between_them(district: District) -> None:
    """The points that it takes came with the first line and with the last one."""
    giver, taker = saver(district), saver(district, 0)
    a_shop(district, new_offer(stock=GROWTH, points=CENT))
    bank = district.acting("T1")

    def looked_at_by_a_gift() -> int:
        """Of all there is but the cent that shows that no other point was taken."""
        most = district.bank.reports.balance(giver) - CENT
        return looked_at(bank, lambda counter: gift(counter, giver, taker, most))

    district.serve(giver, "10-09 08:00", 60)
    short = looked_at_by_a_gift()
    rows = [RedemptionRow(account=giver, store="P1", sku="A") for _ in range(GROWTH)]
    bank.redemptions.redeem_many(rows=rows)
    district.serve(giver, "10-10 08:00", 60)
    grown = looked_at_by_a_gift() - short
    assert grown <= 2 * ALLOWED[engine_name(district.url)]


def test_many_lots_are_found_however_many_statements_it_takes(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    giver, taker = saver(district, 1), saver(district, 0)
    for start in range(8, 18):
        district.serve(giver, f"10-09 {start:02d}:00", 15)
    monkeypatch.setattr(transfers, "_STEPS_MAX", 8)
    monkeypatch.setattr(transfers, "_lots", Query(transfers._lots._build))
    gift(district.acting("T1"), giver, taker, Points("3.30"))
    lines = district.bank.reports.statement(taker).lines
    assert [line.amount for line in lines] == [Points("3.30")]
