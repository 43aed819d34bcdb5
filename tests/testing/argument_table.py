"""What is wrong for every argument of the kit: the table of `test_wrong_arguments.py`."""

from __future__ import annotations

import datetime as dt
import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from hypothesis import strategies as st

from gongyi_bank.commands.passbooks import AllotPassbooks, IssuePassbook, PrintStock
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.testing import (
    SMALL_CAST,
    BankMachine,
    Cast,
    FrozenClock,
    Outcome,
    ReferenceBank,
    ServicePoint,
    Step,
    Story,
    assert_sound,
    play,
    small_district,
    small_reference,
)
from gongyi_bank.testing import strategies as gb
from gongyi_bank.testing.machine import Loss, Wish
from gongyi_bank.testing.reference.readings import READINGS
from gongyi_bank.values import compose_passbook_no

Arguments = Mapping[str, Any]

#: What people hand in by mistake.
ANYTHING: dict[str, Any] = {
    "None": None, "True": True, "zero": 0, "five": 5, "negative": -1, "huge": 10**30,
    "float": 1.5, "nan": math.nan, "inf": math.inf, "empty": "", "blank": " ", "words": "x y",
    "digit": "5", "control": "𠮷\x00", "half": "\ud842", "long": "x" * 201, "bytes": b"x",
    "list": [], "tuple": (), "dict": {}, "list of None": [None], "list of words": ["a b"],
    "object": object(), "naive": dt.datetime(2022, 10, 1, 8),  # noqa: DTZ001
    "date": dt.date(2022, 10, 1),
    "before": dt.datetime(1, 1, 2, tzinfo=dt.UTC), "function": lambda: 1, "class": int,
}  # fmt: skip


def wrong(*more: Any, but: str = "") -> tuple[Any, ...]:
    """Anything but what is right for this argument, and more."""
    right = {name.strip() for name in but.split(",")} if but else set()
    assert right <= ANYTHING.keys()
    return (*(value for name, value in ANYTHING.items() if name not in right), *more)


CODE = wrong("a?", "x" * 41, but="digit")
CODE_OR_NONE = wrong("x" * 41, but="digit, None")
REF = wrong("a?", but="digit")
TEXT = wrong(but="words, digit")
TEXT_OR_NONE = wrong(but="words, digit, None")
DAY = wrong("2022-13-01", "2022-10-01T08:00", "𠮷", "9999-12-31", "0001-01-01")
TIME = wrong("25:00", "08:00+05:00", "noon", "𠮷", but="digit")
MOMENT = wrong("2022-10-01")
DATE = wrong("2022-10-01", but="date")
CLOSED_ON = dt.date(2022, 10, 3)
BETWEEN = wrong([CLOSED_ON], (CLOSED_ON, "x"))
FLAG = wrong("yes", 1, but="True")
CLOCK = wrong()
#: What the callee says itself, and nobody else.
OWN = wrong("B01", FrozenClock())
LIST = "list, tuple, dict"
#: Nobody's: the check digit is wrong.
ACCOUNT = wrong(100200000012, 13800000000)
WHO = wrong(100200000012, but="digit")
POINTS = wrong("1e3", "１２", "0.00001", but="five, digit")
WORD = wrong("nonsense")
CLASS = wrong("nonsense")
REFS = wrong(st.integers(), st.nothing(), but="None")


def whole(least: int, most: int) -> tuple[Any, ...]:
    """What is wrong for a whole number within bounds."""
    fit = [name for name, value in (("zero", 0), ("five", 5)) if least <= value <= most]
    return wrong(least - 1, most + 1, str(most), but=", ".join(fit))


CUSTOMER = SMALL_CAST.accounts[0]


class Call(NamedTuple):
    """A public callable: how it is called well, and what is wrong for each of its arguments."""

    run: Callable[..., Any]
    good: Arguments
    wrong: Mapping[str, tuple[Any, ...]]
    #: Arguments that take anything, and why.
    free: Mapping[str, str] = {}


