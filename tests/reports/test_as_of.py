"""What an account held on a day: by booking, by value, as known then, and corrected since."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable

import pytest

from gongyi_bank.errors import InvalidValue, UnknownCustomer
from gongyi_bank.reports.statements import StatementLine
from gongyi_bank.values import Points, compose_account_no
from tests.district import START, District
from tests.service.test_statement_counts import statements

DAY = dt.timedelta(days=1)
TODAY = START.date()


def grant(district: District, account: int, points: str, day: dt.date | None = None) -> None:
    district.acting("K1").points.grant(
        account=account, points=Points(points), reason="补记", second_person="K1b",
        outlet="B01", value_on=day,
    )  # fmt: skip


def lived(district: District, seed: int) -> int:
    """An account with thirty days of grants for earlier days, several on some days."""
    chance = random.Random(seed)
    account = district.customer()
    for _ in range(30):
        for _ in range(chance.choice((0, 1, 1, 3))):
            back = chance.choice((0, 0, 1, 5, 20))
            today = district.clock().astimezone(district.bank.zone).date()
            grant(district, account, f"{chance.randint(1, 900)}.25", today - back * DAY)
        district.clock.advance(hours=chance.randint(1, 30))
    return account


def total(lines: Iterable[StatementLine]) -> Points:
    return sum((line.amount for line in lines), Points(0))


@pytest.mark.parametrize("seed", range(3))
def test_every_basis_is_what_the_lines_say(district: District, seed: int) -> None:
    account = lived(district, seed)
    lines = district.bank.reports.statement(account, newest=1000).lines
    for back in range(-2, 45, 3):
        day = TODAY + 30 * DAY - back * DAY
        found = district.bank.reports.balance_as_of(account, day)
        then = [line for line in lines if line.day <= day]
        assert found.booked == total(then)
        assert found.known_then == total(line for line in then if line.value_on <= day)
        assert found.by_value == total(line for line in lines if line.value_on <= day)
        late = [line for line in lines if line.day > day and line.value_on <= day]
        assert list(found.corrections) == late[::-1]
        assert found.corrected == found.by_value == found.known_then + total(late)


@pytest.mark.parametrize("seed", range(2))
def test_a_balance_as_of_a_moment_is_the_statement_s_in_one_statement(
    district: District, seed: int
) -> None:
    account = lived(district, seed)
    reports = district.bank.reports
    lines = reports.statement(account, newest=1000).lines
    moments = [line.booked_at for line in lines]
    moments += [moment - dt.timedelta(microseconds=1) for moment in moments[::7]]
    for moment in moments:
        with statements(district.bank) as seen:
            found = reports.balance(account, as_of=moment)
        assert len(seen) == 1
        assert found == total(line for line in lines if line.booked_at <= moment)
        assert found == reports.statement(account, newest=1, as_of=moment).closing
    for back in range(-2, 45, 5):
        day = TODAY + 30 * DAY - back * DAY
        assert reports.balance(account, as_of=day) == reports.balance_as_of(account, day).booked
    assert reports.balance(district.customer(), as_of=TODAY) == Points(0)


def test_a_balance_as_of_is_asked_of_an_account_and_a_moment_that_exist(
    district: District,
) -> None:
    with pytest.raises(UnknownCustomer):
        district.bank.reports.balance(compose_account_no(1002, 999), as_of=TODAY)
    with pytest.raises(InvalidValue):
        district.bank.reports.balance(
            district.customer(), as_of=dt.datetime(2022, 10, 3)  # noqa: DTZ001
        )  # fmt: skip
    with pytest.raises(InvalidValue):
        district.bank.reports.balance(district.customer(), as_of="2022-10-03")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_totals_join_opening_and_closing_on_either_date(district: District, seed: int) -> None:
    account = lived(district, seed)
    lines = district.bank.reports.statement(account, newest=1000).lines
    first, last = TODAY - 3 * DAY, TODAY + 9 * DAY
    for dating in ("booking", "value"):
        found = district.bank.reports.totals(account, (first, last), dating=dating)  # type: ignore[arg-type]
        days = {line.line_no: line.day if dating == "booking" else line.value_on for line in lines}
        within = [line for line in lines if first <= days[line.line_no] <= last]
        assert found.opening == total(line for line in lines if days[line.line_no] < first)
        assert found.credited == total(within)
        assert found.closing == found.opening + found.credited - found.debited
        assert sum(kind.lines for kind in found.kinds) == len(within)


def test_a_debit_counts_among_the_debited_of_its_kind(district: District) -> None:
    account = district.customer()
    served = district.serve(account, "10-03 08:00", 120)
    district.acting("K1").hours.void(
        account=account, record_no=served.record_no, reason="误记", second_person="K1b"
    )
    found = district.bank.reports.totals(account, (TODAY, TODAY))
    shown = {kind.kind: (kind.lines, str(kind.credited), str(kind.debited)) for kind in found.kinds}
    assert shown == {"reversal": (1, "0.00", "2.00"), "service": (1, "2.00", "0.00")}
    assert found.closing == Points(0)
    assert "冲正" in str(found)
    assert "期初" in found.to_table().to_text()


def test_the_newest_line_of_an_instant_is_found_in_one_statement_on_any_length(
    district: District,
) -> None:
    account = district.customer()
    counts = set()
    for size in (0, 1, 2, 7, 30):
        for _ in range(size):
            district.clock.advance(minutes=1)
            grant(district, account, "1")
        with statements(district.bank) as seen:
            district.bank.reports.balance_as_of(account, TODAY)
        counts.add(len(seen))
    assert len(counts) == 1


def test_what_cannot_be_is_refused(sqlite_district: District) -> None:
    reports, account = sqlite_district.bank.reports, sqlite_district.customer()
    with pytest.raises(UnknownCustomer):
        reports.balance_as_of(compose_account_no(1003, 99), TODAY)
    with pytest.raises(InvalidValue):
        reports.totals(account, (TODAY, TODAY - DAY))
    with pytest.raises(InvalidValue):
        reports.totals(account, (TODAY, TODAY), dating="birthday")  # type: ignore[arg-type]
