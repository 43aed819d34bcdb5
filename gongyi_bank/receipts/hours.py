"""Receipts about service hours."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from gongyi_bank.errors import GongyiBankError, InvalidValue, error_of
from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import Points, PointsSum

_REFUSED = "refused"


class HoursRecorded(Receipt):
    """A service was recorded: credited, or waiting for somebody's approval."""

    account: int
    """The volunteer's account."""
    record_no: int
    """The record's number within the account."""
    state: str
    """`credited`, `waiting_branch` or `waiting_head_office`."""
    minutes: int
    """Verified minutes of the service."""
    points: PointsSum
    """Points credited; zero while it waits."""
    line_no: int | None
    """The line in the passbook, if there is one."""
    balance: PointsSum
    """The balance after it."""
    replaces_record_no: int | None = None
    """The record that this one corrects."""


class HoursDecided(Receipt):
    """A waiting record was approved or refused, or a credited one voided."""

    account: int
    """The volunteer's account."""
    record_no: int
    """The record's number within the account."""
    state: str
    """`credited`, `refused` or `voided`."""
    minutes: int
    """Minutes of the record."""
    points: PointsSum
    """Points credited, or taken back when it was voided."""
    line_no: int | None
    """The line in the passbook, if there is one."""
    balance: PointsSum
    """The balance after it."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row of a bulk call."""

    #: Position in the call, from 0.
    index: int
    ref: str | None
    #: `credited`, `waiting_branch`, `waiting_head_office`, `redeemed`, `replayed` or `refused`.
    outcome: str
    account: int | None = None
    record_no: int | None = None
    line_no: int | None = None
    minutes: int = 0
    points: Points | None = None
    balance: Points | None = None
    #: Why it was refused; None otherwise.
    error: GongyiBankError | None = None
    #: The redemption that the row stands for, new or replayed: what a refund asks for.
    redemption_id: UUID | None = None

    @classmethod
    def refusal(
        cls,
        index: int,
        ref: str | None,
        account: int | None,
        error: GongyiBankError,
        zone: dt.tzinfo,
    ) -> Self:
        """A row that was refused, its times told by the clock of the bank's zone."""
        return cls(index, ref, _REFUSED, account, error=error.in_zone(zone))

    def to_list(self) -> list[Any]:
        """A compact JSON form."""
        error = self.error and [self.error.code, self.error.shown_facts()]
        points, balance = (None if p is None else str(p) for p in (self.points, self.balance))
        more = [str(self.redemption_id)] if self.redemption_id else []
        return [
            self.index, self.ref, self.outcome, self.account, self.record_no, self.line_no,
            self.minutes, points, balance, error, *more,
        ]  # fmt: skip

    @classmethod
    def of_list(cls, parts: list[Any]) -> Self:
        """The outcome that `to_list` wrote."""
        first, more = parts[:10], parts[10:]
        index, ref, outcome, account, record_no, line_no, minutes, points, balance, error = first
        return cls(
            index=index,
            ref=ref,
            outcome=outcome,
            account=account,
            record_no=record_no,
            line_no=line_no,
            minutes=minutes,
            points=None if points is None else Points.of_sum(points),
            balance=None if balance is None else Points.of_sum(balance),
            error=error_of(*error) if error else None,
            redemption_id=UUID(more[0]) if more else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyRecorded:
    """What became of every row of a bulk call, in the rows' order.

    `voucher_id` is None when nothing was accepted, since then nothing was written.
    """

    voucher_id: UUID | None
    business_day: dt.date
    booked_at: dt.datetime
    outcomes: tuple[RowOutcome, ...]

    def count(self, outcome: str) -> int:
        """How many rows ended like this."""
        return sum(1 for row in self.outcomes if row.outcome == outcome)

    @property
    def refused(self) -> tuple[RowOutcome, ...]:
        """The refused rows, in order."""
        return tuple(row for row in self.outcomes if row.error is not None)

    def to_json(self) -> str:
        """The receipt as JSON."""
        id_text = str(self.voucher_id) if self.voucher_id else None
        rows = [row.to_list() for row in self.outcomes]
        return json.dumps(
            [id_text, self.business_day.isoformat(), self.booked_at.isoformat(), rows],
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The receipt that `to_json` wrote; raises InvalidValue for any other text."""
        try:
            id_text, day, booked_at, rows = json.loads(text)
            return cls(
                voucher_id=UUID(id_text) if id_text else None,
                business_day=dt.date.fromisoformat(day),
                booked_at=dt.datetime.fromisoformat(booked_at),
                outcomes=tuple(RowOutcome.of_list(row) for row in rows),
            )
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            pass  # What the parser says might show the text.
        raise InvalidValue.of("receipt", text, "it is no receipt of a list", personal=True)
