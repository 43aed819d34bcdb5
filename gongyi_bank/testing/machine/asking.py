"""Readings: what both banks are asked for besides acts, and must show alike.

Both are asked with the same arguments, and what they answer is compared in full, refusals too
(see `shown`). What is asked about is chosen by a wish, as an act is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from gongyi_bank.errors import GongyiBankError
from gongyi_bank.periods import Period
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.shown import Form, differences
from gongyi_bank.testing.reference import ReferenceBank
from gongyi_bank.testing.reference.rows import Line

#: What a reading is asked about: its arguments by name.
Fields = dict[str, Any]
_DAYS = (0, 1, 7, 30, 400, -1)
#: The kinds of lines behind which a record or goods stand.
_EXPLAINED = ("service", "reversal", "redemption")
_KINDS = ("month", "quarter", "year", "month", "day")


def _nothing(_: Choice) -> Fields:
    return {}


def _account(choice: Choice) -> Fields:
    return {"account": choice.account()}


def _any_account(choice: Choice) -> Fields:
    """A customer's, or now and then a pool's."""
    pools = [pool.account_no for pool in choice.books.pools.values()]
    is_pools = pools and choice.is_rare(5)
    return {"account": choice.one_of(pools, choice.wish.who) if is_pools else choice.account()}


def _outlet(choice: Choice) -> Fields:
    return {"outlet": choice.outlet()}


def _store(choice: Choice) -> Fields:
    return {"store": choice.one_of((None, choice.store()))}


def _ref(choice: Choice) -> Fields:
    return {"ref": f"C{1 + choice.wish.who}"}


def _pool(choice: Choice) -> Fields:
    return {"pool": choice.pool([])}


# --- days and pages --------------------------------------------------------------------------


def _day(choice: Choice) -> dt.date:
    return choice.day(*_DAYS)


def _between(choice: Choice) -> Fields:
    last_on = _day(choice)
    return {"between": (last_on - dt.timedelta(days=choice.wish.units), last_on)}


def _as_of(choice: Choice) -> Fields:
    """Now, or at the end of a day, or at an instant."""
    instant = choice.now - dt.timedelta(hours=choice.wish.units)
    return choice.one_of(({}, {"as_of": _day(choice)}, {"as_of": instant}))


def _page(choice: Choice) -> Fields:
    """The newest lines, or others, or a page that cannot be."""
    below = {"newest": 2, "before_line": 1 + choice.wish.units % 12}
    return choice.one_of((
        {}, {"newest": 3}, below, _between(choice), _as_of(choice), {"as_of": _day(choice)},
        {"newest": 1, **_between(choice)}, {"newest": choice.wish.units % 2},
    ))  # fmt: skip


def _period(choice: Choice) -> Fields:
    """A month, a quarter or a year, rarely a day."""
    period = Period.containing(_day(choice), choice.one_of(_KINDS, choice.wish.units))
    return {"period": period.label if choice.wish.how % 2 else period}


def _at_most(choice: Choice) -> Fields:
    return {"top": choice.one_of((None, None, 2, 0))}


# --- lines -----------------------------------------------------------------------------------


def _line(fits: Callable[[Line], bool]) -> Callable[[Choice], Fields]:
    def choose(choice: Choice) -> Fields:
        account, line_no = choice.line_that(fits)
        return {"account": account, "line_no": line_no}

    return choose


# --- what else a reading takes ---------------------------------------------------------------


def _passbook_page(choice: Choice) -> Fields:
    named, further = {"page_no": 1, "show_name": True}, {"page_no": 1 + choice.wish.units % 9}
    return _account(choice) | choice.one_of(({}, named, further))


def _indicators(choice: Choice) -> Fields:
    some = {"outlets": [choice.outlet(), choice.outlet(3)]}
    return _period(choice) | choice.one_of(({}, {"outlets": choice.outlet()}, some))


def _volunteers(choice: Choice) -> Fields:
    others = {"kinds": ("organisation", "household"), "names": True}
    return _period(choice) | _at_most(choice) | choice.one_of(({"names": True}, {}, others))


def _book(choice: Choice) -> Fields:
    of_days = _period(choice)
    forms = ({"names": True}, of_days, {"period": None}, of_days | {"names": True})
    return _outlet(choice) | choice.one_of(forms)


def _trial(choice: Choice) -> Fields:
    here, then = _outlet(choice), {"as_of": _day(choice)}
    return choice.one_of(({}, here, then, here | then))


def _totals(choice: Choice) -> Fields:
    dating = {"dating": choice.one_of(("booking", "value"))}
    return _any_account(choice) | _between(choice) | dating


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
    "passbooks.page": _passbook_page,
    "passbooks.stock": _outlet,
    "policies.book": _nothing,
    "pools.balance": _pool,
    "pools.list": _nothing,
    "pools.statement": lambda choice: _pool(choice) | _page(choice),
    "ratings.explain": lambda choice: _account(choice) | _period(choice),
    "ratings.explain_outlet": lambda choice: {"code": choice.outlet()} | _period(choice),
    "ratings.indicators": _indicators,
    "ratings.outlet_league": lambda choice: _period(choice) | _at_most(choice),
    "ratings.volunteer_league": _volunteers,
    "ratings.volunteer_stars": _account,
    "ratings.volunteers_by_stars": _nothing,
    "redemptions.of": _account,
    "redemptions.reserved": _store,
    "reports.balance": lambda choice: _any_account(choice) | _as_of(choice),
    "reports.balance_as_of": lambda choice: _any_account(choice) | {"day": _day(choice)},
    "reports.balances": lambda choice: {"accounts": [*choice.books.customers, choice.account()]},
    "reports.clearing": lambda choice: {"day": choice.one_of((None, choice.closed_day()))},
    "reports.customer_summary": _account,
    "reports.expiry_schedule": _any_account,
    "reports.explain": _line(lambda line: line.kind in _EXPLAINED),
    "reports.ledger_book": _book,
    "reports.proof": lambda choice: _line(choice.is_sealed)(choice),
    "reports.provenance": _line(lambda line: line.amount < 0),
    "reports.spent_on": _line(lambda line: line.amount > 0),
    "reports.statement": lambda choice: _any_account(choice) | _page(choice),
    "reports.totals": _totals,
    "reports.trial_balance": _trial,
    "staff.roles": lambda choice: {"ended": choice.one_of((True, False))},
    "stores.offers": _store,
}
#: Whose last order is that of ids, which are each bank's own.
_BY_ID = ("holds.list", "holds.of", "redemptions.of", "redemptions.reserved")


def require_same_shown(
    name: str,
    choice: Choice,
    bank: Any,
    reference: ReferenceBank,
    *,
    pairs: Mapping[UUID, UUID],
    roots: Mapping[dt.date, str],
) -> None:
    """Raise AssertionError where a reading shows something else than the reference.

    `pairs` are the reference's ids by the bank's, `roots` those that the bank has published.
    """
    fields = QUESTIONS[name](choice)
    own = {other: other for other in pairs.values()}
    ours, theirs = (
        _sorted(name, Form(ids, roots).of(_answer(name, house, fields)))
        for house, ids in ((bank, pairs), (reference, own))
    )
    if ours != theirs:
        about = ", ".join(f"{field}={value!r}" for field, value in fields.items())
        raise AssertionError("\n".join([f"{name}({about}):", *differences(ours, theirs)]))


def _answer(name: str, house: Any, fields: Fields) -> Any:
    noun, _, verb = name.partition(".")
    try:
        return getattr(getattr(house, noun), verb)(**fields)
    except GongyiBankError as refusal:
        return refusal


def _sorted(name: str, form: Any) -> Any:
    return [form[0], *sorted(form[1:], key=repr)] if name in _BY_ID and type(form) is list else form
