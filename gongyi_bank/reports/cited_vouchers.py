"""The vouchers that lines and holds cite, looked up a page at a time and kept for a while."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from gongyi_bank.rules.ledger import voucher_hash
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.verification import list_vouchers
from gongyi_bank.store.writing import VOUCHER_COLUMNS

_DAY, _MOMENT = map(VOUCHER_COLUMNS.index, ("business_day", "booked_at"))
#: Twice so many are kept: many accounts cite the same bulk voucher.
_KEPT_MAX = 10_000


class CitedVoucher(NamedTuple):
    """What a line takes from its voucher."""

    #: Computed anew from all its fields.
    digest: bytes
    business_day: dt.date
    booked_at: dt.datetime


class CitedVouchers:
    """Vouchers by their ids; whichever was not asked for in a long time is forgotten."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        #: The newer half, and the older one; None for a voucher that does not exist.
        self._kept: dict[bytes, CitedVoucher | None] = {}
        self._older: dict[bytes, CitedVoucher | None] = {}

    def load(self, voucher_ids: Iterable[bytes]) -> None:
        """Look up all of these that are not known, in as few statements as can be."""
        asked = set(voucher_ids)
        if len(self._kept) > _KEPT_MAX:
            self._kept, self._older = {}, self._kept
        wanted = asked - self._kept.keys()
        unknown = sorted(wanted - self._older.keys())
        self._kept |= {one: self._older[one] for one in wanted & self._older.keys()}
        self._kept |= dict.fromkeys(unknown)
        bank_id, seal_key = self._tx.bank.bank_id, self._tx.seal_key
        for fields, _ in list_vouchers(self._tx, unknown):
            digest = voucher_hash(bank_id, fields, seal_key)
            self._kept[fields[0]] = CitedVoucher(digest, fields[_DAY], fields[_MOMENT])

    def get(self, voucher_id: bytes) -> CitedVoucher | None:
        """The voucher, if there is one."""
        if voucher_id not in self._kept:
            self.load([voucher_id])
        return self._kept[voucher_id]