class Scene:
    """What the calls are about, made once: nothing of what they refuse changes it."""

    def __init__(self) -> None:
        self.story = small_reference()
        self.story.staff("T9", "teller", "B01")
        self.reference = _read_from()
        self.machine = BankMachine()
        self.redeem = Redeem(
            account=SMALL_CAST.accounts[1], store="P01", sku="SOAP", idempotency_key="K-1"
        )
        self.step = Step(at=SMALL_CAST.begins_at, staff="admin", command=self.redeem)

    def state(self) -> tuple[Any, ...]:
        """How far everything has come."""
        clock = self.machine.clock.now, self.story.now
        return *clock, len(self.story.receipts), len(self.machine.sent), self.story.cast


def _read_from() -> ReferenceBank:
    """The small district with something for every reading: a book, a debit, a closed day."""
    tale, book = small_reference(), compose_passbook_no(1)
    for command in (
        PrintStock(count=1),
        AllotPassbooks(target="B01", first=book, last=book),
        AllotPassbooks(target="B01S01", first=book, last=book),
        IssuePassbook(account=CUSTOMER, outlet="B01S01"),
    ):
        tale.does(command)
    tale.redeems("zhang", "P01", "SOAP").day("2022-10-04").closes("2022-10-03")
    return tale.bank


def entered(make: Callable[..., AbstractContextManager[Any]]) -> Callable[..., None]:
    """A block is called by entering it."""

    def run(**fields: Any) -> None:
        with make(**fields):
            pass

    return run


def kit(at: Scene) -> dict[str, Call]:
    """The names of `gongyi_bank.testing`, without those of its parts."""
    cast = {
        "accounts": SMALL_CAST.accounts, "service_points": SMALL_CAST.service_points,
        "categories": ("service",), "goods": SMALL_CAST.goods, "pools": ("POOL",),
        "administrators": ("admin", "admin2"), "begins_at": SMALL_CAST.begins_at,
    }  # fmt: skip
    point = {"outlet": "S1", "recorded_by": "𠮷", "checked_by": "K", "branch": "B"}
    step = {"at": SMALL_CAST.begins_at, "staff": "admin", "command": at.redeem, "of": 0}
    twice = (CUSTOMER, CUSTOMER)
    return {
        "Cast": Call(Cast, cast, {
            "accounts": wrong(twice, [CUSTOMER + 1], but=LIST),
            "service_points": wrong([point], SMALL_CAST.service_points[:1] * 2, but=LIST),
            "categories": wrong(["a", "a"], but=LIST),
            "goods": wrong([("P01",)], ["P01"], [("P01", 5)], [("P", "S", "T")], but=LIST),
            "pools": wrong(["P", "P"], but=LIST),
            "administrators": wrong(["admin"], ["a", "a"], ["a", "b", "c"]),
            "begins_at": MOMENT,
        }),
        "ServicePoint": Call(ServicePoint, point, {
            "outlet": CODE, "recorded_by": CODE, "checked_by": CODE, "branch": CODE_OR_NONE,
        }),
        "Step": Call(Step, step, {
            "at": MOMENT, "staff": CODE, "command": CLASS, "of": wrong("0", but="None, zero, five"),
        }),
        "Outcome": Call(Outcome, {"step": at.step}, {
            "step": CLASS, "error": wrong(ValueError(), but="None"),
        }, free={"receipt": "anything may live a history, and answers as it likes"}),
        "play": Call(play, {"bank": at.reference, "history": (), "prefix": "a-"}, {
            "bank": wrong(ReferenceBank, Story),
            "history": wrong([at.step, None], but=LIST),
            "prefix": wrong("a?", but="empty, digit"),
        }),
        "assert_sound": Call(assert_sound, {"bank": at.machine.bank}, {
            "bank": wrong(at.reference), "guarded": FLAG, "swept": FLAG,
        }),
        "small_district": Call(small_district, {"database": "sqlite://"}, {
            "database": CLASS, "head_office": CODE, "bank": wrong("x" * 101, but="words, digit"),
            "policies": wrong([5], but=LIST), "clock": OWN, "day": OWN,
        }),
        "small_reference": Call(small_reference, {}, {
            "head_office": CODE, "bank": wrong("x" * 101, but="words, digit"),
            "scale": whole(0, 4), "policies": wrong([5], but=LIST), "clock": OWN, "day": OWN,
        }),
    }  # fmt: skip


