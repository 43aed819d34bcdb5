"""What the books must be when the power is back: all that was acknowledged, and nothing wrong.

The journals lie where the cut does not reach. They are held against the books with the checks of
the bank test; then every client submits again under its old keys, and a new customer's act goes
through as if nothing had been.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineError, GongyiBankError
from gongyi_bank.values import Points
from tests.faults.booked import Books
from tests.faults.books import load_books
from tests.faults.checks import CHECKS, check_accounts, check_final_total
from tests.faults.hands import Hand
from tests.faults.journal import Attempt, History
from tests.faults.worker import errand_of, unsettled


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What became of the books."""

    #: Keys that were acknowledged, and of these those that are not in the books.
    told: frozenset[str]
    lost: frozenset[str]
    #: What else is wrong, in words.
    faults: tuple[str, ...]


def known_at(moment: float, history: History) -> History:
    """What was asked for, and what had been answered and seen until then."""
    attempts = (
        attempt if (attempt.ended or moment) <= moment else _unanswered(attempt)
        for attempt in history.attempts
    )
    looks = (look for look in history.looks if look.ended <= moment)
    reports = (report for report in history.reports if report.ended <= moment)
    return replace(history, attempts=tuple(attempts), looks=tuple(looks), reports=tuple(reports))


def _unanswered(attempt: Attempt) -> Attempt:
    return replace(
        attempt, ended=None, outcome=None, code=None, receipt=None, shows={}, balances={}
    )


def acknowledged(history: History) -> dict[str, Attempt]:
    """By key, an attempt that was told a receipt."""
    return {attempt.key: attempt for attempt in history.attempts if attempt.outcome == "ok"}


def aftermath(
    bank: Bank, history: History, accounts: Iterable[int], before: frozenset[str]
) -> Aftermath:
    """Hold the books against the history, and go on working with them.

    Raises EngineError where the database cannot be worked with.
    """
    accounts = list(accounts)

    def books() -> Books:
        return load_books(bank, before=before, first_lines=dict.fromkeys(accounts, 1))

    found = books()
    told = acknowledged(history)
    lost = told.keys() - {voucher.key for voucher in found.vouchers.values()}
    # What else is wrong shows in the acts that are left.
    left = replace(history, attempts=tuple(a for a in history.attempts if a.key not in lost))
    faults = [f"{name}: {fault}" for name, check in CHECKS.items() for fault in check(left, found)]
    faults += [f"verify: {fault}" for fault in bank.verify().faults]

    hand = Hand(bank, accounts)
    faults += _asked_again(hand, acknowledged(left).values())
    for attempt in [*unsettled(left.attempts), *(told[key] for key in lost)]:
        _answer(hand, attempt)  # whatever it is: C4 to C6 cannot know
    bank.acting_as("K1").points.grant(
        account=accounts[0], points=Points(1), reason="慰问", second_person="K1b", outlet="B01",
        idempotency_key="after-the-cut",
    )  # fmt: skip
    found = books()
    afterwards = check_final_total(left, found) + check_accounts(left, found)
    afterwards += [str(fault) for fault in bank.verify().faults]
    faults += [f"afterwards: {fault}" for fault in afterwards]
    return Aftermath(frozenset(told), frozenset(lost), tuple(faults))


def _asked_again(hand: Hand, told: Iterable[Attempt]) -> list[str]:
    """Who was told a receipt and asks again gets the same."""
    answers = [(attempt, _answer(hand, attempt)) for attempt in told]
    return [
        f"{attempt.key}, asked again, is told {answer}"
        for attempt, answer in answers
        if answer != attempt.receipt
    ]


def _answer(hand: Hand, attempt: Attempt) -> object:
    """The receipt, or the code of a refusal."""
    told: list[object] = []
    try:
        hand.submit(errand_of(attempt), lambda receipt: told.append(json.loads(receipt.to_json())))
    except EngineError:
        raise
    except GongyiBankError as error:
        return error.code
    return told[-1]
