"""Every refusal is a class of its own, and a table says how each comes about.

Which of several refusals comes first is documented where the rules are, and tested beside them;
here for those nouns whose order is tested nowhere else.
"""

from __future__ import annotations

import datetime as dt
import importlib
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank import errors
from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError, Refused
from gongyi_bank.policies import HourLimits
from gongyi_bank.store.tables import voucher
from tests.district import District
from tests.refusals import NOBODY, RULES, Row, saver
from tests.refused_states import ALL
from tests.told import TOLD, told

#: Families, which are never raised themselves.
ROOMS = {errors.Refused, errors.NotFound, errors.WrongState, errors.RowRefused}


def families(cls: type[GongyiBankError] = Refused) -> Iterator[type[GongyiBankError]]:
    """A class and all below it."""
    yield cls
    for below in cls.__subclasses__():
        yield from families(below)


# --- the table is complete, and true ---------------------------------------------------------


def test_every_class_of_refusal_has_a_row() -> None:
    raised = {cls for cls in families() if cls.__module__.startswith("gongyi_bank.errors")}
    missing = sorted(cls.__name__ for cls in raised - ROOMS - ALL.keys())
    assert missing == []
    assert ALL.keys() <= raised - ROOMS
    assert TOLD.keys() <= {cls.code for cls in ALL}


@pytest.mark.parametrize("refusal", sorted(ALL, key=lambda cls: cls.__name__))
def test_a_refusal_is_raised_by_its_act_and_writes_nothing(
    sqlite_tables_url: str, refusal: type[GongyiBankError]
) -> None:
    district = District(sqlite_tables_url, policies=RULES)
    wish = ALL[refusal](district)
    before = books_of(district)
    for _ in range(2):  # the second time like the first: nothing has changed
        with pytest.raises(refusal) as caught:
            wish()
        assert type(caught.value) is refusal
    assert books_of(district) == before
    assert not caught.value.retryable
    assert told(caught.value) == TOLD.get(refusal.code, "")
    district.close()


def books_of(district: District) -> list[Any]:
    """Everything that an act could have written."""
    with district.bank.engine.connect() as connection:
        return [
            sorted(map(repr, connection.execute(sa.select(table))))
            for table in voucher.metadata.sorted_tables
        ]


#: Where the rules of an act are, if not in the file of its noun.
RULES_OF = {"accounts": "customers", "hours": "accrual", "redemptions.refund": "refunds"}
_SAYS_ORDER = re.compile(r"in this order|first of these that applies|first rule that applies")


def rules_of(act: str) -> str:
    """The module in which the rules of an act are, by its name."""
    noun = act.split(".")[0]
    return RULES_OF.get(act) or RULES_OF.get(noun) or noun


@pytest.mark.parametrize("name", sorted({rules_of(command.act) for command in SERVICES}))
def test_the_rules_of_every_act_say_which_refusal_comes_first(name: str) -> None:
    module = importlib.import_module(f"gongyi_bank.rules.{name}")
    text = " ".join((module.__doc__ or "").split())
    assert _SAYS_ORDER.search(text), f"rules/{name}.py does not say which refusal comes first"


def a_frozen_account(d: District) -> int:
    """One with points, so that it could not be closed for two reasons."""
    account = saver(d)
    d.bank.accounts.freeze(account=account, reason="核查")
    return account


#: Wishes against which two rules speak, and the one that is heard: those of the nouns whose
#: order is tested nowhere else.
FIRST: list[tuple[type[GongyiBankError], Row]] = [
    (
        errors.NotPermitted,
        lambda d: lambda: d.acting("T1").outlets.close(outlet="B01", reason="x"),
    ),
    (errors.UnknownOutlet, lambda d: lambda: d.acting("T1").outlets.close(outlet="NO", reason="x")),
    (errors.WrongTier, lambda d: lambda: d.bank.outlets.close(outlet="H", reason="x")),
    (
        errors.CodeTaken,
        lambda d: lambda: d.bank.outlets.open(
            outlets=[NewOutlet(code="B01", name="x", parent="B01S01")]
        ),
    ),
    (
        errors.UnknownCustomer,
        lambda d: lambda: d.acting("AUD").accounts.freeze(account=NOBODY, reason="x"),
    ),
    (
        errors.NotPermitted,
        lambda d: partial(d.acting("T1").accounts.unfreeze, account=d.customer(), reason="x"),
    ),
    (
        errors.AccountFrozen,
        lambda d: partial(d.acting("T1").accounts.close, account=a_frozen_account(d), reason="x"),
    ),
    (
        errors.NotPermitted,
        lambda d: lambda: d.acting("T1").pools.open(code="P1", name="x", outlet="B01"),
    ),
    (
        errors.UnknownPool,
        lambda d: lambda: d.acting("T1").pools.close(pool="P1", reason="x"),
    ),
    (
        errors.NotPermitted,
        lambda d: lambda: d.acting("T1").policies.adopt(
            policy=HourLimits(), effective_on=dt.date(2000, 1, 1)
        ),
    ),
    (
        errors.UnknownStore,
        lambda d: lambda: d.acting("AUD").stores.leave(store="P1", reason="x"),
    ),
    (
        errors.PeriodNotOver,
        lambda d: lambda: d.bank.closings.announce(period="2022-10"),
    ),
    (
        errors.NotPermitted,
        lambda d: lambda: d.acting("T1").closings.announce(period="2099"),
    ),
    (
        errors.UnknownCustomer,
        lambda d: lambda: d.acting("T1").passbooks.issue(account=NOBODY),
    ),
    (
        errors.NotPermitted,
        lambda d: lambda: d.acting("AUD").passbooks.issue(account=NOBODY, outlet="B01S01"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("refusal", "arrange"), FIRST)
def test_where_two_rules_refuse_the_documented_one_is_heard(
    sqlite_tables_url: str, refusal: type[GongyiBankError], arrange: Row
) -> None:
    district = District(sqlite_tables_url, policies=RULES)
    wish = arrange(district)
    with pytest.raises(refusal) as caught:
        wish()
    assert type(caught.value) is refusal
    district.close()