def clocks(at: Scene) -> dict[str, Call]:
    """The frozen clock."""
    clock = FrozenClock()
    # One alone may be negative: a day on and an hour back is a time, too.
    spans = wrong(10**400, but="zero, five, float, negative")
    units = ("weeks", "days", "hours", "minutes", "seconds")
    return {
        "FrozenClock": Call(FrozenClock, {}, {"now": MOMENT}),
        "FrozenClock.set": Call(clock.set, {"now": clock.now}, {"now": MOMENT, "backwards": FLAG}),
        "FrozenClock.advance": Call(clock.advance, {}, dict.fromkeys(units, spans)),
    }


def stories(at: Scene) -> dict[str, Call]:
    """Beginning a story, its time and its house."""
    tell, name = at.story, {"name": TEXT_OR_NONE}
    return {
        "Story": Call(Story, {"bank": at.reference, "clock": FrozenClock()}, {
            "bank": wrong(Story), "clock": wrong(SMALL_CAST.begins_at, but="None"),
        }),
        "Story.found": Call(Story.found, {"database": "sqlite://", "day": "2022-10-01"}, {
            "database": CLASS, "day": DAY, "scale": whole(0, 4), "administrator": CODE,
            "head_office_name": TEXT_OR_NONE, "time_zone": WORD, "clock": OWN,
        }),
        "Story.account": Call(tell.account, {"who": "zhang"}, {"who": WHO}),
        "Story.day": Call(tell.day, {"day": "2022-10-03"}, {"day": DAY}),
        "Story.time": Call(tell.time, {"time": "08:00"}, {"time": TIME}),
        "Story.branch": Call(tell.branch, {"code": "B08"}, {
            "code": CODE, "head_office": CODE, **name,
        }),
        "Story.savings_branch": Call(tell.savings_branch, {"code": "B08S1", "branch": "B01"}, {
            "code": CODE, "branch": CODE, **name,
        }),
        "Story.staff": Call(tell.staff, {"code": "T8", "role": "teller", "outlet": "B01S01"}, {
            "code": CODE, "role": WORD, "outlet": CODE, "store": CODE_OR_NONE,
        }),
        "Story.store": Call(tell.store, {"code": "P8", "recruited_by": "B01S01"}, {
            "code": CODE, "recruited_by": CODE, "kind": WORD, **name,
        }),
        "Story.offer": Call(tell.offer, {"store": "P01", "sku": "TEA", "points": 5, "stock": 5}, {
            "store": CODE, "sku": CODE, "points": POINTS, "stock": whole(0, 1_000_000),
        }),
        "Story.pool": Call(tell.pool, {"code": "P8", "outlet": "B01"}, {
            "code": CODE, "outlet": CODE, **name,
        }),
        "Story.customer": Call(tell.customer, {"ref": "𠮷"}, {
            "ref": REF, "outlet": CODE_OR_NONE, "name": TEXT, "kind": WORD,
            "phone": wrong(but="None, digit, words"),
        }),
    }  # fmt: skip


