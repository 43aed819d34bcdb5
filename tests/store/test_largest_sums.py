"""Sums at the ends of 64 bits: exact up to there, and an error beyond, on every engine.

A cast to an integer makes of a larger number the largest one there is on MariaDB, and says so
to nobody. One account is bounded by rule; over all accounts no bank comes near.
"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import EngineError, InvalidAmount
from gongyi_bank.rules.ledger import CREDITED_MAX
from gongyi_bank.store.sums import total_of
from gongyi_bank.values import POINTS_MAX, Points
from tests.district import District

LARGEST = 2**63 - 1
#: So many of the largest amounts, of four decimals, fit into a sum.
FITTING = LARGEST // Points(POINTS_MAX).to_units(4)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"])
def test_a_sum_is_exact_up_to_64_bits_and_an_error_beyond(
    request: pytest.FixtureRequest, engine: str
) -> None:
    made = sa.create_engine(request.getfixturevalue(f"{engine}_url"))
    numbers = sa.Table("numbers", sa.MetaData(), sa.Column("n", sa.BigInteger))
    with made.begin() as connection:
        numbers.create(connection)

        def total(*values: int) -> int | None:
            connection.execute(sa.delete(numbers))
            connection.execute(sa.insert(numbers), [{"n": value} for value in values])
            found: int | None = connection.scalar(sa.select(total_of(numbers.c.n)))
            return found

        assert total(LARGEST) == LARGEST
        assert total(2**62, 2**62 - 1) == LARGEST
        assert total(-LARGEST, -1) == -(2**63)
        assert total(-7, 5) == -2
        for values in ((LARGEST, 1), (2**62, 2**62), (-LARGEST, -2)):
            with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
                total(*values)
    made.dispose()


def opened(district: District, count: int) -> tuple[int, ...]:
    """So many accounts with the largest amount that one row can bring."""
    new = NewCustomer(outlet="B01S01", name="张三", registered_on=dt.date(2022, 1, 1))
    accounts: tuple[int, ...] = district.bank.customers.register(customers=[new] * count).accounts
    rows = [
        OpeningRow(account=account, minutes=1, points=Points(POINTS_MAX), as_of=dt.date(2022, 9, 1))
        for account in accounts
    ]
    assert district.bank.points.bring_forward(rows=rows).count("credited") == count
    return accounts


def test_the_largest_amounts_that_a_bank_could_ever_book_have_a_sum() -> None:
    """A district has a million residents; each would need nine bookings of a hundred million."""
    assert FITTING > 9_000_000


@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mariadb"])
def test_totals_of_many_accounts_are_exact_as_long_as_they_fit_and_never_wrong(
    request: pytest.FixtureRequest, engine: str
) -> None:
    district = District(request.getfixturevalue(f"{engine}_tables_url"), scale=4)
    bank = district.bank
    accounts = opened(district, 3)
    raised = sa.text("UPDATE gb_account_head SET credited = :all WHERE account_no = :number")

    def hold(*sums: int) -> None:
        with bank.engine.begin() as connection:
            for number, all_of_it in zip(accounts, sums, strict=True):
                connection.execute(raised, {"all": all_of_it, "number": number})

    hold(2**62, 2**62 - 1, 0)
    (mine,) = (row for row in bank.reports.trial_balance().rows if row.kind == "customer")
    assert mine.credits == Points.of_units(LARGEST, 4)
    hold(2**62, 2**62 - 1, 1)
    with pytest.raises(EngineError):
        bank.reports.trial_balance()
    assert bank.reports.balance(accounts[0]) == Points.of_units(2**62, 4)
    district.close()


def test_one_account_is_never_credited_more_than_its_sums_can_hold(
    sqlite_tables_url: str,
) -> None:
    """So every sum of one account fits: what it was credited, what it spent, what it holds."""
    district = District(sqlite_tables_url, scale=4)
    account, *_ = opened(district, 1)
    head = sa.text("UPDATE gb_account_head SET credited = :all, debited = :all - 10")
    with district.bank.engine.begin() as connection:
        connection.execute(head, {"all": CREDITED_MAX - 5})
    keeper = district.acting("K1").points
    wish = {"account": account, "reason": "表彰", "outlet": "B01", "second_person": "K1b"}
    with pytest.raises(InvalidAmount, match="more than an account can be credited in its life"):
        keeper.grant(points=Points("0.0006"), **wish)  # type: ignore[arg-type]
    assert keeper.grant(points=Points("0.0005"), **wish).line_no == 2  # type: ignore[arg-type]
    district.close()
