"""Numbers of people within a text: telephones of mobiles, and residents' identity numbers."""

from __future__ import annotations

import re
import unicodedata

# Blanks, dots, dashes, strokes, brackets and signs that nobody sees: what people write between.
_DIVIDER = r"[\s./()_\u200b-\u200d\u2010-\u2015\ufeff-]{0,3}"
_MOBILE = rf"(?:(?:\+|00)?86{_DIVIDER})?1[3-9]\d(?:{_DIVIDER}\d{{4}}){{2}}"
_BIRTH = r"(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_RESIDENT = rf"\d{{6}}{_DIVIDER}{_BIRTH}{_DIVIDER}\d{{3}}[\dXx]"
_NUMBER = re.compile(rf"(?<!\d)(?:{_MOBILE}|{_RESIDENT})(?!\d)")


def holds_personal_number(text: str) -> bool:
    """Whether a telephone or identity number stands in a text, in whatever digits and dividers.

    Digits that stand one by one, and numbers of landlines, are not told from others.

    >>> holds_personal_number("tel. (138) 0013-8000"), holds_personal_number("2022-10-15")
    (True, False)
    """
    return bool(_NUMBER.search(unicodedata.normalize("NFKC", text)))