def happenings(at: Scene) -> dict[str, Call]:
    """What happens in a story."""
    tell, who, place = at.story, {"who": WHO, "points": POINTS}, {"at": CODE_OR_NONE}
    goods = {"who": WHO, "store": CODE, "sku": CODE, "quantity": whole(1, 1_000_000)}
    return {
        "Story.records": Call(tell.records, {"who": "zhang"}, {
            "who": WHO, "start": TIME, "minutes": whole(1, 1440), "category": CODE,
            "project": wrong(but="None, digit"), "recorded_by": CODE, **place,
            "account": OWN, "outlet": OWN, "started_at": OWN, "ended_at": OWN,
        }),
        "Story.brings_forward": Call(tell.brings_forward, {"who": "wang", "points": 1}, {
            "who": WHO, "points": wrong("1e3", "１２", "0.00001", but="zero, five, digit"),
            "minutes": wrong("5", but="zero, five"),
        }),
        "Story.is_granted": Call(
            tell.is_granted, {"who": "zhang", "points": 1, "outlet": "B01"},
            who | {"outlet": CODE, "reason": wrong("13800000000", but="words, digit")},
        ),
        "Story.redeems": Call(
            tell.redeems, {"who": "zhang", "store": "P01", "sku": "SOAP"}, goods
        ),
        "Story.reserves": Call(
            tell.reserves, {"who": "zhang", "store": "P01", "sku": "SOAP"}, goods
        ),
        "Story.gives": Call(
            tell.gives, {"who": "zhang", "to": "li", "points": 1}, who | place | {"to": WHO}
        ),
        "Story.donates": Call(
            tell.donates, {"who": "zhang", "pool": "POOL", "points": 1},
            who | place | {"pool": CODE},
        ),
        "Story.closes": Call(tell.closes, {"period": "2022-10-02"}, {"period": WORD}),
        "Story.does": Call(tell.does, {"command": at.redeem}, {
            "command": CLASS, "by": CODE_OR_NONE,
        }),
    }  # fmt: skip


def references(at: Scene) -> dict[str, Call]:
    """The reference bank, and what can be read of it."""
    bank: Any = at.reference
    founding = {
        "bank": wrong("x" * 101, but="words, digit"), "head_office": CODE, "administrator": CODE,
        "head_office_name": TEXT_OR_NONE, "scale": whole(0, 4), "time_zone": WORD,
        "policies": wrong([5], but=LIST), "clock": CLOCK,
    }  # fmt: skip
    made = {
        "ReferenceBank.found": Call(ReferenceBank.found, {}, founding),
        "ReferenceBank.acting_as": Call(bank.acting_as, {"staff": "K-B01"}, {"staff": CODE}),
        "ReferenceBank.at": Call(bank.at, {"clock": SMALL_CAST.begins_at}, {
            "clock": wrong(but="function, class, before"),
        }),
        "ReferenceBank.begin": Call(entered(bank.begin), {}, {"staff": CODE_OR_NONE}),
        "ReferenceBank.simulate": Call(entered(bank.simulate), {}, {"staff": CODE_OR_NONE}),
        "ReferenceBank.execute": Call(bank.execute, {"command": at.redeem}, {"command": CLASS}),
        "ReferenceBank.execute_many": Call(bank.execute_many, {"commands": [at.redeem]}, {
            "commands": wrong(but=f"{LIST}, list of None, list of words"),
        }),
        "ReferenceBank.perform": Call(bank.perform, {"staff": "admin", "command": at.redeem}, {
            "staff": CODE, "command": CLASS,
        }),
    }  # fmt: skip
    return made | {name: _reading(bank, name) for name in READINGS}


_READ: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "account": (CUSTOMER, ACCOUNT), "accounts": ([CUSTOMER], wrong([5], but=LIST)),
    "ref": ("zhang", REF), "pool": ("POOL", CODE), "outlet": ("B01", CODE_OR_NONE),
    "store": ("P01", CODE_OR_NONE), "newest": (5, whole(1, 1000)), "ended": (True, FLAG),
    "count_max": (5, whole(1, 10_000)), "before": (5, wrong(but="None, five, huge")),
    "after": (None, wrong((SMALL_CAST.begins_at,), but="None")), "code": ("B01S01", CODE),
    "line_no": (1, whole(1, 2**62)), "before_line": (5, wrong("5", but="None, five")),
    "page_no": (1, wrong("1", but="None, five")), "show_name": (True, FLAG), "names": (True, FLAG),
    "as_of": (CLOSED_ON, wrong("2022-10-03", but="None, date, before")), "day": (CLOSED_ON, DATE),
    "between": ((CLOSED_ON, CLOSED_ON), BETWEEN), "dating": ("value", WORD),
    "period": ("2022-10", WORD), "top": (5, wrong(but="None, five, huge")),
    "kinds": (("volunteer",), wrong(["nonsense"], but=LIST)),
    "outlets": (["B01S01"], wrong(["a b"], but=f"None, digit, {LIST}")),
}  # fmt: skip
#: No line has the number 0; that is another refusal.
LINE = wrong("1", but="zero, negative, five")
STATEMENT: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "newest": (5, whole(1, 10_000)), "between": (None, tuple(v for v in BETWEEN if v is not None)),
}  # fmt: skip
#: What a reading takes besides, or does not, though others take it by the same name.
_OTHERWISE: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "redemptions.reserved": {"account": (CUSTOMER, wrong(100200000012, but="None"))},
    "reports.provenance": {"line_no": (2, LINE)},
    "reports.spent_on": {"line_no": (1, LINE)},
    "reports.clearing": {"day": (CLOSED_ON, wrong("2022-10-01", but="date, None"))},
    "reports.ledger_book": {"period": ("2022-10", wrong("nonsense", but="None"))},
    "ratings.explain": {"period": ("2022-10", wrong("nonsense", but="None"))},
    "reports.statement": STATEMENT,
    "pools.statement": STATEMENT,
}


