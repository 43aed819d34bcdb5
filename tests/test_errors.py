"""The error tree: one code per class, both languages, facts that survive every journey."""

from __future__ import annotations

import ast
import datetime as dt
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import gongyi_bank.errors
from gongyi_bank.commands.base import Command
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import (
    GongyiBankError,
    IdempotencyConflict,
    InvalidAmount,
    InvalidValue,
    OutcomeUnknown,
    PoolShort,
    Refused,
    RetryTransaction,
    ServiceInFuture,
    ServiceOverlap,
    UnknownOutlet,
    describe_value,
    error_of,
)
from gongyi_bank.errors.words import said
from gongyi_bank.receipts.hours import RowOutcome
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District

CHINESE = re.compile("[\u4e00-\u9fff]")
#: Rooms of the tree: never raised themselves, so they say nothing.
ROOMS = {"GongyiBankError", "Refused", "NotFound", "WrongState", "RowRefused", "TakeoverError"}


def classes() -> list[type[GongyiBankError]]:
    found, waiting = [], [GongyiBankError]
    while waiting:
        cls = waiting.pop()
        found.append(cls)
        waiting += cls.__subclasses__()
    return found


CLASSES = classes()
SPEAKING = [cls for cls in CLASSES if cls.__name__ not in ROOMS]
each_class = pytest.mark.parametrize("cls", SPEAKING, ids=lambda cls: cls.__name__)


def made(cls: type[GongyiBankError]) -> GongyiBankError:
    """One of its kind, every fact being its own name in brackets."""
    return cls(**{name: f"<{name}>" for name in cls._required})


def test_every_code_belongs_to_one_class() -> None:
    codes = [cls.code for cls in CLASSES]
    assert sorted(set(codes)) == sorted(codes)


def test_the_list_of_errors_is_complete_and_sorted() -> None:
    listed = gongyi_bank.errors.__all__
    names = {cls.__name__ for cls in CLASSES if cls.__module__.startswith("gongyi_bank.errors")}
    assert names <= set(listed)
    assert listed == sorted(listed)


@each_class
def test_an_error_speaks_both_languages_and_shows_its_facts(cls: type[GongyiBankError]) -> None:
    error = made(cls)
    zh, en = error.message("zh"), error.message("en")
    assert any("\u4e00" <= sign <= "\u9fff" for sign in zh)
    assert en.isascii() or not any("\u4e00" <= sign <= "\u9fff" for sign in en)
    for name in cls._required:
        assert f"<{name}>" in zh + en
    assert str(error) == f"[{cls.code}] {zh} / {en}"
    assert "{" not in str(error)


@each_class
def test_an_error_ends_with_what_to_do_next(cls: type[GongyiBankError]) -> None:
    assert cls.next_zh
    assert cls.next_en
    assert made(cls).message("zh").endswith(cls.next_zh.format(**made(cls).facts))


@each_class
def test_an_error_says_so_in_its_first_docstring_line(cls: type[GongyiBankError]) -> None:
    assert (cls.__doc__ or "").strip()


@each_class
def test_an_error_survives_pickle_and_the_bulk_receipt(cls: type[GongyiBankError]) -> None:
    error = made(cls)
    for copy in (pickle.loads(pickle.dumps(error)), error_of(error.code, error.shown_facts())):
        assert type(copy) is cls
        assert copy == error
        assert hash(copy) == hash(error)
        assert str(copy) == str(error)


@each_class
def test_an_error_without_its_facts_is_a_mistake_of_ours(cls: type[GongyiBankError]) -> None:
    if cls._required:
        with pytest.raises(TypeError, match="facts"):
            cls()


