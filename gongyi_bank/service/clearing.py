"""清算: netting what branches owe each other, as a part of closing a day of the whole bank."""

from __future__ import annotations

import datetime as dt
from typing import Any

from gongyi_bank.rules import clearing as rules
from gongyi_bank.rules.ledger import Mark, Posting
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import totals as store
from gongyi_bank.store.outlets import ask_outlets_then
from gongyi_bank.store.transaction import Ask, Rows


class Netting:
    """The books of all branches at the end of `last_on`, about to be netted.

    For the bank's own day close, once nobody can write on these days any more: its `facts` must be
    gathered in one go, then `net` decides. What comes on later days meanwhile is left out.
    """

    def __init__(self, since: dt.date, last_on: dt.date) -> None:
        """`since` is the day through which internal accounts were rolled up last."""
        self.rolled_up, self.moved = store.asks_of_internal(since, last_on)
        self._floored = store.ask_floored_then(last_on)
        self._netted = store.ask_netted(since)
        self._outlets = ask_outlets_then(last_on)

    @property
    def facts(self) -> tuple[Ask[Any], ...]:
        """Its questions."""
        return self.rolled_up, self.moved, self._floored, self._netted, self._outlets

    def net(self, visit: Visit, head_office: OutletFacts) -> Posting:
        """The moves after which each branch's books balance by themselves; booked today."""
        posting = visit.posting({})
        mark = Mark(rules.CLEARING, visit.today, head_office.outlet_no)
        positions = self._by_branch(self.rolled_up.answer, self._netted.answer, is_clearing=True)
        books = self._by_branch(self.rolled_up.answer, self.moved.answer, is_clearing=False)
        floored = rules.sum_by_branch(self._floored.answer, self._outlets.answer)
        for number, balance in floored.items():
            books[number] = books.get(number, 0) + balance
        for leg in rules.decide_moves(books, positions, head_office.outlet_no):
            posting.post(leg, mark)
        return posting

    def _by_branch(self, *sums: Rows, is_clearing: bool) -> dict[int, int]:
        """Balances by branch, of clearing accounts or of all others without lines."""
        chosen = (
            row[1:] for rows in sums for row in rows if (row[2] == rules.CLEARING) == is_clearing
        )
        return rules.sum_by_branch(chosen, self._outlets.answer)