def _reading(bank: Any, name: str) -> Call:
    desk, verb = name.split(".")
    _, *asked = inspect.signature(READINGS[name]).parameters
    about = {field: _OTHERWISE.get(name, {}).get(field) or _READ[field] for field in asked}
    good = {field: one for field, (one, _) in about.items()}
    wrongs = {field: values for field, (_, values) in about.items()}
    return Call(getattr(getattr(bank, desk), verb), good, wrongs)


def machines(at: Scene) -> dict[str, Call]:
    """The machine's helpers."""
    run, wish = at.machine, {"act": WORD, "wish": CLASS}
    sent: Any = {"staff": "admin", "command": at.redeem.model_copy(update={"account": CUSTOMER})}
    return {
        "BankMachine": Call(BankMachine, {}, {}),
        "BankMachine.wished": Call(run.wished, {"act": "hours.record", "wish": Wish()}, wish),
        "BankMachine.act": Call(run.act, {"act": "hours.record", "wish": Wish()}, wish),
        "BankMachine.shows_alike": Call(
            run.shows_alike, {"reading": "reports.balance", "wish": Wish()},
            {"reading": WORD, "wish": CLASS},
        ),
        "BankMachine.do": Call(run.do, sent, {
            "staff": CODE, "command": CLASS, "loss": wrong("answer", but="None"),
        }),
        "BankMachine.answered": Call(_answered(run), sent, {
            "staff": CODE, "command": CLASS, "said": CLASS,
        }),
        "BankMachine.watched": Call(run.watched, {}, {
            "bank": wrong(at.machine.bank, but="None"),
        }),
        "Loss": Call(Loss, {"moment": "answer"}, {
            "moment": WORD, "statement": wrong("0", but="zero, five"),
        }),
        "Wish": Call(Wish, {}, {
            **dict.fromkeys(("who", "what", "how", "units", "back"), wrong("x", but="zero, five")),
            "twist": whole(0, 9),
        }),
    }  # fmt: skip


def _answered(run: BankMachine) -> Callable[..., Any]:
    """With what the bank said, unless it is told otherwise."""

    def answered(**fields: Any) -> Any:
        if "said" not in fields:
            return run.do(**fields)
        return run.answered(**fields)

    return answered


CODES = wrong("S1", ["a", "a"], ["x" * 41])