@pytest.mark.parametrize(
    "facts",
    [
        {"other": 7},
        {"other": 7, "ended_at": dt.datetime(2022, 10, 3, tzinfo=dt.UTC)},
        {"other": Points("1.50")},
        {"other": "{braces} %s"},
        {"other": None},
    ],
)
def test_facts_of_any_type_are_equal_after_a_round_trip(facts: dict[str, Any]) -> None:
    error = ServiceOverlap(**facts)
    again = RowOutcome.of_list(RowOutcome(0, None, "refused", error=error).to_list()).error
    assert again == error
    assert str(again) == str(error)


def test_errors_differ_by_kind_and_by_facts() -> None:
    assert UnknownOutlet(outlet="B") != UnknownOutlet(outlet="C")
    assert InvalidValue.of("x", 1, "y") != InvalidAmount.of("x", 1, "y")
    assert UnknownOutlet(outlet="B") != "B"
    assert len({UnknownOutlet(outlet="B"), UnknownOutlet(outlet="B")}) == 1


def test_only_what_was_certainly_not_applied_is_retryable() -> None:
    assert [cls for cls in CLASSES if cls.retryable] == [RetryTransaction]
    assert not OutcomeUnknown.retryable


def test_refusals_conflicts_and_bad_values_stand_apart() -> None:
    assert not issubclass(IdempotencyConflict, Refused)
    assert not issubclass(InvalidValue, Refused)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", "'x'"),
        ("a\x00b", "'a\\x00b'"),
        ("\ud800", "'\\ud800'"),
        ("𠮷", "'𠮷'"),
        ("x" * 100, "'" + "x" * 49 + "…(102 characters)"),
        (10**30, str(10**30)),
        (10**31, "<int of 103 bits>"),
        (-(10**4000), "<int of 13288 bits>"),
        (float("nan"), "nan"),
        ([1, "13812345678"], "<list of 2>"),
        ({"name": "张三"}, "<dict of 1>"),
        ((), "<tuple of 0>"),
        (None, "None"),
    ],
    ids=lambda shown: shown[:20] if isinstance(shown, str) and shown.isprintable() else "value",
)
def test_a_value_is_shown_short_printable_and_never_from_inside(value: object, shown: str) -> None:
    assert describe_value(value) == shown
    assert describe_value(value, personal=True) == f"<{type(value).__name__} not shown>"


def test_a_stranger_whose_picture_cannot_be_taken_is_named_by_kind() -> None:
    class Stranger:
        def __repr__(self) -> str:
            raise RuntimeError("no picture")

    assert describe_value(Stranger()) == "<Stranger>"


NOT_A_DAY = "2022-13-45T99:99:99-08:00"


@pytest.mark.parametrize("key", [NOT_A_DAY, "2022-10-03T08:00:00-02:00"])
def test_a_key_that_looks_like_a_moment_is_said_as_it_is(key: str) -> None:
    assert key in str(IdempotencyConflict(key=key))
    assert "2022-13-45" in ServiceInFuture(ended_at=NOT_A_DAY, now=NOT_A_DAY).message("zh")


