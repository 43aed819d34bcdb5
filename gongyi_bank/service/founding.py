"""Founding a bank: its head office, its first administrator, and the shipped policies."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from gongyi_bank.commands.base import DIGEST_VERSION
from gongyi_bank.errors import BankExists
from gongyi_bank.policies import POLICIES, Policy
from gongyi_bank.rules.ledger import EARLIEST, OUTLET_KINDS, POINTS, internal_no, voucher_hash
from gongyi_bank.rules.staff import ADMINISTRATOR
from gongyi_bank.service.gate import next_voucher_id
from gongyi_bank.store import closings, serials
from gongyi_bank.store import founding as store
from gongyi_bank.store.customers import write_accounts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.outlets import GATE, write_new_outlets
from gongyi_bank.store.policies import write_policies
from gongyi_bank.store.seals import claim_of
from gongyi_bank.store.staff import write_first_staff
from gongyi_bank.store.transaction import BankIdentity, Keys, Transaction
from gongyi_bank.store.writing import Writes

#: The head office's number; the others follow.
HEAD_OFFICE_NO = 1000


def establish(
    connection: sa.Connection,
    engine: StoreEngine,
    *,
    bank: str,
    scale: int,
    time_zone: str,
    now: dt.datetime,
    key_marks: tuple[str | None, str | None],
    keys_of: Callable[[BankIdentity], Keys],
    head_office: str,
    head_office_name: str,
    administrator: str,
    policies: Iterable[Policy],
) -> BankIdentity:
    """Create the schema where it is missing, and the bank in it. Raises BankExists."""
    store.ensure_schema(connection, engine)
    if store.has_bank(connection, bank):
        raise BankExists(bank=bank)
    identity = store.write_bank(
        connection, bank, scale=scale, time_zone=time_zone, founded_at=now, key_marks=key_marks
    )
    found(
        Transaction(connection, engine, identity, lambda: now, keys_of(identity)),
        code=head_office,
        name=head_office_name,
        administrator=administrator,
        policies=policies,
    )
    return identity


def found(
    tx: Transaction, *, code: str, name: str, administrator: str, policies: Iterable[Policy]
) -> None:
    """Write the head office, its administrator and the first policies, under one voucher."""
    now = tx.clock().astimezone(dt.UTC)
    today = now.astimezone(tx.bank.zone).date()
    voucher_id = next_voucher_id(now)
    writes = Writes()
    row = (HEAD_OFFICE_NO, code, name, 1, None, None, 1, "urban", "open", today, None, voucher_id)
    write_new_outlets(writes, [row])
    write_outlet_accounts(writes, [HEAD_OFFICE_NO], voucher_id)
    write_first_staff(writes, administrator, ADMINISTRATOR, HEAD_OFFICE_NO, today, voucher_id)
    chosen = {kind: policy() for kind, policy in POLICIES.items()}
    chosen |= {policy.kind: policy for policy in policies}
    rows = [
        (number, kind, EARLIEST, policy.model_dump_json(), voucher_id)
        for number, (kind, policy) in enumerate(sorted(chosen.items()), start=1)
    ]
    write_policies(writes, rows)
    body = {
        **claim_of(writes, tx.bank.bank_id, tx.seal_key), "code": code, "name": name,
        "bank": tx.bank.name, "scale": tx.bank.scale, "time_zone": tx.bank.zone.key,
    }  # fmt: skip
    fields = (
        voucher_id, "bank.found", None, bytes(32), DIGEST_VERSION, 1, None, HEAD_OFFICE_NO,
        today, now, None, None, json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    )  # fmt: skip
    writes.vouchers = [(*fields, voucher_hash(tx.bank.bank_id, fields, tx.seal_key), None)]
    tx.write(writes)
    serials.draw(tx, "outlet", 0, 1, first=HEAD_OFFICE_NO)
    serials.draw(tx, "staff", 0, 1)
    serials.draw(tx, "policy", 0, len(rows))
    serials.draw(tx, closings.SERIES, 0, 0)
    serials.draw(tx, GATE, 0, 0)


def write_outlet_accounts(writes: Writes, outlet_nos: Iterable[int], voucher_id: bytes) -> None:
    """The internal accounts that every outlet has."""
    rows = [
        (internal_no(kind, outlet_no), kind, POINTS, outlet_no, voucher_id)
        for outlet_no in outlet_nos
        for kind in OUTLET_KINDS
    ]
    write_accounts(writes, rows)
