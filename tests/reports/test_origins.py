"""Provenance follows everything, many lines at a time, and says so where it stops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.policies import PointsExpiry, ReversalRules, TransferRules
from gongyi_bank.reports import origins
from gongyi_bank.reports import provenance as reports
from gongyi_bank.reports.provenance import Provenance
from gongyi_bank.store.takeover import refresh_statistics
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_expiry_later import adopt, spend, with_a_shop
from tests.service.test_statement_counts import statements
from tests.service.test_transfers import leg

CENT = Points("0.01")
UNBOUNDED = TransferRules(gift_points_year_max=None)


def newest(district: District, account: int) -> int:
    line_no: int = district.bank.reports.statement(account, newest=1).lines[0].line_no
    return line_no


def asked(district: District, account: int) -> Provenance:
    """What paid for an account's newest debit."""
    return district.bank.reports.provenance(account, newest(district, account))


def gift(district: District, source: int, target: int, units: int) -> None:
    district.acting("T1").transfers.gift(
        account=source, target=target, points=Points.of_units(units, 2), outlet="B01S01"
    )


def a_grant_of_donations(district: District, pool: str, count: int) -> int:
    """Whoever was granted what a gifted customer donated in so many acts, and spent it all."""
    giver, donor, receiver = (district.customer() for _ in range(3))
    district.serve(giver, "10-03 08:00", 60 * 8)
    gift(district, giver, donor, 8 * 100)
    district.acting("K1").pools.open(code=pool, name=f"池{pool}", outlet="B01")
    with district.acting("T1").begin() as counter:
        for _ in range(count):
            counter.transfers.donate(account=donor, pool=pool, points=CENT, outlet="B01S01")
    district.acting("K1").transfers.grant(
        pool=pool, grants=[{"account": receiver, "points": Points.of_units(count, 2)}],
        reason="慰问", second_person="K1b",
    )  # fmt: skip
    spend(district, receiver, count)
    return receiver


def test_a_grant_names_the_service_behind_more_gifts_than_anybody_counts(
    district: District,
) -> None:
    with_a_shop(district)
    found = asked(district, a_grant_of_donations(district, "P1", 230))
    assert {(s.kind, s.category) for s in found.sources} == {("service", "sanitation")}
    assert [s.points for s in found.sources] == [CENT] * 230
    assert {s.fund for s in found.sources} == {"P1"}
    assert {len(s.through) for s in found.sources} == {3}
    assert (found.unpaid, found.unfollowed) == (0, 0)
    assert len(found.to_table().notes) == 1


def test_six_times_the_gifts_cost_no_statement_more(district: District) -> None:
    with_a_shop(district)
    costs = []
    for pool, count in (("P1", 20), ("P2", 120)):
        account = a_grant_of_donations(district, pool, count)
        line_no = newest(district, account)
        with statements(district.bank) as seen:
            made = district.bank.reports.provenance(account, line_no)
        assert len(made.sources) == count
        costs.append(len(seen))
    assert costs[0] == costs[1]


def test_each_gift_on_the_way_costs_the_same(sqlite_district: District) -> None:
    district = sqlite_district
    sides = [district.customer(), district.customer()]
    district.serve(sides[0], "10-03 08:00")
    costs = []
    for turn in range(8):
        gift(district, *sides, 100)
        line_no = newest(district, sides[0])
        with statements(district.bank) as seen:
            (source,) = district.bank.reports.provenance(sides[0], line_no).sources
        assert (source.kind, len(source.through)) == ("service", turn)
        costs.append(len(seen))
        sides.reverse()
    assert len({after - before for before, after in pairwise(costs)}) == 1


def test_points_given_to_and_fro_lead_back_to_where_they_began(sqlite_district: District) -> None:
    """Numbers only go back in time: no line is passed twice."""
    district = sqlite_district
    one, other = district.customer(), district.customer()
    district.serve(one, "10-03 08:00")
    for _ in range(12):
        gift(district, one, other, 60)
        gift(district, other, one, 60)
    gift(district, one, other, 100)
    found = asked(district, one)
    assert {(s.account, s.kind) for s in found.sources} == {(one, "service")}
    for source in found.sources:
        assert len(set(source.through)) == len(source.through)
    assert max(len(source.through) for source in found.sources) > 12


