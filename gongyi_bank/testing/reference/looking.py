"""Looking into the reference bank's books: at what moment, and the tables that come of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gongyi_bank.display import Column, Table
from gongyi_bank.errors import UnknownOutlet
from gongyi_bank.periods import require_aware
from gongyi_bank.rules.holds import HELD
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import BankFacts
from gongyi_bank.testing.reference.rows import StoredHold
from gongyi_bank.values import Points, clean_code


@dataclass(frozen=True)
class Look:
    """Somebody looks into the books at a moment."""

    books: Books
    bank: BankFacts
    clock: Callable[[], dt.datetime]

    @cached_property
    def now(self) -> dt.datetime:
        """The moment, whatever year it is; what does not go by it never asks for it."""
        return require_aware(self.clock(), "clock")

    def points(self, units: int) -> Points:
        """An amount in the bank's points."""
        return Points.of_units(units, self.bank.scale)

    def local(self, moment: dt.datetime) -> dt.datetime:
        """A moment on the bank's clocks."""
        return moment.astimezone(self.bank.zone)

    def moment_of(self, account_no: int) -> dt.datetime:
        """The moment that an act on this account would go by: never before the account's clock."""
        return max(self.now, self.books.clock_of(account_no))

    def has_lapsed(self, hold: StoredHold) -> bool:
        """Whether only the sweep is missing."""
        return hold.state == HELD and self.moment_of(hold.account_no) >= hold.deadline_at

    def store_code(self, store_no: int) -> str:
        """The code of the store with this number."""
        return self.books.store_of_no(store_no).code

    def payee_code(self, payee_no: int) -> str:
        """The code of the store whose account this is."""
        stores = self.books.stores.values()
        found = (one for one in stores if internal_no("store", one.store_no) == payee_no)
        return next(found).code


def table_of(title: str, keys: str, rows: Iterable[tuple[Any, ...]]) -> Table:
    """Rows under their keys, which are given in one text."""
    columns = tuple(Column(key, key, key) for key in keys.split())
    return Table(title=title, columns=columns, rows=tuple(rows))


def below(look: Look, code: str | None) -> list[OutletFacts]:
    """An outlet and everything below it, the whole bank by default."""
    named = look.books.head_office.code if code is None else clean_code(code, field="outlet")
    top = look.books.outlet(named)
    if top is None:
        raise UnknownOutlet(outlet=named)
    found = (look.books.outlets[number] for number in sorted(look.books.outlets))
    return [one for one in found if one.lies_within(top.outlet_no, top.tier)]
