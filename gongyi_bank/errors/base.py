"""The root of the error tree, values that could never be right, and keys used twice."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import string
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar, Self

from gongyi_bank.errors.personal import holds_personal_number
from gongyi_bank.errors.words import moment_in, said

Fact = Any
_PARSE = string.Formatter().parse
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - beside the clock's reading in UTC


def _names_in(*templates: str) -> frozenset[str]:
    return frozenset(name for text in templates for _, name, _, _ in _PARSE(text) if name)


class GongyiBankError(Exception):
    """The root of everything that this library raises on purpose.

    `code` is stable and meant for programs, `facts` says what was found, `str()`
    is one line in Chinese and English that ends with what to do next. Two are equal that say
    the same of the same moments, wherever they come from: a call, a pickle or a bulk receipt.
    """

    code: ClassVar[str] = "error"
    #: True when running the same call again, unchanged, may succeed.
    retryable: ClassVar[bool] = False
    zh: ClassVar[str] = "出错"
    en: ClassVar[str] = "error"
    #: What a person should do now, in both languages.
    next_zh: ClassVar[str] = ""
    next_en: ClassVar[str] = ""
    _required: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._required = _names_in(cls.zh, cls.en, cls.next_zh, cls.next_en)

    def __init__(self, **facts: Fact) -> None:
        missing = self._required - facts.keys()
        if missing:
            raise TypeError(f"{type(self).__name__} needs the facts {sorted(missing)}")
        self.facts: dict[str, Fact] = facts
        super().__init__(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        # What others have hung on it, like the notes of `add_note`, goes along.
        added = {name: value for name, value in vars(self).items() if name != "facts"}
        return (_rebuild, (type(self), self.facts), added or None)

    def __eq__(self, other: object) -> bool:
        """Equal when the same is said: same kind and same facts, also after a round trip."""
        if type(self) is not type(other) or not isinstance(other, GongyiBankError):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self), self._compared()))

    def _compared(self) -> frozenset[tuple[str, str]]:
        """The facts by which two errors are the same: one moment is one, in every zone."""
        return frozenset((name, _compared(name, value)) for name, value in self.facts.items())

    def shown_facts(self) -> dict[str, str]:
        """The facts as text, for logs and JSON; moments in ISO 8601 with their offset."""
        return {name: _as_text(value) for name, value in self.facts.items()}

    def in_zone(self, zone: dt.tzinfo) -> Self:
        """The same error as this zone's clock tells its moments: the one on the bank's wall.

        Itself where it tells none; otherwise a copy, which is equal to it.
        """
        facts = {name: _on_clock(fact, zone) for name, fact in self.facts.items()}
        if all(facts[name] is fact for name, fact in self.facts.items()):
            return self
        told = copy.copy(self)
        told.facts.update(facts)
        # Where it came from is told of the copy as of the first one.
        told.__cause__, told.__context__ = self.__cause__, self.__context__
        told.__suppress_context__ = self.__suppress_context__
        return told.with_traceback(self.__traceback__)

    def message(self, language: str = "en", *, with_advice: bool = True) -> str:
        """The sentence and the advice in one language, "zh" or "en"."""
        is_zh = language == "zh"
        sentence, advice = (self.zh, self.next_zh) if is_zh else (self.en, self.next_en)
        if with_advice and advice:
            sentence += ("。" if is_zh else ". ") + advice
        words = {name: said(name, fact, language) for name, fact in self.facts.items()}
        return sentence.format(**words)

    def __str__(self) -> str:
        return f"[{self.code}] {self.message('zh')} / {self.message('en')}"


def _as_text(fact: Fact) -> str:
    return fact.isoformat() if isinstance(fact, dt.datetime) else str(fact)


def _on_clock(fact: Fact, zone: dt.tzinfo) -> Fact:
    if isinstance(fact, dt.datetime) and fact.utcoffset() is not None:
        with suppress(OverflowError):  # at the ends of the calendar it may have no date there
            return fact.astimezone(zone)
    return fact


def _compared(name: str, fact: Fact) -> str:
    moment = moment_in(name, fact)
    offset = moment.utcoffset() if moment is not None else None
    if moment is None or offset is None:
        return _as_text(fact)
    # In UTC, but as a distance: at the ends of the calendar it may have no date there.
    return f"moment {moment.replace(tzinfo=None) - _EPOCH - offset}"


def _rebuild(cls: type[GongyiBankError], facts: dict[str, Fact]) -> GongyiBankError:
    return cls(**facts)


def error_of(code: str, facts: dict[str, str]) -> GongyiBankError:
    """The error of a stored `code` and its facts as text: how a bulk receipt is read back."""
    return _classes_by_code()[code](**facts)


@functools.cache
def _classes_by_code() -> dict[str, type[GongyiBankError]]:
    found: dict[str, type[GongyiBankError]] = {}
    waiting: list[type[GongyiBankError]] = [GongyiBankError]
    while waiting:
        cls = waiting.pop()
        found[cls.code] = cls
        waiting += cls.__subclasses__()
    return found


class InvalidValue(GongyiBankError):
    """A field holds something that no rule could accept; names field, value and reason."""

    code = "invalid_value"
    zh = "{field} 的值 {value} 无效：{reason}"
    en = "{field}: {value} is not valid: {reason}"
    next_zh = "请更正后重试"
    next_en = "Correct it and try again"

    @classmethod
    def of(cls, field: str, value: object, reason: str, *, personal: bool = False) -> Self:
        """Show the value, shortened; a personal one is shown only as its kind and length."""
        return cls(field=field, value=describe_value(value, personal=personal), reason=reason)


def describe_value(value: object, *, personal: bool = False) -> str:
    """A short, printable picture of a value for an error; never a personal one.

    Nor a text with a number of somebody's, whose field was taken for another one.
    """
    if personal:
        return f"<{type(value).__name__} not shown>"
    if isinstance(value, int) and abs(value) > 10**30:
        return f"<int of {value.bit_length()} bits>"
    if isinstance(value, (str, int)) and holds_personal_number(str(value)[:200]):
        return f"<{type(value).__name__} not shown>"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return f"<{type(value).__name__} of {len(value)}>"  # who knows what is in it
    if isinstance(value, Iterator):
        return f"<{type(value).__name__}>"  # its picture would be where it lies in memory
    try:
        if isinstance(value, dt.date):
            return value.isoformat()
        shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except Exception:  # noqa: BLE001 - whatever a stranger's repr raises, we still refuse
        shown = f"<{type(value).__name__}>"
    return shown if len(shown) <= 60 else f"{shown[:50]}…({len(shown)} characters)"


class InvalidAmount(InvalidValue):
    """Points or money that is a float, not a number, not positive, too fine or too large."""

    code = "invalid_amount"


class InvalidInstant(InvalidValue):
    """A date or time without a zone where one is needed, or outside the calendar."""

    code = "invalid_instant"


class InvalidText(InvalidValue):
    """Text with control characters, lone surrogates, personal numbers, or too long."""

    code = "invalid_text"


class InvalidNumber(InvalidValue):
    """A printed number (account, passbook, identity document) whose check digit is wrong."""

    code = "invalid_number"


class UnknownAct(InvalidValue):
    """`execute` was handed something that is no command of this library."""

    code = "unknown_act"


class IdempotencyConflict(GongyiBankError):
    """This key or reference was used for a request with other content."""

    code = "idempotency_conflict"
    zh = "键 {key} 已用于另一内容的请求"
    en = "the key {key} was used for a request with other content"
    next_zh = "同一请求用同一键，新的请求换新键"
    next_en = "Repeat the first request unchanged, or use a new key"