def test_gifted_points_of_two_dates_are_two_services(district: District) -> None:
    """Under one voucher there are a line for each date, on both sides."""
    with_a_shop(district)
    adopt(district, PointsExpiry(mode="months", length=3))
    giver, receiver = district.customer(), district.customer()
    district.serve(giver, "10-03 08:00", category="culture")
    district.clock.advance(days=40)
    district.serve(giver, "10-04 08:00")
    gift(district, giver, receiver, 150)
    assert newest(district, receiver) == 2
    spend(district, receiver, 120)
    sources = asked(district, receiver).sources
    assert [(s.account, s.category, s.points.to_units(2)) for s in sources] == [
        (giver, "culture", 75), (giver, "sanitation", 45),
    ]  # fmt: skip
    assert [s.through for s in sources] == [((receiver, 1),), ((receiver, 2),)]


def test_grants_to_many_under_one_voucher_are_told_apart(district: District) -> None:
    keeper, donors = district.acting("K1"), [district.customer() for _ in range(3)]
    receivers = [district.customer() for _ in range(3)]
    keeper.pools.open(code="P1", name="池", outlet="B01")
    for donor in donors:
        district.serve(donor, "10-03 08:00")
    legs = [leg(donor, "P1", Points(1)) for donor in donors]
    keeper.transfers.send(legs=legs, outlet="B01S01", reason="x", second_person="K1b")
    grants = [{"account": receiver, "points": Points("0.80")} for receiver in receivers]
    keeper.transfers.grant(pool="P1", grants=grants, reason="x", second_person="K1b")
    told = []
    for receiver in receivers:
        gift(district, receiver, donors[0], 80)
        told += [(donors.index(s.account), s.points) for s in asked(district, receiver).sources]
    assert sum(points for _, points in told) == Points("2.40")
    assert [donor for donor, _ in told] == sorted(donor for donor, _ in told)


# --- bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "size", "unfollowed"),
    # One credit is granted, and of each of ten parts one was donated, one a gift, one a service.
    [
        ("FOLLOWED_MAX", 31, 0),
        ("FOLLOWED_MAX", 21, 10),
        ("FOLLOWED_MAX", 25, 6),
        ("STEPS_MAX", 3, 0),
        ("STEPS_MAX", 2, 10),
    ],
)
def test_what_a_bound_leaves_is_said_in_the_result_and_in_the_table(
    sqlite_district: District,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    size: int,
    unfollowed: int,
) -> None:
    district = sqlite_district
    with_a_shop(district)
    account = a_grant_of_donations(district, "P1", 10)
    monkeypatch.setattr(origins, bound, size)
    found = asked(district, account)
    assert found.unfollowed == Points.of_units(unfollowed, 2)
    assert {s.kind for s in found.sources} <= {"service"}
    named = sum(s.points.to_units(2) for s in found.sources)
    assert (named + unfollowed, found.unpaid) == (10, 0)
    chinese, english = (found.to_table().to_text(language) for language in ("zh", "en"))
    said = f" {found.unfollowed}" if unfollowed else "-"
    assert (f"未追溯到源头{said}" in chinese) == bool(unfollowed)
    assert (f"not followed to where it came from{said}" in english) == bool(unfollowed)


