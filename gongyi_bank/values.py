"""Amounts, printed numbers, texts and the byte form that is hashed.

Everything here is exact and pure: integers and text, never a float, no clock and no
randomness. What could never be right is refused here, at the door, so that the rules
behind it need not ask again.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import total_ordering
from typing import Annotated, Any, Final, Literal, NoReturn, Self

from gongyi_bank.errors import (
    InvalidAmount,
    InvalidInstant,
    InvalidNumber,
    InvalidText,
)
from gongyi_bank.errors.personal import holds_personal_number
from gongyi_bank.periods import require_aware

__all__ = [
    "CJK",
    "NEVER",
    "POINTS_MAX",
    "SCALE_MAX",
    "Points",
    "PointsSum",
    "PositivePoints",
    "canonical",
    "check_digit_mod_11_10",
    "clean_code",
    "clean_text",
    "compose_account_no",
    "compose_passbook_no",
    "format_account_no",
    "format_minutes",
    "format_passbook_no",
    "lint_free_text",
    "mask_identity",
    "mask_name",
    "mask_phone",
    "new_uuid7",
    "parse_account_no",
    "parse_passbook_no",
]

#: The day on which points that do not expire would expire; the last one in the calendar.
NEVER: Final = date(9999, 12, 31)

# --- points --------------------------------------------------------------------------------

#: The finest scale: four decimals, as many as money and hours ever need.
SCALE_MAX: Final = 4
_TEN_TO: Final = (1, 10, 100, 1_000, 10_000)
_UNITS_MAX = 10**12
#: The largest amount, in whole points: a hundred million. Of it 64 bits hold the sum of nine
#: million, at four decimals; no bank comes near, and a slip of the pen is refused.
POINTS_MAX: Final = _UNITS_MAX // _TEN_TO[SCALE_MAX]
_AMOUNT = re.compile(r"^(-?[0-9]{1,13})(\.([0-9]{1,4}))?$")
#: As much as the columns of all accounts together hold.
_SUM = re.compile(r"^(-?[0-9]{1,30})(\.([0-9]{1,4}))?$")
_FINEST = Decimal(1).scaleb(-SCALE_MAX)
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation])


def _require_scale(scale: object) -> None:
    if type(scale) is not int or not 0 <= scale <= SCALE_MAX:
        raise InvalidAmount.of("scale", scale, f"a scale is 0 to {SCALE_MAX}")


@total_ordering
class Points:
    """An exact amount of points: `Points("12.50")`, or `Points(5)` for five whole points.

    Floats are refused, and so are NaN, exponents and more than four decimals. Points add
    up, compare and hash by value, whatever their scale; they also compare with int and
    Decimal, but are only added to points. Sums are not bounded, single amounts are.
    Raises InvalidAmount.
    """

    __slots__ = ("scale", "units")

    #: The amount in the smallest part: 1250 for 12.50.
    units: int
    #: The number of decimals, 0 to 4.
    scale: int

    def __new__(cls, value: Points | str | int | Decimal, *, field: str = "points") -> Self:
        if isinstance(value, Points):
            return cls._make(value.units, value.scale)
        units, scale = _read_amount(value, field)
        if abs(units) * _TEN_TO[SCALE_MAX - scale] > _UNITS_MAX:
            raise InvalidAmount.of(field, value, f"more than {POINTS_MAX} points")
        return cls._make(units, scale)

    @classmethod
    def of_units(cls, units: int, scale: int) -> Self:
        """Make points from the smallest part, as the ledger stores them: 1250 and 2 are 12.50.

        The fast way; only the types and the scale are checked. Raises InvalidAmount.
        """
        if type(units) is not int:
            raise InvalidAmount.of("units", units, "a whole number is needed")
        _require_scale(scale)
        return cls._make(units, scale)

    @classmethod
    def of_sum(cls, text: str, *, field: str = "points") -> Self:
        """Read points that were a sum, as a receipt shows them: not bounded as one amount is.

        Raises InvalidAmount.
        """
        found = _SUM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise InvalidAmount.of(field, text, "a sum reads 12 or 12.50")
        whole, part = found.group(1), found.group(3) or ""
        return cls._make(int(whole + part), len(part))

    @classmethod
    def _make(cls, units: int, scale: int) -> Self:
        self = object.__new__(cls)
        _set_units(self, units)
        _set_scale(self, scale)
        return self

    def to_units(self, scale: int, *, field: str = "points") -> int:
        """The amount as an integer at a scale: `Points("1.50").to_units(2)` is 150.

        Raises InvalidAmount when the amount is finer than the scale.
        """
        if scale == self.scale:
            return self.units
        _require_scale(scale)
        units, rest = divmod(self.units * _TEN_TO[scale], _TEN_TO[self.scale])
        if rest:
            raise InvalidAmount.of(field, str(self), f"this bank keeps {scale} decimals")
        return units

    def to_decimal(self) -> Decimal:
        """The same amount as a Decimal, for arithmetic of your own."""
        return Decimal(f"{self.units}E-{self.scale}")

    def __setattr__(self, name: str, *value: object) -> NoReturn:
        raise AttributeError("points cannot be changed")

    __delattr__ = __setattr__

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).of_units, (self.units, self.scale))

    def __str__(self) -> str:
        if not self.scale:
            return str(self.units)
        whole, part = divmod(abs(self.units), _TEN_TO[self.scale])
        return f"{'-' if self.units < 0 else ''}{whole}.{part:0{self.scale}d}"

    def __repr__(self) -> str:
        return f"Points('{self}')"

    def __format__(self, spec: str) -> str:
        if not spec or spec.endswith("s"):
            return format(str(self), spec)
        return format(self.to_decimal(), spec)

    def __hash__(self) -> int:
        return hash(self.to_decimal())

    def __bool__(self) -> bool:
        return self.units != 0

    def _pair(self, other: Points) -> tuple[int, int, int]:
        """Both amounts at the finer of the two scales, and that scale."""
        scale = max(self.scale, other.scale)
        return self.to_units(scale), other.to_units(scale), scale

    def _sides(self, other: object) -> tuple[Any, Any]:
        if isinstance(other, Points):
            return self._pair(other)[:2]
        if isinstance(other, (int, Decimal)) and not isinstance(other, bool):
            return self.to_decimal(), other
        raise TypeError(f"points compare with points, int and Decimal, not {type(other).__name__}")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bool) or not isinstance(other, (Points, int, Decimal)):
            return NotImplemented
        mine, theirs = self._sides(other)
        return bool(mine == theirs)

    def __lt__(self, other: Points | int | Decimal) -> bool:
        mine, theirs = self._sides(other)
        return bool(mine < theirs)

    def __add__(self, other: Points) -> Points:
        if not isinstance(other, Points):
            return NotImplemented
        mine, theirs, scale = self._pair(other)
        return Points._make(mine + theirs, scale)

    def __radd__(self, other: Literal[0]) -> Points:
        # sum() starts at the number 0; no other number is points.
        return self if type(other) is int and other == 0 else NotImplemented

    def __sub__(self, other: Points) -> Points:
        return self + -other if isinstance(other, Points) else NotImplemented

    def __mul__(self, times: int) -> Points:
        if not isinstance(times, int) or isinstance(times, bool):
            return NotImplemented
        return Points._make(self.units * int(times), self.scale)

    __rmul__ = __mul__

    def __neg__(self) -> Points:
        return Points._make(-self.units, self.scale)

    def __abs__(self) -> Points:
        return self if self.units >= 0 else -self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _for_pydantic,
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": _AMOUNT.pattern, "examples": ["12.50"]}


# The slots' own descriptors write past __setattr__, in half the time of object.__setattr__.
_set_units = Points.__dict__["units"].__set__
_set_scale = Points.__dict__["scale"].__set__


def _read_amount(value: object, field: str) -> tuple[int, int]:
    if isinstance(value, str):
        return _split_text(str(value), field)
    if isinstance(value, Decimal):
        return _split_decimal(value, field)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value), 0
    raise InvalidAmount.of(field, value, "points are text, an int or a Decimal, never a float")


def _split_text(text: str, field: str) -> tuple[int, int]:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise InvalidAmount.of(field, text, "an amount reads 12 or 12.50, with at most 4 decimals")
    whole, part = found.group(1), found.group(3) or ""
    return int(whole + part), len(part)


def _split_decimal(value: Decimal, field: str) -> tuple[int, int]:
    # Zeros beyond the fourth decimal are padding from a column's type, not precision.
    try:
        scale = min(max(-int(value.as_tuple().exponent), 0), SCALE_MAX)
        finest = value.quantize(_FINEST, context=_EXACT)
        return int(finest.scaleb(scale, context=_EXACT)), scale
    except (ArithmeticError, ValueError):
        reason = f"it is not finite, over {POINTS_MAX} or finer than {SCALE_MAX} decimals"
        raise InvalidAmount.of(field, value, reason) from None


def _for_pydantic(value: Any) -> Points:
    try:
        return Points(value)
    except InvalidAmount as error:
        raise _pydantic_error(error.facts["reason"]) from None


def _sum_for_pydantic(value: Any) -> Points:
    if isinstance(value, Points):
        return value
    try:
        return Points.of_sum(value)
    except InvalidAmount as error:
        raise _pydantic_error(error.facts["reason"]) from None


def _pydantic_error(reason: str) -> Exception:
    # A ValidationError knows which field of which model it was; our own error would not.
    from pydantic_core import PydanticCustomError

    return PydanticCustomError("invalid_amount", "{reason}", {"reason": reason})


class _Positive:
    """Says to pydantic that points must be above zero."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.require, handler(source))

    @staticmethod
    def require(value: Points) -> Points:
        if value.units <= 0:
            raise _pydantic_error("it must be above zero")
        return value


