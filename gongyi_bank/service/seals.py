"""封账: sealing closed days of the whole bank, as a part of their closing."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass

from gongyi_bank.rules import seals as rules
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import seals as store
from gongyi_bank.store.seals import StoredSeal

_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The seal that the act is going to write."""

    seal_no: int
    #: The number to publish: 32 bytes that everything in the sealed days stands behind.
    root: bytes
    #: How many leaves of each table (and part) there are.
    counts: dict[str, int]


def seal_days(visit: Visit, closing_no: int, first_on: dt.date, last_on: dt.date) -> Sealed:
    """Add the seal of all days through `last_on` that no seal covers yet to what is written.

    Call it in the bank's own day close, once nobody can write on these days any more and
    before `visit.book`; `closing_no` is the closing's row, written before or in the same act.
    Days before `first_on` that an earlier close left unsealed are sealed along with it.
    Raises ValueError for days that are sealed already, or not over.
    """
    newest = store.load_newest_seal(visit.tx)
    if last_on >= visit.today or first_on > last_on:
        raise ValueError("only days that are over can be sealed")
    if newest is not None and last_on <= newest.through_on:
        raise ValueError("these days are sealed already")
    zone = visit.tx.bank.zone
    low = rules.day_floor(newest.through_on + _ONE_DAY, zone) if newest else bytes(16)
    high = rules.day_floor(last_on + _ONE_DAY, zone)
    tree, counts = rules.MerkleTree(), Counter[str]()
    for name in store.tables_between(visit.tx, low, high):
        for leaf in store.stream(visit.tx, name, low, high):
            tree.add(rules.leaf_hash(leaf.content))
            counts[leaf.part.name] += 1
    seal_no = newest.seal_no + 1 if newest else 1
    text = json.dumps(counts, sort_keys=True, separators=(",", ":"))
    fields = (seal_no, closing_no, last_on, tree.root(), text, visit.voucher_id)
    previous = newest.seal_hash if newest else rules.FIRST_PREVIOUS
    digest = rules.seal_hash(visit.tx.bank.bank_id, previous, fields, visit.tx.seal_key)
    store.write_seal(
        visit.writes,
        StoredSeal(seal_no, closing_no, last_on, tree.root(), text, digest, visit.voucher_id),
    )
    return Sealed(seal_no=seal_no, root=tree.root(), counts=dict(counts))
