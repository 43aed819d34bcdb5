"""Two persons decide on one thing at once: one decision has an effect, the other is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gongyi_bank.errors import GongyiBankError, RecordNotWaiting
from gongyi_bank.values import Points
from tests.books import books
from tests.district import District
from tests.racing import at_once

#: Who decides, and how; the first of them has a say, whoever that is.
PAIRS = {
    "two approve": (("K1b", "approve"), ("ADM2", "approve")),
    "one approves, one refuses": (("K1b", "approve"), ("ADM2", "refuse")),
    "one approves twice": (("K1b", "approve"), ("K1b", "approve")),
    "one changes their mind": (("K1b", "approve"), ("K1b", "refuse")),
}


def decide(district: District, staff: str, verb: str, account: int, record_no: int) -> Any:
    reason = {"reason": "不实"} if verb == "refuse" else {}
    act = getattr(district.acting(staff).hours, verb)
    return act(account=account, record_no=record_no, **reason)


def waiting(district: District, count: int) -> int:
    """An account with so many records that wait for the branch, one a day."""
    account = district.customer()
    for day in range(1, count + 1):
        assert district.serve(account, f"09-{day:02d} 08:00", 481).state == "waiting_branch"
    return account


@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_decisions_at_once_one_has_an_effect(
    postgresql_district: District, pair: str
) -> None:
    district = postgresql_district
    account = waiting(district, 5)
    approved = 0
    for record_no in range(1, 6):
        results = at_once(
            *[lambda s=s, v=v, n=record_no: decide(district, s, v, account, n)
              for s, v in PAIRS[pair] for _ in range(3)]
        )  # fmt: skip
        decided = [result for result in results if not isinstance(result, GongyiBankError)]
        assert Counter(map(type, results)) == {type(decided[0]): 1, RecordNotWaiting: 5}
        approved += decided[0].state == "credited"
    expected = Points("8.01") * approved
    assert district.bank.reports.balance(account) == expected
    assert len(books(district.bank)["gb_account_line"]) == approved
    found = district.bank.verify()
    assert found.is_clean, str(found)


def test_a_decision_is_on_one_record_and_its_key_decides_no_other(
    postgresql_district: District,
) -> None:
    """The same key on two records at once: one of them goes on waiting."""
    district = postgresql_district
    account = waiting(district, 2)
    keeper = district.acting("K1b").hours
    calls: list[Callable[[], Any]] = [
        lambda n=number: keeper.approve(account=account, record_no=n, idempotency_key="K")
        for number in (1, 2, 1, 2)
    ]
    results = at_once(*calls)
    answers = [result for result in results if not isinstance(result, GongyiBankError)]
    assert len({answer.record_no for answer in answers}) == 1
    conflicts = [result.code for result in results if isinstance(result, GongyiBankError)]
    assert conflicts == ["idempotency_conflict"] * 2
    states = Counter(row["state"] for row in books(district.bank)["gb_hour_record"])
    assert states == {"credited": 1, "waiting_branch": 1}


def test_points_are_taken_back_once_by_two_who_agree_with_each_other(
    postgresql_district: District,
) -> None:
    """Each of the two is the other's second person: two makers, one effect."""
    district = postgresql_district
    account = district.customer()
    for day in range(1, 6):
        district.serve(account, f"09-{day:02d} 08:00")

    def take_back(maker: str, checker: str, number: int, verb: str) -> Any:
        wish = {"account": account, "reason": "误记", "second_person": checker}
        bank = district.acting(maker)
        if verb == "void":
            return bank.hours.void(record_no=number, **wish)
        return bank.reversals.reverse_line(line_no=number, **wish)

    for number in range(1, 6):
        results = at_once(
            *[lambda m=m, c=c, v=v, n=number: take_back(m, c, n, v)
              for m, c in (("K1", "K1b"), ("K1b", "K1")) for v in ("void", "reverse")]
        )  # fmt: skip
        done = [result for result in results if not isinstance(result, GongyiBankError)]
        # Of a line taken back the minutes can still be voided, with no points left in it.
        assert max(Counter(map(type, done)).values()) == 1, results
        assert district.bank.reports.balance(account) == Points(5 - number)
    found = district.bank.verify()
    assert found.is_clean, str(found)
