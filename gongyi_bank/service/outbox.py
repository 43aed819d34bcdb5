"""发件箱: handing vouchers to other services, at least once and in order.

These are no acts: they pass no gate and write no voucher, because nothing about the bank
changes by somebody's reading of it.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from gongyi_bank.errors import InvalidValue
from gongyi_bank.receipts.outbox import OutboxVoucher
from gongyi_bank.store import outbox as store
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import clean_code

#: Vouchers in one reading at the most.
COUNT_MAX = 10_000


def is_ahead(tx: Transaction, consumer: str, count_max: int) -> bool:
    """Whether enough vouchers are numbered for this reading, or no other is waiting."""
    _require_count(count_max)
    after = store.load_position(tx, _name(consumer))
    return store.load_newest(tx) >= after + count_max or not store.has_unnumbered(tx)


def number(tx: Transaction) -> None:
    """Give committed vouchers their places."""
    store.number_vouchers(tx, COUNT_MAX)


def read(tx: Transaction, consumer: str, count_max: int) -> tuple[OutboxVoucher, ...]:
    """The vouchers that this consumer has not acknowledged, in order."""
    _require_count(count_max)
    after = store.load_position(tx, _name(consumer))
    return tuple(_voucher(row) for row in store.list_vouchers(tx, after, count_max))


def _voucher(row: tuple[Any, ...]) -> OutboxVoucher:
    fields = dict(zip(OutboxVoucher.model_fields, row, strict=True))
    fields["voucher_id"] = UUID(bytes=fields["voucher_id"])
    body = json.loads(fields["body"])
    if "receipt" in body:  # kept as the very text that a replay answers with
        body["receipt"] = json.loads(body["receipt"])
    fields["body"] = body
    return OutboxVoucher.model_validate(fields)


def acknowledge(tx: Transaction, consumer: str, through: int) -> int:
    """Note that the consumer has everything through this place; returns its place."""
    name, newest = _name(consumer), store.load_newest(tx)
    if type(through) is not int or not 0 <= through <= newest:
        raise InvalidValue.of("through", through, f"a place from 0 to {newest}")
    store.save_position(tx, name, through)
    return store.load_position(tx, name)


def position(tx: Transaction, consumer: str) -> int:
    """Up to where the consumer has acknowledged."""
    return store.load_position(tx, _name(consumer))


def _require_count(count_max: int) -> None:
    if type(count_max) is not int or not 1 <= count_max <= COUNT_MAX:
        raise InvalidValue.of("count_max", count_max, f"a whole number from 1 to {COUNT_MAX}")


def _name(consumer: str) -> str:
    return clean_code(consumer, field="consumer", length_max=100)
