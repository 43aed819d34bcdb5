"""封账: sealing closed days of the whole bank, as a part of their closing."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter

from gongyi_bank.rules import seals as rules
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import seals as store
from gongyi_bank.store.seals import StoredSeal
from gongyi_bank.store.transaction import Ask

_ONE_DAY = dt.timedelta(days=1)


class Sealing:
    """All days through `last_on` that no seal covers yet, about to be sealed.

    For the bank's own day close, once nobody can write on these days any more: its question
    about `tables` must be gathered, then `seal` reads the rest. Days before `first_on` that an
    earlier close left unsealed are sealed along with it. Raises ValueError for days that are
    sealed already, or not over.
    """

    def __init__(
        self, visit: Visit, newest: StoredSeal | None, first_on: dt.date, last_on: dt.date
    ) -> None:
        if last_on >= visit.today or first_on > last_on:
            raise ValueError("only days that are over can be sealed")
        if newest is not None and last_on <= newest.through_on:
            raise ValueError("these days are sealed already")
        self._visit = visit
        self._newest = newest
        self._last_on = last_on
        zone = visit.tx.bank.zone
        low = rules.day_floor(newest.through_on + _ONE_DAY, zone) if newest else bytes(16)
        self._span = low, rules.day_floor(last_on + _ONE_DAY, zone)
        #: Which tables have rows of these days.
        self.tables: Ask[list[str]] = store.ask_tables_between(*self._span)

    def seal(self, closing_no: int) -> StoredSeal:
        """Add the seal to what is written; `closing_no` is the closing's row, written before
        or in the same act. Call it before `visit.book`."""
        visit, newest = self._visit, self._newest
        root, counts = rules.MerkleRoot(), Counter[str]()
        for name in self.tables.answer:
            for leaves, found in store.hash_leaves(visit.tx, name, *self._span):
                root.add(leaves)
                counts.update(found)
        seal_no = newest.seal_no + 1 if newest else 1
        text = json.dumps(counts, sort_keys=True, separators=(",", ":"))
        fields = (seal_no, closing_no, self._last_on, root.root(), text, visit.voucher_id)
        previous = newest.seal_hash if newest else rules.FIRST_PREVIOUS
        digest = rules.seal_hash(visit.tx.bank.bank_id, previous, fields, visit.tx.seal_key)
        made = StoredSeal(
            seal_no, closing_no, self._last_on, root.root(), text, digest, visit.voucher_id
        )
        store.write_seal(visit.writes, made)
        return made