#: The type of a model's field that holds points above zero.
PositivePoints = Annotated[Points, _Positive()]


class _Sum:
    """Says to pydantic that points may add up to more than one amount can be."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _sum_for_pydantic,
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "pattern": _SUM.pattern, "examples": ["12.50"]}


#: The type of a receipt's field: what the books add up to must be readable again.
PointsSum = Annotated[Points, _Sum()]


def format_minutes(minutes: int, language: str = "zh") -> str:
    """Service time for people: 1530 minutes are "25小时30分钟", in English "25 h 30 min"."""
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    if language != "zh":
        return f"{sign}{hours} h {rest:02d} min"
    shown = (f"{hours}小时" if hours else "") + (f"{rest}分钟" if rest or not hours else "")
    return sign + shown


# --- numbers that are printed --------------------------------------------------------------


def check_digit_mod_11_10(digits: str) -> int:
    """The check digit of ISO 7064 MOD 11,10 for a row of ASCII digits.

    It catches every single wrong digit, and all swaps of two neighbouring digits but one
    in 45 (only neighbours in value, such as 4 and 5, can pass). Raises InvalidNumber.
    """
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidNumber.of("digits", digits, "ASCII digits are needed")
    product = 10
    for digit in digits:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return (11 - product) % 10


def _require_int(value: object, field: str, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise InvalidNumber.of(field, value, f"a whole number from {least} to {most} is needed")


def _parse_printed(value: object, length: int, field: str) -> int:
    """A printed number whose last digit is the check digit; blanks and hyphens may divide it."""
    if type(value) is int and 0 <= value < 10**length:
        digits = f"{value:0{length}d}"
    else:
        digits = value.replace(" ", "").replace("-", "") if isinstance(value, str) else ""
    # What is no number of ours may be a telephone or identity number: do not show it.
    if not (digits.isascii() and digits.isdigit() and len(digits) == length):
        raise InvalidNumber.of(field, value, f"{length} digits 0-9 are needed", personal=True)
    if check_digit_mod_11_10(digits[:-1]) != int(digits[-1]):
        # Eleven digits with a zero before them may be a telephone number, too.
        reason = "the check digit is wrong; look for a slip"
        raise InvalidNumber.of(field, value, reason, personal=length == 12 and digits[0] == "0")
    return int(digits)


def compose_account_no(outlet_no: int, serial: int) -> int:
    """The account number of an outlet's serial: 12 digits, the last one the check digit.

    `compose_account_no(1002, 123)`; outlets are 1000–9999, serials up to 9 999 999.
    Raises InvalidNumber.
    """
    _require_int(outlet_no, "outlet_no", 1000, 9999)
    _require_int(serial, "serial", 0, 10**7 - 1)
    body = outlet_no * 10**7 + serial
    return body * 10 + check_digit_mod_11_10(str(body))


def parse_account_no(value: int | str, *, field: str = "account") -> int:
    """An account number as typed from a passbook, "1002 0000123 3"; raises InvalidNumber."""
    number = _parse_printed(value, 12, field)
    if number < 10**11:
        reason = "an account number does not start with 0"
        raise InvalidNumber.of(field, value, reason, personal=True)
    return number


def format_account_no(no: int) -> str:
    """The account number as printed: outlet, serial and check digit, "1002 0000123 3"."""
    return f"{no // 10**8:04d} {no // 10 % 10**7:07d} {no % 10}"


def compose_passbook_no(serial_index: int) -> int:
    """The number of the n-th passbook ever printed, with its check digit; n is at most 99 999 999.

    Printed with leading zeros: use `format_passbook_no`. Raises InvalidNumber.
    """
    _require_int(serial_index, "serial_index", 0, 10**8 - 1)
    return serial_index * 10 + check_digit_mod_11_10(f"{serial_index:08d}")


def parse_passbook_no(value: int | str, *, field: str = "passbook") -> int:
    """A passbook number as typed, blanks and hyphens allowed; raises InvalidNumber."""
    return _parse_printed(value, 9, field)


def format_passbook_no(no: int) -> str:
    """The passbook number as printed: eight digits and the check digit, "00000123 3"."""
    return f"{no // 10:08d} {no % 10}"


# --- texts ---------------------------------------------------------------------------------

# Control characters, lone surrogates, line and paragraph separators, and the signs that
# turn the direction of what follows: each can make a printed line say something else.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
#: Chinese characters, rare ones too, as a range within a regular expression.
CJK: Final = "\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_CODE = re.compile(rf"[A-Za-z0-9{CJK}\-_.:/#]+")


def clean_text(
    value: str, *, field: str, length_max: int, length_min: int = 1, personal: bool = False
) -> str:
    """Text as it is kept: NFC, without blanks around it, at most `length_max` characters.

    Rare characters such as 𠮷 stay. Raises InvalidText for control characters, lone
    surrogates, signs that turn the writing direction, and text too short, blank or too long.
    """
    if not isinstance(value, str):
        raise InvalidText.of(field, value, "it must be text", personal=personal)
    if _FORBIDDEN.search(value):
        raise InvalidText.of(field, value, "it holds a control character", personal=personal)
    text = unicodedata.normalize("NFC", value.strip())
    if len(text) > length_max:
        raise InvalidText.of(field, value, f"over {length_max} characters", personal=personal)
    unseen = all(unicodedata.category(sign) in ("Cf", "Zs") for sign in text)
    if len(text) < length_min or (length_min and unseen):
        raise InvalidText.of(field, value, "it is blank or too short", personal=personal)
    return text


def clean_code(value: str, *, field: str, length_max: int = 40) -> str:
    """A code of letters, digits, 汉字 and - _ . : / #, without blanks; raises InvalidText."""
    code = clean_text(value, field=field, length_max=length_max)
    if not (_CODE.fullmatch(value) and _CODE.fullmatch(code)):
        raise InvalidText.of(field, value, "letters, digits, 汉字 and - _ . : / # only")
    return code


