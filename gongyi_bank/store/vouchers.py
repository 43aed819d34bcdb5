"""凭证: finding the voucher of a key, and the rows around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import voucher
from gongyi_bank.store.transaction import Ask, of_bank, query


@dataclass(frozen=True, slots=True)
class EarlierVoucher:
    """An act that used this key before."""

    act: str
    request_digest: bytes
    body: str


@query
def _by_keys(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(
        voucher.c.idempotency_key,
        voucher.c.act,
        voucher.c.request_digest,
        voucher.c.body,
    ).where(of_bank(voucher), engine.among(voucher.c.idempotency_key, "keys"))


@query
def _by_key(_: StoreEngine) -> sa.Select[tuple[str, bytes, str]]:
    columns = (voucher.c.act, voucher.c.request_digest, voucher.c.body)
    return sa.select(*columns).where(
        of_bank(voucher), voucher.c.idempotency_key == sa.bindparam("key")
    )


def ask_by_key(key: str) -> Ask[EarlierVoucher | None]:
    """The voucher that claimed this idempotency key, if any."""
    return _by_key.ask(lambda rows: EarlierVoucher(*rows[0]) if rows else None, key=key)


def ask_by_keys(keys: Iterable[str]) -> Ask[dict[str, EarlierVoucher]]:
    """The vouchers that claimed these idempotency keys, by key."""
    named = sorted(set(keys))
    asked = _by_keys.ask(
        lambda rows: {row[0]: EarlierVoucher(*row[1:]) for row in rows}, keys=named
    )
    return asked.settled_if(not named)
