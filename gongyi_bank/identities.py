"""Identity documents: what their numbers must look like, and nothing about who holds them."""

from __future__ import annotations

import re
import string
from datetime import date
from enum import StrEnum
from typing import NoReturn

from gongyi_bank.errors import InvalidNumber
from gongyi_bank.values import CJK

__all__ = ["IdentityKind", "birth_date_of", "check_identity_no"]


class IdentityKind(StrEnum):
    """The documents that prove who somebody is, or which organisation it is."""

    RESIDENT_ID = "resident_id"  #: 居民身份证
    RESIDENCE_PERMIT = "residence_permit"  #: 港澳台居民居住证
    PASSPORT = "passport"  #: 护照
    HOME_RETURN_PERMIT = "home_return_permit"  #: 港澳居民来往内地通行证 (回乡证)
    TAIWAN_PERMIT = "taiwan_permit"  #: 台湾居民来往大陆通行证 (台胞证)
    MILITARY_ID = "military_id"  #: 军官证、士兵证
    HOUSEHOLD_REGISTER = "household_register"  #: 户口簿, for children without a card
    FOREIGN_PERMANENT_RESIDENCE = "foreign_permanent_residence"  #: 外国人永久居留身份证
    USCC = "uscc"  #: 统一社会信用代码, of an organisation
    OTHER = "other"


_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_GB_11643 = r"[0-9]{17}[0-9X]"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_SHAPES = {
    IdentityKind.RESIDENT_ID: _GB_11643,
    IdentityKind.RESIDENCE_PERMIT: _GB_11643,
    IdentityKind.PASSPORT: r"[A-Z0-9]{5,15}",
    IdentityKind.HOME_RETURN_PERMIT: r"[HM][0-9]{8}(?:[0-9]{2})?",
    IdentityKind.TAIWAN_PERMIT: r"[0-9]{8}|[0-9]{10}[A-Z]?",
    IdentityKind.MILITARY_ID: rf"[0-9A-Z{CJK}-]{{5,17}}",
    IdentityKind.HOUSEHOLD_REGISTER: rf"{_GB_11643}|[0-9A-Z]{{5,17}}",
    IdentityKind.FOREIGN_PERMANENT_RESIDENCE: r"9[0-9]{16}[0-9X]|[A-Z]{3}[0-9]{12}",
    IdentityKind.USCC: rf"[{_USCC_ALPHABET}]{{2}}[0-9]{{6}}[{_USCC_ALPHABET}]{{10}}",
    IdentityKind.OTHER: rf"[0-9A-Z{CJK}./()-]{{1,40}}",
}


def check_identity_no(kind: IdentityKind | str, text: str, *, field: str = "identity_no") -> str:
    """The number of an identity document, stripped and in capitals, if it can be right.

    Length, characters, check digit and a real date of birth are checked (GB 11643,
    GB 32100). The area code never is: real cards carry codes that no list has. The
    number is in no error. Raises InvalidNumber.
    """
    if kind not in _SHAPES:
        raise InvalidNumber.of("kind", kind, "it is no kind of document", personal=True)
    number = text.strip().translate(_CAPITALS) if isinstance(text, str) else ""
    if not re.fullmatch(_SHAPES[IdentityKind(kind)], number):
        _refuse_identity(field, text, f"a {kind} has another length or other characters")
    if len(number) == 18 and kind not in ("uscc", "other"):
        _require_gb_11643(number, field)
    if kind == "uscc" and _uscc_check(number[:17]) != number[17]:
        _refuse_identity(field, text, "the check character is wrong")
    return number


def birth_date_of(resident_id: str, *, field: str = "identity_no") -> date:
    """The date of birth in an 18-digit identity number; raises InvalidNumber if it is wrong."""
    number = check_identity_no(IdentityKind.RESIDENT_ID, resident_id, field=field)
    return _require_gb_11643(number, field)


def _refuse_identity(field: str, text: object, reason: str) -> NoReturn:
    raise InvalidNumber.of(field, text, reason, personal=True) from None


def _require_gb_11643(number: str, field: str) -> date:
    weighed = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(number[:17]))
    if "10X98765432"[weighed % 11] != number[17]:
        _refuse_identity(field, number, "the check digit is wrong")
    try:
        born_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        born_on = date.min
    if born_on.year < 1800:
        _refuse_identity(field, number, "it has no date of birth since 1800")
    return born_on


def _uscc_check(body: str) -> str:
    weighed = sum(_USCC_ALPHABET.index(sign) * pow(3, i, 31) for i, sign in enumerate(body))
    return _USCC_ALPHABET[-weighed % 31]