def strategies(at: Scene) -> dict[str, Call]:
    """What draws people, the house, amounts and policies."""
    range_of_99 = {"min": whole(0, 99), "max": whole(0, 99)}
    return _drawn({
        "names": Call(gb.names, {}, {"length_max": whole(2, 100)}),
        "codes": Call(gb.codes, {}, {"length_max": whole(1, 200)}),
        "identity_numbers": Call(gb.identity_numbers, {}, {
            "born_from": wrong(dt.date(1799, 12, 31), but="date"), "born_until": wrong(but="date"),
        }),
        "customers": Call(gb.customers, {}, {
            "outlets": CODES, "kinds": wrong("volunteer", ["cat"]), "documents": FLAG,
            "refs": REFS,
        }),
        "outlet_trees": Call(gb.outlet_trees, {"branches_max": 99, "savings_branches_max": 99}, {
            "head_office": wrong("B01", "x" * 41, but="digit"),
            **{f"{of}_{end}": values for of in ("branches", "savings_branches")
               for end, values in range_of_99.items()},
        }),
        "passbook_numbers": Call(gb.passbook_numbers, {}, {
            "serial_min": whole(0, 99_999_999), "serial_max": whole(0, 99_999_999),
        }),
        "account_numbers": Call(gb.account_numbers, {}, {
            "outlet_no_min": whole(1000, 9999), "outlet_no_max": whole(1000, 9999),
            "serial_max": whole(0, 9_999_999),
        }),
        "points": Call(gb.points, {"min_value": -5}, {
            "min_value": wrong("0.001", but="zero, five, digit, negative"),
            "max_value": wrong("0.001", but="zero, five, digit, negative"), "scale": whole(0, 4),
        }),
        "policies": Call(lambda **kinds: gb.policies(*kinds.values()), {}, {"kinds": CLASS}),
        "tariffs": Call(gb.tariffs, {}, {
            "categories": CODES, "points_per_hour_max": wrong("x", but="zero, five, digit"),
        }),
    })  # fmt: skip


def rows(at: Scene) -> dict[str, Call]:
    """What draws rows, and whole histories."""
    cast = {"cast": wrong(Cast(accounts=(), service_points=(), begins_at=SMALL_CAST.begins_at))}
    cells = {"customer_refs": CODES[:-1], "zone": wrong("Asia/Shanghai"), **cast}
    pieces = {"quantity_max": whole(1, 1_000_000), **cast}
    now = SMALL_CAST.begins_at
    bad_row = {"fields": {}, "code": "too_long", "is_unmade": False}
    return _drawn({
        "service_rows": Call(gb.service_rows, {"minutes_min": 1, "minutes_max": 480}, {
            "days": whole(1, 3660), "minutes_min": whole(1, 1440), "minutes_max": whole(1, 1440),
            "refs": REFS, **cast,
        }),
        "bad_service_rows": Call(gb.bad_service_rows, {"now": now}, {
            "now": MOMENT, "codes": wrong("too_long", ["gone"]), "days": whole(1, 3660), **cast,
        }),
        "service_cells": Call(gb.service_cells, {"customer_refs": ["C"]}, cells | {
            "days": whole(1, 3660), "minutes_max": whole(1, 1440),
        }),
        "bad_service_cells": Call(gb.bad_service_cells, {"customer_refs": ["C"]}, cells),
        "csv_text": Call(gb.csv_text, {"rows": [{"ref": "1"}]}, {
            "rows": wrong([{"ref": 1}], [{"nonsense": "1"}], [{1: "1"}], but=LIST),
            "columns": wrong(["ref", "ref"]),
        }),
        "BadRow": Call(gb.BadRow, bad_row, {
            "fields": wrong({1: 2}, but="dict"), "code": WORD, "is_unmade": FLAG,
        }),
        "stores": Call(gb.stores, {}, {"recruited_by": CODES}),
        "offers": Call(gb.offers, {}, {
            "stores": CODES, "points_max": wrong(but="five, digit"),
            "stock_max": whole(0, 1_000_000), "scale": whole(0, 4),
        }),
        "redemption_rows": Call(gb.redemption_rows, {}, pieces | {"refs": REFS}),
        "redemption_requests": Call(gb.redemption_requests, {}, pieces),
        "histories": Call(gb.histories, {"steps_max": 10_000}, {
            "acts": wrong("again", ["bank.rob"], but="None"), "steps_min": whole(0, 10_000),
            "steps_max": whole(0, 10_000), **cast,
        }),
    })  # fmt: skip


def _drawn(made: dict[str, Call]) -> dict[str, Call]:
    return {f"strategies.{name}": call for name, call in made.items()}


#: Everything public that takes an argument, part by part.
PARTS = (kit, clocks, stories, happenings, references, machines, strategies, rows)


def table(at: Scene) -> dict[str, Call]:
    """All parts together."""
    return {name: call for part in PARTS for name, call in part(at).items()}
