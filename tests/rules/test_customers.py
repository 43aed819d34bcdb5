"""客户与账户: states, dormancy to the day, and what keeps an account from closing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotDormant,
    AccountNotEmpty,
    AccountNotFrozen,
    GongyiBankError,
    InvalidValue,
    NotPermitted,
    PassbookFrozen,
    UnknownCustomer,
)
from gongyi_bank.policies import TransferRules
from gongyi_bank.rules import customers as rules
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.staff import OutletFacts, RoleFacts, StaffFacts
from gongyi_bank.values import compose_account_no

ANNA, BELA = (compose_account_no(1003, serial) for serial in (1, 2))
U, C, F = UnknownCustomer(account=ANNA), AccountClosed(account=ANNA), AccountFrozen(account=ANNA)
WARM = AccountNotFrozen(account=ANNA)
PLACE = OutletFacts(1003, "S", "储蓄所", 3, 1001, True)
KEEPERS = "administrator, ledger_keeper"


def awake(state: str) -> AccountNotDormant:
    return AccountNotDormant(account=ANNA, why=f"it is {state}")


def not_empty(left: str) -> AccountNotEmpty:
    return AccountNotEmpty(account=ANNA, left=left)


@pytest.mark.parametrize(
    ("state", "freeze", "unfreeze", "wake", "use", "open_"),
    [
        (None, U, U, U, U, U),
        ("active", "frozen", WARM, awake("active"), None, None),
        ("frozen", F, "active", awake("frozen"), F, None),
        ("dormant", "frozen", WARM, "active", None, None),
        ("closed", C, C, C, C, C),
    ],
)
def test_every_state_against_every_act(
    state: str | None, freeze: Any, unfreeze: Any, wake: Any, use: Any, open_: Any
) -> None:
    tries = {
        lambda: rules.decide_state(ANNA, state, "freeze"): freeze,
        lambda: rules.decide_state(ANNA, state, "unfreeze"): unfreeze,
        lambda: rules.decide_state(ANNA, state, "wake"): wake,
        lambda: rules.require_usable(ANNA, state): use,
        lambda: rules.require_payable(ANNA, state, {BELA: 123}): use,
        lambda: rules.require_open(ANNA, state): open_,
    }
    for attempt, expected in tries.items():
        if isinstance(expected, GongyiBankError):
            with pytest.raises(GongyiBankError) as caught:
                attempt()
            assert caught.value == expected
        else:
            assert attempt() == expected


def test_while_its_book_is_lost_nothing_leaves_an_account() -> None:
    with pytest.raises(PassbookFrozen) as caught:
        rules.require_payable(ANNA, "active", {ANNA: 123})
    assert caught.value.facts == {"account": ANNA, "serial": "00000012 3"}


@pytest.mark.parametrize(
    ("used", "today", "months", "is_dormant"),
    [
        ("2020-10-15", "2022-10-14", 24, False),
        ("2020-10-15", "2022-10-15", 24, True),
        ("2020-10-15", "2022-10-16", 24, True),
        ("2020-02-29", "2022-02-27", 24, False),
        ("2020-02-29", "2022-02-28", 24, True),
        ("2020-02-29", "2024-02-28", 48, False),
        ("2020-02-29", "2024-02-29", 48, True),
        ("2021-02-28", "2024-02-28", 36, True),
        ("2022-08-31", "2022-09-29", 1, False),
        ("2022-08-31", "2022-09-30", 1, True),
    ],
)
def test_an_account_is_dormant_on_the_very_day_and_not_before(
    used: str, today: str, months: int, is_dormant: bool
) -> None:
    days = dt.date.fromisoformat(used), dt.date.fromisoformat(today)
    if is_dormant:
        rules.require_dormant(ANNA, "active", *days, months)
    else:
        with pytest.raises(AccountNotDormant) as caught:
            rules.require_dormant(ANNA, "active", *days, months)
        assert caught.value.facts == {"account": ANNA, "why": f"last used on {used}"}


@pytest.mark.parametrize(
    ("state", "error"),
    [(None, U), ("frozen", awake("frozen")), ("dormant", awake("dormant")), ("closed", C)],
)
def test_only_an_active_account_falls_asleep(state: str | None, error: GongyiBankError) -> None:
    with pytest.raises(GongyiBankError) as caught:
        rules.require_dormant(ANNA, state, dt.date(2000, 1, 1), dt.date(2022, 1, 1), 1)
    assert caught.value == error


ONLY_THEN = "goes with balance_to='account', and only then"


@pytest.mark.parametrize(
    ("head", "waiting", "balance_to", "target", "error"),
    [
        ({}, 0, "nowhere", None, None),
        ({"credited": 1}, 0, "nowhere", None, not_empty("balance 0.01")),
        ({"credited": 1}, 0, "pool", None, None),
        ({"credited": 1}, 0, "account", BELA, None),
        ({"credited": 5, "debited": 5}, 0, "nowhere", None, None),
        ({"credited": 5, "dead_no": 5}, 0, "nowhere", None, None),
        ({"credited": 5, "dead_no": 4}, 0, "nowhere", None, not_empty("balance 0.01")),
        ({"credited": 5, "held": 1}, 0, "pool", None, not_empty("held 0.01")),
        ({"credited": 5, "debited": 6, "debt": 1}, 0, "pool", None, not_empty("debt 0.01")),
        ({}, 1, "pool", None, not_empty("1 waiting records")),
        (
            {"credited": 5, "held": 2},
            3,
            "nowhere",
            None,
            not_empty("held 0.02, balance 0.05, 3 waiting records"),
        ),
        ({}, 0, "account", None, InvalidValue.of("target", None, ONLY_THEN)),
        ({}, 0, "pool", BELA, InvalidValue.of("target", BELA, ONLY_THEN)),
        ({}, 0, "nowhere", BELA, InvalidValue.of("target", BELA, ONLY_THEN)),
        (
            {},
            0,
            "account",
            ANNA,
            InvalidValue.of("target", ANNA, "is the account that closes"),
        ),
    ],
)
def test_what_keeps_an_account_from_closing(
    head: dict[str, int], waiting: int, balance_to: str, target: int | None, error: Any
) -> None:
    def attempt() -> None:
        rules.require_closable(Head(ANNA, **head), waiting, balance_to, target, 2)

    if error is None:
        attempt()
    else:
        with pytest.raises(GongyiBankError) as caught:
            attempt()
        assert caught.value == error


@pytest.mark.parametrize(
    ("head", "second_person", "is_refused"),
    [
        ({"credited": 5}, None, True),
        ({"credited": 5}, "K", False),
        ({"credited": 5, "dead_no": 4}, None, True),
        ({"credited": 5, "dead_no": 5}, None, False),
        ({"credited": 5, "debited": 5}, None, False),
        ({}, None, False),
    ],
)
def test_a_balance_leaves_only_under_four_eyes(
    head: dict[str, int], second_person: str | None, is_refused: bool
) -> None:
    if not is_refused:
        rules.require_second(Head(ANNA, **head), second_person)
        return
    with pytest.raises(InvalidValue) as caught:
        rules.require_second(Head(ANNA, **head), second_person)
    reason = "a balance leaves the account: name the person who checked it"
    assert caught.value == InvalidValue.of("second_person", None, reason)


LIVING, DEAD = Head(ANNA, credited=5, dead_no=4), Head(ANNA, credited=5, dead_no=5)


@pytest.mark.parametrize(
    ("head", "title_by", "roles", "is_refused"),
    [
        (LIVING, "keeper", ["teller", "teller"], True),
        (LIVING, "keeper", ["service_account", "teller"], True),
        (LIVING, "keeper", ["teller", "ledger_keeper"], False),
        (LIVING, "keeper", ["ledger_keeper", "teller"], False),
        (LIVING, "keeper", ["teller", "administrator"], False),
        (LIVING, "counter", ["teller", "teller"], False),
        (DEAD, "keeper", ["teller", "teller"], False),
        (Head(ANNA), "keeper", ["teller"], False),
    ],
)
def test_a_balance_changes_hands_only_with_one_who_keeps_the_books(
    head: Head, title_by: Any, roles: list[str], is_refused: bool
) -> None:
    people = [
        StaffFacts(no, f"P{no}", None, (RoleFacts(role, 1000, 1),)) for no, role in enumerate(roles)
    ]
    transfer_rules = TransferRules(title_by=title_by)
    if not is_refused:
        rules.require_title(head, transfer_rules, people, PLACE)
        return
    with pytest.raises(NotPermitted) as caught:
        rules.require_title(head, transfer_rules, people, PLACE)
    assert caught.value.facts == {
        "staff": "P0", "act": "accounts.close (过户)", "outlet": "S", "roles": KEEPERS,
    }  # fmt: skip


def test_who_keeps_the_books_elsewhere_does_not_keep_them_here() -> None:
    elsewhere = StaffFacts(1, "K", None, (RoleFacts("ledger_keeper", 1002, 2),))
    with pytest.raises(NotPermitted):
        rules.require_title(LIVING, TransferRules(), [elsewhere], PLACE)


def test_equal_documents_have_equal_indexes_and_the_key_matters() -> None:
    indexes = {
        rules.document_index(key, kind, number)
        for key in (b"k" * 16, b"l" * 16)
        for kind, number in (("passport", "E1"), ("passport", "E2"), ("other", "E1"))
    }
    assert len(indexes) == 6
    assert all("E1" not in index and len(index) == 64 for index in indexes)
    again = rules.document_index(b"k" * 16, "passport", "E1")
    assert again in indexes


def test_the_default_key_differs_between_banks() -> None:
    keys = {rules.default_index_key(no, name) for no in (1, 2) for name in ("甲", "乙")}
    assert len(keys) == 4


def test_the_default_key_of_a_bank_stays_the_same_in_every_later_version() -> None:
    """Its indexes are in the books: with another key no document would be found again."""
    assert rules.default_index_key(1, "甲").hex() == (
        "81e54ca2348a40e7cf4fd81d77dc22979d2242dea48ad461501ebf5638f77f31"
    )


def test_an_account_number_tells_where_it_was_opened() -> None:
    assert rules.opening_outlet_no(compose_account_no(1003, 9_999_999)) == 1003