def test_what_is_followed_before_the_bound_is_named(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    district = sqlite_district
    with_a_shop(district)
    account = a_grant_of_donations(district, "P1", 10)
    monkeypatch.setattr(origins, "FOLLOWED_MAX", 12)
    monkeypatch.setattr(origins, "_SPANS", 2)
    monkeypatch.setattr(origins, "_LINES", 3)
    found = asked(district, account)
    named = sum(s.points.to_units(2) for s in found.sources)
    assert 0 < named < 10
    assert found.unfollowed == Points.of_units(10 - named, 2)


def test_what_is_owed_is_not_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    district = District("sqlite://", policies=(ReversalRules(spent="debt"),))
    with_a_shop(district)
    account = district.customer()
    district.serve(account, "10-03 08:00", 120)
    spend(district, account, 150)
    district.acting("K1").hours.void(
        account=account, record_no=1, reason="x", second_person="K1b"
    )  # of 2 points 0.50 are there
    found = asked(district, account)
    assert (found.points, found.unpaid, found.unfollowed) == (2, Points("1.50"), 0)
    monkeypatch.setattr(origins, "FOLLOWED_MAX", 0)
    found = asked(district, account)
    assert (found.sources, found.unpaid, found.unfollowed) == ((), Points("1.50"), Points("0.50"))
    district.close()


# --- against lots ------------------------------------------------------------------------------


class Lots:
    """Accounts as lists of the smallest parts of points, each with the credit it came from."""

    def __init__(self) -> None:
        self.parts: dict[int, list[tuple[int, int]]] = {}
        self.taken: dict[int, int] = {}

    def left(self, account: int) -> int:
        return len(self.parts.get(account, ())) - self.taken.get(account, 0)

    def credit(self, account: int, parts: list[tuple[int, int]]) -> None:
        self.parts.setdefault(account, []).extend(parts)

    def debit(self, account: int, units: int) -> list[tuple[int, int]]:
        first = self.taken.get(account, 0)
        self.taken[account] = first + units
        return self.parts[account][first : first + units]


class Story:
    """Acts at random in a district, told to lots as well."""

    def __init__(self) -> None:
        self.district = District("sqlite://", policies=(UNBOUNDED,))
        with_a_shop(self.district)
        self.accounts = [self.district.customer() for _ in range(3)]
        keeper = self.district.acting("K1")
        self.pool = keeper.pools.open(code="P1", name="池", outlet="B01").account
        self.lots = Lots()
        self.debits: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.redeemed: list[tuple[Any, int, list[tuple[int, int]]]] = []
        self.hours = 0
        for account in self.accounts:
            self.serve(account, account, 0)

    def serve(self, account: int, _: int, __: int) -> None:
        start = f"0{self.hours // 20 + 3}-{self.hours % 20 + 1:02} 08:00"
        self.hours += 1
        self.district.serve(account, start, 60)
        self.lots.credit(account, [(account, newest(self.district, account))] * 100)

    def _debited(self, account: int, units: int) -> list[tuple[int, int]]:
        parts = self.lots.debit(account, units)
        self.debits[account, newest(self.district, account)] = parts
        return parts

    def give(self, account: int, other: int, units: int) -> None:
        if account != other:
            gift(self.district, account, other, units)
            self.lots.credit(other, self._debited(account, units))

    def donate(self, account: int, _: int, units: int) -> None:
        self.district.acting("T1").transfers.donate(
            account=account, pool="P1", points=Points.of_units(units, 2), outlet="B01S01"
        )
        self.lots.credit(self.pool, self._debited(account, units))

    def grant(self, _: int, other: int, units: int) -> None:
        units = min(units, self.lots.left(self.pool))
        if units:
            grants = [{"account": other, "points": Points.of_units(units, 2)}]
            self.district.acting("K1").transfers.grant(
                pool="P1", grants=grants, reason="x", second_person="K1b"
            )
            self.lots.credit(other, self._debited(self.pool, units))

    def send(self, account: int, other: int, units: int) -> None:
        """Two givers and one receiver under one voucher, through transit."""
        (third,) = set(self.accounts) - {account, other} if account != other else (0,)
        some = min(units, self.lots.left(third)) if third else 0
        if some:
            legs = [(account, units), (third, some)]
            wish = [leg(source, other, Points.of_units(amount, 2)) for source, amount in legs]
            self.district.acting("T1").transfers.send(legs=wish, outlet="B01S01")
            for source, amount in sorted(legs):
                self.lots.credit(other, self._debited(source, amount))

    def redeem(self, account: int, _: int, units: int) -> None:
        made = self.district.bank.redemptions.redeem(
            account=account, store="S", sku="fen", quantity=units
        )
        self.redeemed.append((made.redemption_id, account, self._debited(account, units)))

    def refund(self, _: int, __: int, units: int) -> None:
        if self.redeemed:
            redemption, account, parts = self.redeemed.pop()
            back, kept = parts[:units], parts[units:]
            self.district.bank.redemptions.refund(
                redemption=redemption, quantity=len(back), reason="x", second_person="ADM2"
            )
            self.lots.credit(account, back)
            if kept:
                self.redeemed.append((redemption, account, kept))


_ACTS = ("serve", "give", "donate", "grant", "send", "redeem", "refund")


@settings(max_examples=12)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(_ACTS), st.integers(0, 2), st.integers(0, 2), st.integers(1, 70)),
        min_size=3,
        max_size=18,
    ),
    sizes=st.sampled_from([(500, 1_000), (2, 3), (1, 1)]),
)
def test_every_debit_came_from_where_lots_say(
    acts: list[tuple[str, int, int, int]], sizes: tuple[int, int]
) -> None:
    """However many spans and lines are followed together."""
    story = Story()
    for name, one, other, units in acts:
        account = story.accounts[one]
        units = min(units, story.lots.left(account)) or 1
        if name in ("serve", "grant", "refund") or story.lots.left(account):
            getattr(story, name)(account, story.accounts[other], units)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(origins, "_SPANS", sizes[0])
        patch.setattr(origins, "_LINES", sizes[1])
        for (account, line_no), parts in story.debits.items():
            found = story.district.bank.reports.provenance(account, line_no)
            told = [
                (source.account, source.line_no)
                for source in found.sources
                for _ in range(source.points.to_units(2))
            ]
            assert told == parts
            assert (found.unpaid, found.unfollowed) == (0, 0)
            for source in found.sources:
                assert len(set(source.through)) == len(source.through)
    story.district.close()


