"""Commands about service hours: 记录、批准、驳回、更正."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import Field

from gongyi_bank.commands.base import AccountNo, AsTuple, Code, Command, Moment, Reason, Ref
from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_moment
from gongyi_bank.receipts.hours import HoursDecided, HoursRecorded, ManyRecorded
from gongyi_bank.values import canonical, clean_code, parse_account_no

#: Rows in one call; more make the transaction long without making it faster.
ROWS_MAX = 10_000


@lru_cache(maxsize=8192)
def _code(value: str, field: str) -> str:
    return clean_code(value, field=field, length_max=_LENGTHS.get(field, 40))


#: References may be longer than codes.
_LENGTHS = {"customer_ref": 100, "project": 100, "ref": 100}


def _require_code(value: Any, field: str) -> str:
    if type(value) is not str:
        raise InvalidValue.of(field, value, "it must be text")
    return _code(value, field)


#: An account number once parsed; a clerk's customers come again and again.
_account_no = lru_cache(maxsize=8192)(parse_account_no)


class _Digested:
    """Room for a digest that was computed once: no field, so that it is in no JSON."""

    __slots__ = ("_digest",)
    _digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow(_Digested):
    """One service as a clerk sends it: who, what, when, where, how rated, by whom recorded.

    A plain value rather than a model, because thousands come at once. Raises InvalidValue.

    >>> row = ServiceRow(
    ...     account=100200001233,
    ...     category="elder_care",
    ...     outlet="B01S03",
    ...     started_at=morning,
    ...     ended_at=noon,
    ...     recorded_by="T-1",
    ...     checked_by="K-1",
    ... )
    """

    #: The account number; or leave it out and give `customer_ref`.
    account: int | None = None
    #: The customer's external reference, as it was registered.
    customer_ref: str | None = None
    #: A category of the tariff in force on the day of service.
    category: str
    #: When the service began and ended; aware. It belongs to the day on which it starts.
    started_at: dt.datetime
    ended_at: dt.datetime
    #: The outlet where the service was given and is handled.
    outlet: str
    #: The project it was part of.
    project: str | None = None
    #: 评单: the client's rating, 1 to 5.
    client_rating: int | None = None
    #: Staff codes of the two people: 经办 and 复核.
    recorded_by: str
    checked_by: str
    #: The sender's own reference; the same row sent again has no effect.
    ref: str | None = None

    def __post_init__(self) -> None:
        if (self.account is None) == (self.customer_ref is None):
            raise InvalidValue.of("account", self.account, "give account or customer_ref")
        if self.account is not None:
            parse = _account_no if type(self.account) is int else parse_account_no
            object.__setattr__(self, "account", parse(self.account))
        for field in ("category", "outlet", "recorded_by", "checked_by"):
            self._clean(field, getattr(self, field))
        for field in ("customer_ref", "project", "ref"):
            value = getattr(self, field)
            if value is not None:
                self._clean(field, value)
        require_moment(self.started_at, "started_at")
        require_moment(self.ended_at, "ended_at")
        rating = self.client_rating
        if rating is not None and (type(rating) is not int or not 1 <= rating <= 5):
            raise InvalidValue.of("client_rating", rating, "a whole number from 1 to 5")

    def _clean(self, field: str, value: Any) -> None:
        cleaned = _require_code(value, field)
        if cleaned is not value:
            object.__setattr__(self, field, cleaned)

    def digest(self) -> bytes:
        """SHA-256 over all fields: what "the same row" means."""
        if hasattr(self, "_digest"):
            return self._digest
        content = canonical(
            "service", self.account, self.customer_ref, self.category, self.started_at,
            self.ended_at, self.outlet, self.project, self.client_rating, self.recorded_by,
            self.checked_by, self.ref,
        )  # fmt: skip
        object.__setattr__(self, "_digest", hashlib.sha256(content).digest())
        return self._digest


#: The number of a record within its account.
RecordNo = Annotated[int, Field(ge=1, le=2**31)]


class RecordHours(Command):
    """Record one service and credit its points, unless a daily limit makes it wait."""

    receipt: ClassVar = HoursRecorded
    act: ClassVar[str] = "hours.record"

    account: AccountNo
    """The volunteer's account."""
    category: Code
    """A category of the tariff in force on the day of service."""
    started_at: Moment
    """When the service began; it belongs to this day."""
    ended_at: Moment
    """When it ended."""
    outlet: Code
    """Where the service was given and is handled."""
    recorded_by: Code
    """经办: the staff code of who recorded it."""
    checked_by: Code
    """复核: the staff code of who checked it, another person."""
    project: Ref | None = None
    """The project it was part of."""
    client_rating: Annotated[int, Field(ge=1, le=5)] | None = None
    """评单: the client's rating, 1 to 5."""
    ref: Ref | None = None
    """The sender's own reference; the same row sent again has no effect."""

    def row(self) -> ServiceRow:
        """This command as a row of a bulk call."""
        fields = {name: getattr(self, name) for name in ServiceRow.__slots__ if name in _OWN}
        return ServiceRow(**fields)


_OWN = frozenset(RecordHours.model_fields) - {"idempotency_key"}


class RecordManyHours(Command):
    """Record a list of services: the same books as one by one, in one posting."""

    receipt: ClassVar = ManyRecorded
    act: ClassVar[str] = "hours.record_many"

    rows: Annotated[tuple[ServiceRow, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """The rows, judged in order; each is credited, waits, or is refused by itself."""

    def request_digest(self) -> bytes:
        """SHA-256 over the rows' own digests."""
        return hashlib.sha256(b"".join(row.digest() for row in self.rows)).digest()


class ApproveHours(Command):
    """Approve a record that waits for the branch or the head office; its points are credited."""

    receipt: ClassVar = HoursDecided
    act: ClassVar[str] = "hours.approve"

    account: AccountNo
    """The volunteer's account."""
    record_no: RecordNo
    """The record's number within the account."""


class RefuseHours(Command):
    """Refuse a waiting record, with a reason; nothing is credited."""

    receipt: ClassVar = HoursDecided
    act: ClassVar[str] = "hours.refuse"

    account: AccountNo
    """The volunteer's account."""
    record_no: RecordNo
    """The record's number within the account."""
    reason: Reason
    """Why, in words that may stand in the books."""


class VoidHours(Command):
    """Void a credited record: its minutes and points are taken back by a reversal (冲正)."""

    receipt: ClassVar = HoursDecided
    act: ClassVar[str] = "hours.void"

    account: AccountNo
    """The volunteer's account."""
    record_no: RecordNo
    """The record's number within the account."""
    reason: Reason
    """Why, in words that may stand in the books."""
    second_person: Code
    """复核: the staff code of who agreed, another person."""


class CorrectHours(Command):
    """Correct a credited record: it is voided and a new one stands in its place."""

    receipt: ClassVar = HoursRecorded
    act: ClassVar[str] = "hours.correct"

    account: AccountNo
    """The volunteer's account."""
    record_no: RecordNo
    """The record that was wrong."""
    reason: Reason
    """Why, in words that may stand in the books."""
    category: Code
    """The right category."""
    started_at: Moment
    """The right beginning."""
    ended_at: Moment
    """The right end."""
    recorded_by: Code
    """经办 of the correction."""
    checked_by: Code
    """复核 of the correction, another person."""
    project: Ref | None = None
    """The right project."""
    client_rating: Annotated[int, Field(ge=1, le=5)] | None = None
    """评单: the client's rating, 1 to 5."""
