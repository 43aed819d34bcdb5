"""Which points are past their date by now: each account's own, of its own bank, to the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ledger import Head, internal_no
from gongyi_bank.store import policies
from gongyi_bank.store.ledger import BEFORE_ALL, Due, list_due, load_heads, load_moments
from gongyi_bank.store.tables import customer
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import NEVER
from tests.district import SHANGHAI, District, at
from tests.service.test_transfers import a_pool, give

MONTH = PointsExpiry(mode="months", length=1)
#: Of points credited on 15 October and on 5 November 2022.
FIRST, SECOND = dt.date(2022, 11, 15), dt.date(2022, 12, 5)
NOTHING = (0, NEVER, 0)


def on(district: District, day: dt.date) -> None:
    district.clock.now = dt.datetime(day.year, day.month, day.day, 12, tzinfo=SHANGHAI)


@pytest.fixture
def banks(sqlite_tables_url: str) -> Iterator[tuple[District, District]]:
    """Three accounts; in another bank beside it the first two are the other way round."""
    neighbour = District(sqlite_tables_url, policies=(MONTH,), bank="隔壁")
    made = District(sqlite_tables_url, policies=(MONTH,))
    for bank, minutes in ((neighbour, 240), (made, 60)):
        pair = [bank.customer() for _ in range(3)][:2]
        one, other = pair if bank is made else pair[::-1]
        bank.serve(one, "10-03 08:00", minutes)
        bank.serve(one, "10-04 08:00", minutes)
        on(bank, dt.date(2022, 11, 5))
        for start in ("10-05 08:00", "10-07 08:00", "10-08 08:00"):
            bank.serve(other, start, minutes)
        bank.serve(one, "10-06 08:00", minutes)
    yield made, neighbour
    made.close()
    neighbour.close()


@pytest.fixture
def district(banks: tuple[District, District]) -> District:
    """The bank, whose first account is posted to more often."""
    return banks[0]


def accounts(tx: Transaction) -> list[int]:
    """The bank's account numbers."""
    query = sa.select(customer.c.account_no).where(customer.c.bank_id == tx.bank.bank_id)
    return sorted(tx.connection.scalars(query))


def living(district: District, day: dt.date) -> list[tuple[int, dt.date, int]]:
    """Of the three accounts: how many points are past their date, the next date and its line."""
    numbers = district.bank.read(accounts)
    on(district, day)

    def read(tx: Transaction) -> list[tuple[int, dt.date, int]]:
        terms = terms_of(policies.load_book(tx, 0), day)
        heads = load_heads(tx, numbers, terms, district.clock.now)
        return [
            (head.dead_no, head.next_expiry_on, head.next_expiry_line_no)
            for head in (heads[number] for number in numbers)
        ]

    return district.bank.read(read)


def test_on_their_last_day_points_live(district: District) -> None:
    assert living(district, FIRST) == [(0, FIRST, 1), (0, SECOND, 1), NOTHING]


def test_the_day_after_they_do_not_and_later_ones_live_on(district: District) -> None:
    day = FIRST + dt.timedelta(days=1)
    assert living(district, day) == [(200, SECOND, 3), (0, SECOND, 1), NOTHING]


def test_the_neighbour_s_accounts_of_the_same_numbers_have_their_own(
    banks: tuple[District, District],
) -> None:
    day = FIRST + dt.timedelta(days=1)
    assert living(banks[1], day) == [(0, SECOND, 1), (800, SECOND, 3), NOTHING]


def test_of_several_past_their_date_each_goes_on_from_its_own_line(district: District) -> None:
    """One's third line lives and the third's second: both have lines of both numbers."""
    third = district.bank.read(accounts)[2]
    on(district, dt.date(2022, 10, 15))
    district.serve(third, "10-03 08:00")
    on(district, dt.date(2022, 11, 5))
    for start in ("10-04 08:00", "10-05 08:00"):
        district.serve(third, start)
    day = FIRST + dt.timedelta(days=1)
    assert living(district, day) == [(200, SECOND, 3), (0, SECOND, 1), (100, SECOND, 2)]


def test_after_the_last_date_nothing_lives(district: District) -> None:
    day = SECOND + dt.timedelta(days=1)
    assert living(district, day) == [(300, NEVER, 0), (300, NEVER, 0), NOTHING]


def test_on_the_last_day_of_the_next_line_it_is_found_alive(district: District) -> None:
    assert living(district, SECOND) == [(200, SECOND, 3), (0, SECOND, 1), NOTHING]