# --- rows that are looked at -------------------------------------------------------------------


def looked_at(district: District, read: Callable[[Transaction], object]) -> int:
    """A count of the engine's own of what a read looks at: steps, rows, or reads of rows."""
    refresh_statistics(district.bank.engine)  # as servers do now and then, where they are let
    if district.bank.engine.dialect.name == "sqlite":
        return district.bank.read(lambda tx: _steps(tx, read))
    if district.bank.engine.dialect.name == "postgresql":
        return _rows(district, read)
    return district.bank.read(lambda tx: _reads(tx, read))


def _steps(tx: Transaction, read: Callable[[Transaction], object]) -> int:
    ticks: list[None] = []
    driver_connection: Any = tx.connection.connection.driver_connection
    driver_connection.set_progress_handler(lambda: ticks.append(None), 100)
    read(tx)
    driver_connection.set_progress_handler(None, 0)
    return len(ticks)


def _reads(tx: Transaction, read: Callable[[Transaction], object]) -> int:
    def count() -> int:
        found = tx.wire.fetch("SHOW SESSION STATUS LIKE 'Handler_read%%'", ())
        return sum(int(value) for _, value in found)

    before = count()
    read(tx)
    return count() - before


def _rows(district: District, read: Callable[[Transaction], object]) -> int:
    found = explained(district, read, "EXPLAIN (ANALYZE, FORMAT JSON) ")
    return sum(_of_node(rows[0][0][0]["Plan"]) for rows in found)