def lint_free_text(value: str, field: str, *, length_max: int = 200) -> str:
    """As `clean_text`, for a reason or memo: refuses one that tells a personal number.

    Reasons go into the ledger, from which nothing can be erased; a telephone or identity
    number there could never be forgotten. Raises InvalidText, without the text.
    """
    text = clean_text(value, field=field, length_max=length_max, personal=True)
    if holds_personal_number(text):
        raise InvalidText.of(field, value, "it holds a mobile or identity number", personal=True)
    return text


def mask_name(name: str) -> str:
    """A name for a public list: 张三丰 is shown as 张*丰, 张三 as 张*."""
    if len(name) < 3:
        return name[:-1] + "*" * bool(name)
    return f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"


def _mask(text: str, head: int, tail: int) -> str:
    hidden = len(text) - head - tail
    if hidden < max(head + 1, tail):  # Too short to show so much of it.
        return "*" * len(text)
    return text[:head] + "*" * hidden + text[len(text) - tail :]


def mask_identity(number: str) -> str:
    """An identity number for the screen: "512002********0012"; short ones show less."""
    return _mask(number, 6, 4) if len(number) >= 18 else _mask(number, 2, 2)


def mask_phone(phone: str) -> str:
    """A telephone number for the screen: "138****1234"."""
    return _mask(phone, 3, 4) if len(phone) >= 11 else _mask(phone, 0, 3)


