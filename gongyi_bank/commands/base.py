"""What all commands share: strict, frozen, keyword-only, and refusals of our own.

A command is a wish in the imperative, complete enough to be stored, queued or sent as
JSON, and run later with `bank.execute(command)`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, ValidationInfo

from gongyi_bank.errors import InvalidValue
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.errors.validation import refusal_of as refusal_of
from gongyi_bank.periods import require_moment
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.values import clean_code, clean_text, lint_free_text, parse_account_no

#: Version of the canonical form that a request's digest covers.
DIGEST_VERSION = 1


def _field(info: ValidationInfo) -> str:
    return info.field_name or "value"


def _as_code(value: Any, info: ValidationInfo) -> str:
    return clean_code(value, field=_field(info))


def _as_ref(value: Any, info: ValidationInfo) -> str:
    return clean_code(value, field=_field(info), length_max=100)


def _as_key(value: Any, info: ValidationInfo) -> str:
    return clean_code(value, field=_field(info), length_max=200)


def _as_account_no(value: Any, info: ValidationInfo) -> int:
    return parse_account_no(value, field=_field(info))


def _as_instant(value: Any, info: ValidationInfo) -> Any:
    if info.mode == "json" and isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise InvalidValue.of(_field(info), value, "not an ISO 8601 instant") from None
    return require_moment(value, field=_field(info))


def _as_name(value: Any, info: ValidationInfo) -> str:
    return clean_text(value, field=_field(info), length_max=100)


def _as_reason(value: Any, info: ValidationInfo) -> str:
    return lint_free_text(value, _field(info))


#: A printed code: outlet, staff, store, article, category.
Code = Annotated[str, BeforeValidator(_as_code)]
#: A reference of the caller's, unique per bank for its kind of row.
Ref = Annotated[str, BeforeValidator(_as_ref)]
#: An account number, as an integer or as printed ("1002 0000123 7").
AccountNo = Annotated[int, BeforeValidator(_as_account_no)]
#: An aware moment.
Moment = Annotated[dt.datetime, BeforeValidator(_as_instant)]
#: A name that is shown in public: an outlet's, a store's, an article's.
PublicName = Annotated[str, BeforeValidator(_as_name)]
#: Why something was done; goes into the books, so it may hold no personal number.
Reason = Annotated[str, BeforeValidator(_as_reason)]
#: A whole number of pieces.
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
#: A store's or an outlet's key for a request; repeating it repeats the answer.
Key = Annotated[str, BeforeValidator(_as_key)]


#: Lets a list stand where a tuple is kept. No function: it would turn JSON into Python, in
#: which a date is no longer text. The first wrong item ends it: what is said is about that one, and
#: a list of a billion would be a billion errors.
AsTuple = Field(strict=False, fail_fast=True)


class Command(CheckedModel):
    """A wish: frozen, strict, nothing unknown in it.

    Raises InvalidValue (or one of its kinds) that names the field, never pydantic's error.
    """

    #: What the act answers; a replay reads it back from the voucher.
    receipt: ClassVar[type[AnyReceipt]]
    #: The act's name, as vouchers and permissions know it: "noun.verb".
    act: ClassVar[str]
    #: What does not enter the digest, in the form of pydantic's `exclude`: the key, and
    #: whatever is personal.
    left_out: ClassVar[dict[str, Any]] = {"idempotency_key": True}

    idempotency_key: Key | None = None
    """The same key and the same content give the same receipt, however often they are sent."""

    if TYPE_CHECKING:

        def __init__(self, /, **fields: Any) -> None: ...

    def request_digest(self) -> bytes:
        """SHA-256 over the act and the fields that differ from their defaults; nothing personal.

        So a command that went through JSON, defaults written out, is still the same request.
        """
        content = self.model_dump_json(exclude_defaults=True, exclude=self.left_out)
        return hashlib.sha256(f"{DIGEST_VERSION}:{self.act}:{content}".encode()).digest()