def due_in(
    district: District, day: dt.date, count_max: int = 9, after: Due = BEFORE_ALL
) -> list[Due]:
    """Accounts that may have points past their date on this day, after one of them."""
    return district.bank.read(
        lambda tx: list_due(tx, terms_of(policies.load_book(tx, 0), day), after, count_max)
    )


def test_those_are_due_whose_date_has_come_soonest_first(district: District) -> None:
    def due(day: dt.date, count_max: int = 9, after: Due = BEFORE_ALL) -> list[Due]:
        return due_in(district, day, count_max, after)

    numbers = district.bank.read(accounts)
    first, second = (FIRST, numbers[0]), (SECOND, numbers[1])
    after = dt.timedelta(days=1)
    assert due(FIRST) == []
    assert due(FIRST + after) == [first]
    assert due(SECOND + after) == [first, second]
    assert due(SECOND + after, 1) == [first]
    assert due(SECOND + after, 1, first) == [second]
    assert due(SECOND + after, 9, (FIRST, numbers[0] - 1)) == [first, second]
    assert due(SECOND + after, 9, (SECOND, numbers[0])) == [second]
    assert due(SECOND + after, 9, (SECOND, numbers[0] - 1)) == [second]
    assert due(SECOND + after, 9, second) == []


def test_an_older_date_goes_before_a_lower_number(banks: tuple[District, District]) -> None:
    one, other, _ = banks[1].bank.read(accounts)
    day, found = SECOND + dt.timedelta(days=1), [(FIRST, other), (SECOND, one)]
    assert due_in(banks[1], day) == found
    assert due_in(banks[1], day, 1, found[0]) == found[1:]
    assert due_in(banks[1], day, 9, found[1]) == []


# --- points without a date -------------------------------------------------------------------


def test_those_whose_date_nobody_has_noted_come_last_by_number(sqlite_district: District) -> None:
    """Expiry comes on 20 October; a pool's points have no date for ever."""
    district = sqlite_district
    numbers = [district.customer() for _ in range(3)]
    for number in numbers[::-1]:
        district.serve(number, "10-03 08:00", 120)
    a_pool(district)
    give(district, numbers[0], pool="P1")
    on(district, dt.date(2022, 10, 20))
    district.bank.policies.adopt(policy=MONTH, effective_on=district.clock().date())
    newest = district.customer()
    district.serve(newest, "10-04 08:00")
    soon, day = (dt.date(2022, 11, 20), newest), dt.date(2022, 11, 21)
    undated = [(NEVER, number) for number in numbers]
    assert due_in(district, day) == [soon, *undated]
    assert due_in(district, day, 1) == [soon]
    assert due_in(district, day, 3) == [soon, *undated[:2]]
    assert due_in(district, day, 9, soon) == undated
    assert due_in(district, day, 1, undated[0]) == undated[1:2]
    assert due_in(district, day, 9, undated[1]) == undated[2:]
    assert due_in(district, day, 9, undated[2]) == []
    pool = head_on(district, internal_no("pool", 1), day)
    assert (pool.dates, pool.last_expires_on) == ((0, NEVER, 1), NEVER)


def ended(district: District) -> None:
    """A month's life from 16 October on, and none from 25 October on."""
    for policy, day in ((MONTH, 16), (PointsExpiry(), 25)):
        district.bank.policies.adopt(policy=policy, effective_on=dt.date(2022, 10, day))


def head_on(district: District, number: int, day: dt.date) -> Head:
    """The head of an account as who looks on this day finds it."""
    on(district, day)
    return district.bank.read(
        lambda tx: load_heads(
            tx, [number], terms_of(policies.load_book(tx, 0), day), district.clock.now
        )[number]
    )


def test_what_was_booked_on_the_day_on_which_expiry_ended_lives_without_a_date(
    sqlite_district: District,
) -> None:
    """The day is the bank's: in London it had not begun yet."""
    account = sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00")
    ended(sqlite_district)
    sqlite_district.clock.now = at("10-25 00:30")
    sqlite_district.serve(account, "10-04 08:00")
    assert head_on(sqlite_district, account, dt.date(2022, 11, 16)).dates == (0, NEVER, 1)
    head = head_on(sqlite_district, account, dt.date(2022, 11, 17))
    assert (head.dates, head.last_expires_on) == ((100, NEVER, 2), NEVER)


def test_who_has_no_account_goes_by_this_host_s_clock(district: District) -> None:
    number = district.bank.read(accounts)[0]
    before = district.clock.now
    district.clock.now -= dt.timedelta(days=2)
    now, nobody = district.clock.now, 19
    assert district.bank.read(lambda tx: load_moments(tx, [number, nobody])) == {
        number: before, nobody: now,
    }  # fmt: skip
