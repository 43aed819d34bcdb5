"""The desk of the outbox: vouchers for other services."""

from __future__ import annotations

from gongyi_bank.desks.base import Desk
from gongyi_bank.receipts.outbox import OutboxVoucher
from gongyi_bank.service import outbox


class OutboxDesk(Desk):
    """发件箱: every voucher, at least once and in order, for each consumer by its name."""

    def read(self, consumer: str, *, count_max: int = 100) -> tuple[OutboxVoucher, ...]:
        """The oldest vouchers that this consumer has not acknowledged; empty when none wait.

        No voucher is ever skipped, however transactions overlap. Raises InvalidValue.
        """
        if not self._house.read(lambda tx: outbox.is_ahead(tx, consumer, count_max)):
            self._house.keep(outbox.number)
        return self._house.read(lambda tx: outbox.read(tx, consumer, count_max))

    def acknowledge(self, consumer: str, through: int) -> int:
        """Everything through this place was dealt with; returns the consumer's place.

        Acknowledge after your own commit, or last in your own transaction: what is not
        acknowledged comes again. An older place than the one that is noted changes nothing.
        Raises InvalidValue, and LockOutOfOrder where locks are watched.
        """
        return self._house.keep(lambda tx: outbox.acknowledge(tx, consumer, through))

    def position(self, consumer: str) -> int:
        """Up to which place the consumer has acknowledged; 0 for a new one."""
        return self._house.read(lambda tx: outbox.position(tx, consumer))