# --- bytes ---------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def new_uuid7(now: datetime, random_bytes: bytes) -> bytes:
    """The 16 bytes of a UUIDv7 (RFC 9562) of a millisecond, from 10 random bytes you bring.

    Ids sort by time, to the millisecond. Raises InvalidInstant for a time without a zone
    or before 1970, ValueError for another number of bytes.
    """
    milliseconds = (require_aware(now, "now") - _EPOCH) // _MICROSECOND // 1000
    if milliseconds < 0:
        raise InvalidInstant.of("now", now, "it is before 1970")
    if len(random_bytes) != 10:
        raise ValueError("10 random bytes are needed")
    chance = int.from_bytes(random_bytes)
    head = milliseconds << 16 | 0x7000 | chance >> 68
    return (head << 64 | 0x8 << 60 | chance & 0x3FFF_FFFF_FFFF_FFFF).to_bytes(16)


def canonical(*fields: int | str | bytes | date | datetime | None) -> bytes:
    """The one byte form of a row of fields, for hashes: other fields always give other bytes.

    `canonical(1, "a", None)` is b"gb1;i1;s1:a;n;". A field is a letter for its type and its
    value: text after its length in characters, bytes after theirs in hexadecimal, instants
    as microseconds since 1970 UTC; all of it UTF-8. "gb1" is the version of the form.
    Raises InvalidInstant for a time without a zone, InvalidText for a lone surrogate,
    TypeError for any other type (also bool and float).
    """
    parts = ["gb1"]
    for value in fields:
        kind = type(value)
        if kind is int:
            parts.append(f"i{value!s}")
        elif kind is str:
            parts.append(f"s{len(value)}:{value!s}")  # type: ignore[arg-type]
        elif kind is bytes:
            parts.append(f"b{len(value)}:{value.hex()}")  # type: ignore[arg-type, union-attr]
        elif kind is date:
            parts.append(f"d{value!s}")
        else:
            parts.append("n" if value is None else _canonical_other(value))
    parts.append("")
    try:
        return ";".join(parts).encode()
    except UnicodeEncodeError:
        raise InvalidText.of("fields", "text", "it holds a lone surrogate") from None


def _canonical_other(value: object) -> str:
    if isinstance(value, datetime):
        return f"t{(require_aware(value, 'fields') - _EPOCH) // _MICROSECOND}"
    if isinstance(value, date):
        return f"d{value.isoformat()}"
    if isinstance(value, str):
        return f"s{len(value)}:{str.__str__(value)}"  # A StrEnum: its value.
    if isinstance(value, int) and not isinstance(value, bool):
        return f"i{int(value)}"
    raise TypeError(f"{type(value).__name__} has no canonical form")