def explained(
    district: District, read: Callable[[Transaction], object], explain: str
) -> list[list[Any]]:
    """What the engine says of each select of a read."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    sa.event.listen(district.bank.engine, "before_cursor_execute", note)
    try:
        district.bank.read(read)
    finally:
        sa.event.remove(district.bank.engine, "before_cursor_execute", note)

    def ask(tx: Transaction) -> list[list[Any]]:
        if explain.startswith("EXPLAIN ("):
            tx.wire.execute("SET LOCAL enable_seqscan = off", ())  # outlets are few
        return [tx.wire.fetch(explain + statement, params) for statement, params in seen]

    return district.bank.read(ask)


def _of_node(plan: dict[str, Any]) -> int:
    removed = sum(value for name, value in plan.items() if name.startswith("Rows Removed"))
    mine = int((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    return mine + sum(map(_of_node, plan.get("Plans", ())))


def test_what_a_bulk_voucher_paid_for_is_found_in_a_time_that_grows_with_it(
    district: District,
) -> None:
    """Four times the rows are some four times the work, and the same number of statements."""
    with_a_shop(district)
    costs = []
    for count in (100, 400):
        account = district.customer()
        district.serve(account, "10-03 08:00", 60 * 8)
        row = RedemptionRow(account=account, store="S", sku="fen")
        district.bank.redemptions.redeem_many(rows=[row] * count)
        with statements(district.bank) as seen:
            found = district.bank.reports.spent_on(account, 1)
        assert {use.sku for use in found.uses} == {"fen"}
        work = looked_at(district, lambda tx, a=account: reports.spent_on(tx, a, 1))  # type: ignore[misc]
        costs.append((len(seen), len(found.uses), work))
    assert [uses for _, uses, _ in costs] == [100, 400]
    assert costs[0][0] == costs[1][0]
    assert costs[1][2] < 6 * costs[0][2]


def keys_used(district: District, read: Callable[[Transaction], object]) -> set[str]:
    """The indexes in which a read looks things up; what is read whole has none."""
    engine = district.bank.engine.dialect.name
    if engine == "postgresql":
        found = explained(district, read, "EXPLAIN (FORMAT JSON) ")
        nodes = [node for rows in found for node in _nodes(rows[0][0][0]["Plan"])]
        assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
        return {node["Index Name"] for node in nodes if "Index Name" in node}
    if engine == "sqlite":
        plans = explained(district, read, "EXPLAIN QUERY PLAN ")
        steps = [str(row[3]).split() for rows in plans for row in rows if " gb_" in row[3]]
        found = [(step[1], step[4] if step[3] == "INDEX" else "PRIMARY") for step in steps]
    else:
        rows = [row for rows in explained(district, read, "EXPLAIN ") for row in rows]
        found = [(row[2], row[6 if len(row) > 10 else 5]) for row in rows]  # MySQL has two more
    return {f"{table}_pk" if key == "PRIMARY" else str(key) for table, key in found}


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in _nodes(part))]


def test_what_a_credit_paid_for_is_read_by_the_account_s_own_keys(district: District) -> None:
    with_a_shop(district)
    accounts = [district.customer() for _ in range(10)]
    for account in accounts:
        district.serve(account, "10-03 08:00", 60 * 8)
    rows = [RedemptionRow(account=account, store="S", sku="fen") for account in accounts]
    district.bank.redemptions.redeem_many(rows=rows * 300)
    refresh_statistics(district.bank.engine)
    keys = keys_used(district, lambda tx: reports.spent_on(tx, accounts[3], 1))
    ours = {key for key in keys if key.startswith(("gb_redemption", "gb_account_line"))}
    assert ours == {"gb_redemption_account_ix", "gb_account_line_pk"}


def test_services_under_a_bulk_voucher_are_found_in_a_time_that_grows_with_it(
    district: District,
) -> None:
    other, costs = district.customer(), []
    for count in (50, 200):
        account = district.customer()
        rows = [
            district.row(account, f"{3 + n // 100:02}-{1 + n % 20:02} {n // 20 % 5 * 2:02}:00")
            for n in range(count)
        ]
        district.acting("T1").hours.record_many(rows=rows)
        units = district.bank.reports.balance(account).to_units(2)
        gift(district, account, other, units)
        line_no = newest(district, account)
        found = district.bank.reports.provenance(account, line_no)
        assert {source.category for source in found.sources} == {"sanitation"}
        work = looked_at(
            district,
            lambda tx, a=account, n=line_no: reports.provenance(tx, a, n),  # type: ignore[misc]
        )
        costs.append((len(found.sources), work))
    assert [sources for sources, _ in costs] == [50, 200]
    assert costs[1][1] < 6 * costs[0][1]
