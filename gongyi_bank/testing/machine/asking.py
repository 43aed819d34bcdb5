"""Readings: what both banks are asked for besides acts, and must show alike.

Where the reference has the reading itself it is asked; of the bank's reports `figures` tells what
its books say. Whatever is personal is compared and never shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from gongyi_bank.display import Table
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import POLICIES, PolicyBook
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.figures import FIGURES
from gongyi_bank.testing.reference import ReferenceBank, comparable

#: What a reading is asked about: its arguments by name.
Fields = dict[str, Any]
_DAYS = (0, 1, 7, 30, 400)


def _nothing(_: Choice) -> Fields:
    return {}


def _account(choice: Choice) -> Fields:
    return {"account": choice.account()}


def _outlet(choice: Choice) -> Fields:
    return {"outlet": choice.outlet()}


def _store(choice: Choice) -> Fields:
    return {"store": choice.one_of((None, choice.store()))}


def _ref(choice: Choice) -> Fields:
    return {"ref": f"C{1 + choice.wish.who}"}


def _pool(choice: Choice) -> Fields:
    return {"pool": choice.pool([])}


def _own(choice: Choice) -> Fields:
    """An account that there is: what the books tell has no refusals."""
    return {"account": choice.one_of(list(choice.books.customers), choice.wish.who)}


def _page(choice: Choice) -> Fields:
    return _own(choice) | {"newest": choice.one_of((50, 3))}


def _day(choice: Choice) -> Fields:
    return _own(choice) | {"day": choice.day(*_DAYS)}


def _days(choice: Choice) -> Fields:
    last_on = choice.day(*_DAYS)
    first_on = last_on - dt.timedelta(days=choice.wish.units)
    return _own(choice) | {"between": (first_on, last_on)}


def _place(choice: Choice) -> Fields:
    codes = [one.code for one in choice.books.outlets.values()]
    return {"outlet": choice.one_of(codes, choice.wish.what)}


#: By desk and method: what is asked about.
QUESTIONS: Mapping[str, Callable[[Choice], Fields]] = {
    "closings.register": _outlet,
    "customers.account_of": _ref,
    "holds.list": _nothing,
    "holds.of": _account,
    "hours.of": _account,
    "hours.waiting": _outlet,
    "outlets.tree": _outlet,
    "passbooks.of": _account,
    "passbooks.stock": _outlet,
    "policies.book": _nothing,
    "pools.balance": _pool,
    "pools.list": _nothing,
    "redemptions.of": _account,
    "redemptions.reserved": _store,
    "reports.balance": _account,
    "reports.balances": lambda choice: {"accounts": list(choice.books.customers)},
    "reports.balance_as_of": _day,
    "reports.customer_summary": _own,
    "reports.ledger_book": _place,
    "reports.statement": _page,
    "reports.totals": _days,
    "reports.trial_balance": _nothing,
    "staff.roles": lambda choice: {"ended": choice.one_of((True, False))},
    "stores.offers": _store,
}
#: What the bank is asked for besides what both are.
_ONLY_THERE: Mapping[str, Fields] = {"reports.ledger_book": {"names": True}}
#: Whose last order is that of ids, which are each bank's own.
_BY_ID = ("holds.list", "holds.of", "redemptions.of", "redemptions.reserved")


def require_same_shown(
    name: str, choice: Choice, bank: Any, reference: ReferenceBank, pairs: Mapping[UUID, UUID]
) -> None:
    """Raise AssertionError where a reading shows something else than the reference."""
    fields = QUESTIONS[name](choice)
    said = _answer(name, bank, fields | _ONLY_THERE.get(name, {}))
    if name in FIGURES:
        told, taken = FIGURES[name]
        other = told(reference.look(), **fields)
        said = said if isinstance(said, GongyiBankError) else taken(said)
    else:
        other = _answer(name, reference, fields)
    ours = _form(name, said, pairs)
    theirs = _form(name, other, {other: other for other in pairs.values()})
    if ours != theirs:
        about = ", ".join(f"{field}={value!r}" for field, value in fields.items())
        raise AssertionError("\n".join([f"{name}({about}):", *_differences(ours, theirs)]))


def _answer(name: str, house: Any, fields: Fields) -> Any:
    noun, _, verb = name.partition(".")
    try:
        return getattr(getattr(house, noun), verb)(**fields)
    except GongyiBankError as refusal:
        return refusal


def _form(name: str, said: Any, pairs: Mapping[UUID, UUID]) -> Any:
    """An answer in a form that can be compared, ids told in the reference's; those that no
    receipt told are not compared."""
    if isinstance(said, GongyiBankError):
        return comparable(said)
    if isinstance(said, PolicyBook):
        return [said.history(kind) for kind in POLICIES]
    if not isinstance(said, Table):
        return said
    rows = [
        tuple(pairs.get(cell) if isinstance(cell, UUID) else cell for cell in row)
        for row in said.rows
    ]
    return [said.keys, *(sorted(rows, key=repr) if name in _BY_ID else rows)]


def _differences(ours: Any, theirs: Any) -> list[str]:
    if isinstance(ours, list) and isinstance(theirs, list):
        lines = [f"  only the bank shows {row}" for row in ours if row not in theirs]
        lines += [f"  the bank does not show {row}" for row in theirs if row not in ours]
        return lines or ["  the rows stand in another order"]
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            f"  {key}: the bank shows {ours.get(key)}, the reference {theirs.get(key)}"
            for key in sorted(ours.keys() | theirs.keys())
            if ours.get(key) != theirs.get(key)
        ]
    return [f"  the bank shows {ours}, the reference {theirs}"]