def test_the_reasons_that_the_code_gives_are_said_in_chinese_too() -> None:
    """Every reason that stands in the code as a plain text has its Chinese form."""
    english = []
    for file in sorted(Path(gongyi_bank.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("Invalid"):
                reasons = [*node.args[2:3], *(k.value for k in node.keywords if k.arg == "reason")]
                english += [
                    reason.value
                    for reason in reasons
                    if isinstance(reason, ast.Constant) and type(reason.value) is str
                ]
    assert len(english) > 40
    missing = [
        reason for reason in english if not CHINESE.search(str(said("reason", reason, "zh")))
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "fact", "zh", "en"),
    [
        ("reason", "a whole number from 1 to 5", "应为 1 至 5 的整数", None),
        ("reason", "Input should be greater than or equal to 1", "不得小于 1", None),
        ("roles", "ledger_keeper, teller", "记账员、柜员", None),
        ("roles", "staff of the outlet or above", "该网点或上级网点的人员", None),
        ("left", "2 accounts, 1 staff roles", "2 个账户、1 个岗位", None),
        ("left", "held 3.00, 2 waiting records", "预留 3.00、2 条待批记录", None),
        ("why", "last used on 2022-10-03", "最近使用于 2022-10-03", None),
        ("state", "in_use", "在用", None),
        ("act", "hours.void (复核)", "服务时长冲正复核", None),
        ("act", "accounts.close (过户)", "账户关闭过户", None),
        ("what", "网点 outlet", "网点", "outlet"),
        ("tier", "总行 head office", "总行", "head office"),
        ("reason", "nobody knows this one", "nobody knows this one", None),
        ("account", 7, 7, None),
    ],
)
def test_a_fact_is_said_in_the_language_of_the_message(
    name: str, fact: object, zh: object, en: object
) -> None:
    assert said(name, fact, "zh") == zh
    assert said(name, fact, "en") == (fact if en is None else en)


def test_moments_are_shown_on_the_clock_of_the_bank() -> None:
    ended_at = dt.datetime(2022, 10, 31, 19, 30, 5, tzinfo=dt.UTC)
    now = dt.datetime(2022, 10, 31, 15, 59, tzinfo=dt.UTC)
    error = ServiceInFuture(ended_at=ended_at, now=now)
    assert "2022-10-31 15:59 UTC" in error.message("zh")
    told = error.in_zone(SHANGHAI)
    assert "2022-10-31 15:59 UTC" in error.message("zh")
    assert told.message("zh", with_advice=False) == (
        "服务结束时间 2022-11-01 03:30:05 晚于现在 2022-10-31 23:59"
    )
    assert told.shown_facts() == {
        "ended_at": "2022-11-01T03:30:05+08:00", "now": "2022-10-31T23:59:00+08:00",
    }  # fmt: skip
    again = error_of(told.code, told.shown_facts())
    assert again == told
    assert str(again) == str(told)


def test_staff_read_times_as_on_their_own_wall(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    at_noon_utc = dt.datetime(2022, 10, 15, 12, tzinfo=dt.UTC)  # eight in the evening, not over
    row = sqlite_district.row(account, "10-15 08:00", ended_at=at_noon_utc)
    shown = "服务结束时间 2022-10-15 20:00 晚于现在 2022-10-15 12:00"
    (outcome,) = sqlite_district.bank.hours.record_many(rows=[row]).outcomes
    with pytest.raises(ServiceInFuture) as caught:
        sqlite_district.serve(account, "10-15 08:00", ended_at=at_noon_utc)
    for error in (outcome.error, caught.value):
        assert error is not None
        assert shown in error.message("zh")
        assert error.facts["ended_at"].isoformat() == "2022-10-15T20:00:00+08:00"


def test_a_pool_that_is_short_is_called_by_its_code(sqlite_district: District) -> None:
    account, keeper = sqlite_district.customer(), sqlite_district.acting("K1")
    keeper.pools.open(code="P1", name="爱心池", outlet="B01")
    sqlite_district.serve(account, "10-03 08:00")
    given = keeper.transfers.donate(account=account, pool="P1", points=Points(1), outlet="B01S01")
    grant: dict[str, Any] = {"pool": "P1", "reason": "慰问", "second_person": "K1b"}
    with pytest.raises(PoolShort, match=r"积分池 P1 可用积分 1\.00，需要 2\.00"):
        keeper.transfers.grant(grants=[{"account": account, "points": Points(2)}], **grant)
    keeper.transfers.grant(grants=[{"account": account, "points": Points(1)}], **grant)
    with pytest.raises(PoolShort, match=r"积分池 P1 可用积分 0\.00，需要 1\.00"):
        sqlite_district.bank.reversals.reverse_voucher(
            voucher=given.voucher_id, reason="误捐", second_person="ADM2"
        )


def test_every_command_has_a_receipt_that_can_be_read_back() -> None:
    for command in SERVICES:
        assert issubclass(command, Command)
        assert callable(command.receipt.from_json)
        assert "." in command.act
