"""A gift posted by hand, past the library: what the planted faults are made from.

It is right in every way but its hashes, which only `verify()` looks at. A run with it finds
nothing, so that what a planted fault turns red is that fault's own doing.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
import uuid
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import DIGEST_VERSION
from gongyi_bank.commands.transfers import GiftPoints
from gongyi_bank.errors import IdempotencyConflict, InsufficientPoints, RetryTransaction
from gongyi_bank.periods import business_day
from gongyi_bank.receipts.transfers import PointsGifted
from gongyi_bank.store.tables import account_head, account_line, outlet, staff, voucher
from gongyi_bank.values import NEVER, Points, new_uuid7
from tests.faults.errands import OUTLET, Errand
from tests.faults.hands import Hand, Tell

#: How often a gift is tried that a deadlock, a busy file or a lost connection has undone.
TRIES = 20


class OwnTeller(Hand):
    """Gifts in plain SQL on the library's tables: lock, look, decide, write, commit, answer."""

    def __init__(self, bank: Bank, accounts: list[int]) -> None:
        super().__init__(bank, accounts)
        self.engine = bank.engine
        self.bank_id: int = bank.read(lambda tx: tx.bank.bank_id)
        self._clock = bank.read(lambda tx: tx.clock)
        with self.engine.connect() as connection:
            self._outlet_no = connection.scalars(
                sa.select(outlet.c.outlet_no).where(outlet.c.code == OUTLET)
            ).one()
            self._staff_no = connection.scalars(
                sa.select(staff.c.staff_no).where(staff.c.code == "T1")
            ).one()

    def submit(self, errand: Errand, tell: Tell) -> None:
        """Gifts by hand; everything else by the library."""
        if not isinstance(errand.command, GiftPoints):
            super().submit(errand, tell)
            return
        for tried in range(TRIES):
            with suppress(sa.exc.DBAPIError):
                self.give(errand, errand.command, tell)
                return
            time.sleep(0.005 * tried)
        raise RetryTransaction(reason="by hand, too often")

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        """One try: everything in one transaction, and then the answer."""
        with self.engine.begin() as connection:
            receipt = self.post(connection, command)
        tell(receipt)

    def post(self, connection: sa.Connection, command: GiftPoints) -> PointsGifted:
        """Lock, look, decide and write; or the receipt that the key has already."""
        heads = self.heads(connection, command)
        earlier = self.earlier(connection, command)
        if earlier is not None:
            return earlier
        self.require(heads[command.account], command)
        receipt = self.write_voucher(connection, command, heads)
        for account in (command.account, command.target):
            self.write_side(connection, command, heads[account], receipt)
        return receipt

    # --- look ---

    def heads(self, connection: sa.Connection, command: GiftPoints) -> dict[int, Any]:
        """Both heads, locked in the order of their numbers."""
        return self.read_heads(connection, [command.account, command.target], is_locking=True)

    def read_heads(
        self, connection: sa.Connection, accounts: list[int], *, is_locking: bool = False
    ) -> dict[int, Any]:
        """The heads of these accounts."""
        found = sa.select(account_head).where(
            account_head.c.bank_id == self.bank_id, account_head.c.account_no.in_(accounts)
        )
        found = found.order_by(account_head.c.account_no)
        # Of a small table this server would lock every row that it goes by, in its own order.
        for dialect in ("mariadb", "mysql"):
            found = found.with_hint(account_head, "FORCE INDEX (PRIMARY)", dialect)
        rows = connection.execute(found.with_for_update() if is_locking else found).all()
        return {row.account_no: row for row in rows}

    def earlier(self, connection: sa.Connection, command: GiftPoints) -> PointsGifted | None:
        """The receipt under this key; raises IdempotencyConflict for another request."""
        return self.found(connection, command, voucher.c.idempotency_key)

    def found(
        self, connection: sa.Connection, command: GiftPoints, column: sa.Column[Any]
    ) -> PointsGifted | None:
        """The receipt of the voucher with the command's key in this column."""
        key = command.idempotency_key
        rows = connection.execute(sa.select(voucher).where(column == key)).all()
        if not rows:
            return None
        if rows[0].request_digest != command.request_digest():
            raise IdempotencyConflict(key=key)
        return PointsGifted.from_json(json.loads(rows[0].body)["receipt"])

    def require(self, head: Any, command: GiftPoints) -> None:
        """Raise InsufficientPoints."""
        units = command.points.to_units(2)
        available = head.credited - head.debited - head.held
        if available < units:
            raise InsufficientPoints(
                account=head.account_no, needed=str(command.points),
                available=str(Points.of_units(available, 2)),
            )  # fmt: skip

    # --- write ---

    def key_columns(self, command: GiftPoints) -> dict[str, str | None]:
        """Where the voucher keeps the key."""
        return {"idempotency_key": command.idempotency_key}

    def write_voucher(
        self, connection: sa.Connection, command: GiftPoints, heads: dict[int, Any]
    ) -> PointsGifted:
        """The voucher with the receipt in it."""
        receipt = self.receipt(connection, command, heads)
        connection.execute(sa.insert(voucher).values(self.voucher_row(command, receipt)))
        return receipt

    def receipt(
        self, connection: sa.Connection, command: GiftPoints, heads: dict[int, Any]
    ) -> PointsGifted:
        """What the giver is told."""
        head, now = heads[command.account], self.now(heads)
        left = head.credited - head.debited - command.points.to_units(2)
        return PointsGifted(
            voucher_id=self.voucher_id(command, now),
            business_day=business_day(now, self.bank.zone),
            booked_at=now,
            account=command.account,
            target=command.target,
            points=str(command.points),
            line_no=self.next_line_no(connection, head),
            balance=f"{left / 100:.2f}",
        )

    def now(self, heads: dict[int, Any]) -> dt.datetime:
        """The clock, but not before what the accounts have already."""
        return max(self._clock().astimezone(dt.UTC), *(head.booked_at for head in heads.values()))

    def voucher_id(self, command: GiftPoints, now: dt.datetime) -> Any:
        """A new name for the voucher."""
        return uuid.UUID(bytes=new_uuid7(now, os.urandom(10)))

    def voucher_row(self, command: GiftPoints, receipt: PointsGifted) -> dict[str, Any]:
        """The voucher's columns."""
        return {
            "bank_id": self.bank_id, "voucher_id": receipt.voucher_id.bytes, "act": command.act,
            **self.key_columns(command), "request_digest": command.request_digest(),
            "digest_version": DIGEST_VERSION, "staff_no": self._staff_no,
            "outlet_no": self._outlet_no, "business_day": receipt.business_day,
            "booked_at": receipt.booked_at, "voucher_hash": bytes(32),
            "body": json.dumps({"receipt": receipt.to_json()}),
        }  # fmt: skip

    def next_line_no(self, connection: sa.Connection, head: Any) -> int:
        """The number of the account's next line."""
        return int(head.line_no) + 1

    def write_side(
        self, connection: sa.Connection, command: GiftPoints, head: Any, receipt: PointsGifted
    ) -> None:
        """The line and the head of the giver, or of the taker."""
        self.write_line(connection, command, head, receipt)
        self.write_head(connection, command, head, receipt)

    def write_line(
        self, connection: sa.Connection, command: GiftPoints, head: Any, receipt: PointsGifted
    ) -> None:
        """One line with the totals after it."""
        units, is_giver = command.points.to_units(2), head.account_no == command.account
        row = {
            "bank_id": self.bank_id, "account_no": head.account_no,
            "line_no": self.next_line_no(connection, head),
            "kind": "gift_out" if is_giver else "gift_in",
            "amount": -units if is_giver else units,
            "contra_no": command.target if is_giver else command.account,
            "credited_after": head.credited + (0 if is_giver else units),
            "debited_after": head.debited + (units if is_giver else 0),
            "expires_on": None if is_giver else NEVER, "value_on": receipt.business_day,
            "booked_at": receipt.booked_at, "business_day": receipt.business_day,
            "outlet_no": self._outlet_no, "voucher_id": receipt.voucher_id.bytes,
            "line_hash": bytes(32),
        }  # fmt: skip
        connection.execute(sa.insert(account_line).values(row))

    def write_head(
        self, connection: sa.Connection, command: GiftPoints, head: Any, receipt: PointsGifted
    ) -> None:
        """The head's new totals, worked out from what was read."""
        units, line_no = command.points.to_units(2), self.next_line_no(connection, head)
        changes: dict[str, Any] = {"line_no": line_no, "booked_at": receipt.booked_at}
        if head.account_no == command.account:
            changes["debited"] = head.debited + units
        else:
            changes |= {
                "credited": head.credited + units, "last_expires_on": NEVER,
                "next_expiry_line_no": head.next_expiry_line_no or line_no,
            }  # fmt: skip
        mine = (
            account_head.c.bank_id == self.bank_id,
            account_head.c.account_no == head.account_no,
        )
        connection.execute(sa.update(account_head).where(*mine).values(changes))
