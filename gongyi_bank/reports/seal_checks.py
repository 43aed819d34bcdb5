"""账簿核对: every row of every ledger table against its seal and its voucher, in one pass.

The roots of all seals are computed anew side by side, each remembering a few hashes only.
A voucher answers for the rows written under it by their sum (`rules.seals`), which is
compared day by day; only for a day that differs are its vouchers looked at one by one.
"""

from __future__ import annotations

import datetime as dt
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

from gongyi_bank.periods import business_day
from gongyi_bank.reports.faults import Fault
from gongyi_bank.rules import seals as rules
from gongyi_bank.rules.ledger import voucher_hash
from gongyi_bank.store import seals as store
from gongyi_bank.store.seals import SealedRow, StoredSeal
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.writing import VOUCHER_COLUMNS

_ONE_DAY = dt.timedelta(days=1)
_DAY_MILLISECONDS = 86_400_000
#: So many days with differing rows are looked at voucher by voucher.
_DAYS_MAX = 7
_BODY, _HASH = VOUCHER_COLUMNS.index("body"), VOUCHER_COLUMNS.index("voucher_hash")
_DAY, _MOMENT = VOUCHER_COLUMNS.index("business_day"), VOUCHER_COLUMNS.index("booked_at")


class BooksAudit:
    """One pass over the ledger tables."""

    def __init__(
        self, tx: Transaction, *, since: StoredSeal | None = None, trusted_root: bytes | None = None
    ) -> None:
        """With `since`, rows up to that seal are held against the roots only; with a root that
        the auditor kept outside, they are not read at all."""
        self._tx = tx
        self._since = since
        self._trusted_root = trusted_root
        self._seals = store.list_seals(tx)
        self._trees = [rules.MerkleTree() for _ in self._seals]
        self._leaves: list[Counter[str]] = [Counter() for _ in self._seals]
        self._ends = [self._floor(seal.through_on + _ONE_DAY) for seal in self._seals]
        #: Rows less claims, by UTC day since 1970: zero where they agree.
        self._rests: defaultdict[int, int] = defaultdict(int)
        self.counts: Counter[str] = Counter(seals=len(self._seals))
        #: Below it no voucher is looked at, and with a trusted root no row is read.
        self._open_from = self._floor(since.through_on + _ONE_DAY) if since else bytes(16)

    def _floor(self, day: dt.date) -> bytes:
        return rules.day_floor(day, self._tx.bank.zone)

    @property
    def is_partial(self) -> bool:
        """Whether sealed rows are not read at all, the auditor's own root standing for them."""
        return self._trusted_root is not None

    def faults(self) -> Iterator[Fault]:
        """Everything that does not agree, as it is found."""
        yield from self._check_chain()
        low = self._open_from if self.is_partial else bytes(16)
        for name in store.SEALED:
            for leaf in store.stream(self._tx, name, low):
                yield from self._take(leaf)
        yield from self._check_roots(low)
        yield from self._check_claims()

    # --- the pass ---

    def _take(self, leaf: SealedRow) -> Iterator[Fault]:
        self.counts["rows"] += 1
        number = bisect_right(self._ends, leaf.voucher_id)
        if number < len(self._trees):
            self._trees[number].add(rules.leaf_hash(leaf.content))
            self._leaves[number][leaf.part.name] += 1
        if leaf.voucher_id < self._open_from:
            return
        if leaf.part.is_claimed:
            worth = rules.row_number(leaf.content, self._tx.seal_key)
            self._rests[_day_of(leaf.voucher_id)] += worth
        elif leaf.part.name == "voucher":
            self._rests[_day_of(leaf.voucher_id)] -= store.read_claim(leaf.row[_BODY])
            self.counts["vouchers"] += 1
            yield from self._check_voucher(leaf)

    def _check_voucher(self, leaf: SealedRow) -> Iterator[Fault]:
        row, where = leaf.row, f"凭证 {leaf.voucher_id.hex()}"
        made = voucher_hash(self._tx.bank.bank_id, row[:_HASH], self._tx.seal_key)
        if made != row[_HASH]:
            yield Fault("voucher_hash", where, row[_HASH].hex(), made.hex())
        moment = rules.voucher_moment(leaf.voucher_id)
        late = row[_MOMENT] - moment
        if not dt.timedelta(0) <= late < dt.timedelta(milliseconds=1):
            yield Fault("voucher_time", where, str(row[_MOMENT]), str(moment))
        day = business_day(moment, self._tx.bank.zone)
        if row[_DAY] != day:
            yield Fault("voucher_day", where, str(row[_DAY]), str(day))

    # --- seals ---

    def _check_chain(self) -> Iterator[Fault]:
        """Seals follow each other, each covering the one before it."""
        previous, through_on = rules.FIRST_PREVIOUS, dt.date.min
        for number, seal in enumerate(self._seals, start=1):
            where = _named(seal)
            if seal.seal_no != number or seal.through_on <= through_on:
                yield Fault("seal_order", where, f"{seal.seal_no}", f"{number}, later days")
            bank_id, key = self._tx.bank.bank_id, self._tx.seal_key
            made = rules.seal_hash(bank_id, previous, seal.fields, key)
            if made != seal.seal_hash:
                yield Fault("seal_hash", where, seal.seal_hash.hex(), made.hex())
            previous, through_on = seal.seal_hash, seal.through_on
        trusted = self._trusted_root
        if self._since is not None and trusted is not None and self._since.root != trusted:
            where = _named(self._since)
            yield Fault("seal_trusted", where, self._since.root.hex(), trusted.hex())

    def _check_roots(self, low: bytes) -> Iterator[Fault]:
        """The rows of the sealed days still give their roots."""
        for seal, end, tree, leaves in zip(
            self._seals, self._ends, self._trees, self._leaves, strict=True
        ):
            if end <= low:
                continue
            where = _named(seal)
            if tree.root() != seal.root:
                yield Fault("seal_root", where, tree.root().hex(), seal.root.hex())
            counted = _counts_of(seal)
            for part in sorted(counted.keys() | leaves.keys()):
                if counted.get(part, 0) != leaves[part]:
                    found, expected = leaves[part], counted.get(part, 0)
                    yield Fault("seal_count", f"{where} {part}", f"{found}", f"{expected}")

    # --- claims ---

    def _check_claims(self) -> Iterator[Fault]:
        """Every voucher has the rows that it says it has."""
        differing = [day for day, rest in sorted(self._rests.items()) if _is_off(rest)]
        for number, day in enumerate(differing):
            if number < _DAYS_MAX:
                yield from self._check_day(day)
            else:
                moment = rules.voucher_moment((day * _DAY_MILLISECONDS).to_bytes(6))
                yield Fault("voucher_rows", f"{moment:%F} UTC", "other rows", "those claimed")

    def _check_day(self, day: int) -> Iterator[Fault]:
        low, high = ((day + n) * _DAY_MILLISECONDS for n in (0, 1))
        # A forged id may lie on the last day that six bytes can tell of.
        end = high.to_bytes(6) + bytes(10) if high < 2**48 else store.END
        bounds = (low.to_bytes(6) + bytes(10), end)
        rests: defaultdict[bytes, int] = defaultdict(int)
        parts: defaultdict[bytes, set[str]] = defaultdict(set)
        for name in store.tables_between(self._tx, *bounds):
            for leaf in store.stream(self._tx, name, *bounds):
                if leaf.voucher_id < self._open_from:
                    continue
                if leaf.part.is_claimed:
                    worth = rules.row_number(leaf.content, self._tx.seal_key)
                    rests[leaf.voucher_id] += worth
                    parts[leaf.voucher_id].add(leaf.part.name)
                elif leaf.part.name == "voucher":
                    rests[leaf.voucher_id] -= store.read_claim(leaf.row[_BODY])
        for voucher_id, rest in sorted(rests.items()):
            if _is_off(rest):
                found = ", ".join(sorted(parts[voucher_id])) or "no rows"
                where = f"凭证 {voucher_id.hex()}"
                yield Fault("voucher_rows", where, f"other rows: {found}", "the rows it claims")


def _day_of(voucher_id: bytes) -> int:
    return int.from_bytes(voucher_id[:6]) // _DAY_MILLISECONDS


def _is_off(rest: int) -> bool:
    return rules.claims_differ(rest, 0)


def _named(seal: StoredSeal) -> str:
    return f"封账 {seal.seal_no}（至 {seal.through_on}）"


def _counts_of(seal: StoredSeal) -> dict[str, int]:
    """What the seal says it counted; nothing where that cannot be read, which its hash tells."""
    try:
        counted = json.loads(seal.counts)
    except ValueError:
        return {}
    return counted if isinstance(counted, dict) else {}
