"""A bank that was opened before a fork: parent and children have connections of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.group_commit import GroupCommit
from gongyi_bank.service.gate import _VoucherIds
from gongyi_bank.values import Points
from tests.district import District

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nobody forks here")
#: What a customer has, for the first of them.
WORTH = 100


def in_children(*works: Callable[[], Any]) -> list[Any]:
    """What each of these gives, each in a child that is forked now, all at the same time."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(len(works))

    def run(work: Callable[[], Any], end: Any) -> None:
        ready.wait(30)
        try:
            told = json.dumps(work())
        except BaseException:  # noqa: BLE001 - told to the test, whatever it is
            told = json.dumps(traceback.format_exc())
        end.send(told)

    pipes = [context.Pipe(duplex=False) for _ in works]
    children = [
        context.Process(target=run, args=(work, end), daemon=True)
        for work, (_, end) in zip(works, pipes, strict=True)
    ]
    for child in children:
        child.start()
    try:
        for heard, _ in pipes:
            assert heard.poll(60), "a child hangs"
        return [json.loads(heard.recv()) for heard, _ in pipes]
    finally:
        for child in children:
            child.kill()
            child.join()


@pytest.fixture
def customers(district: District) -> list[int]:
    """Three customers, who have 100, 200 and 300."""
    accounts = [district.customer() for _ in range(3)]
    for number, account in enumerate(accounts, start=1):
        district.bank.points.grant(
            account=account, points=Points(number * WORTH), reason="表彰", outlet="B01",
            second_person="K1",
        )  # fmt: skip
    return accounts


def balances(bank: Bank, account: int) -> list[str]:
    """All that is told of an account by many looks."""
    with GroupCommit(bank) as group:
        told = {str(group.reports.balance(account)) for _ in range(100)}
    for _ in range(50):
        with bank.begin() as counter:
            told.add(str(counter.reports.balance(account)))
    return sorted(told)


def test_children_and_their_parent_are_told_of_their_own_customers_only(
    district: District, customers: list[int]
) -> None:
    """Before they had connections of their own, customers were shown each other's balances."""
    looks = [lambda account=account: balances(district.bank, account) for account in customers]
    assert in_children(*looks) == [["100.00"], ["200.00"], ["300.00"]]
    assert balances(district.bank, customers[0]) == ["100.00"]


def test_what_children_book_is_booked_once_each(district: District, customers: list[int]) -> None:
    def book(account: int, child: int) -> list[int]:
        done = [
            district.bank.points.grant(
                account=account, points=Points(1), reason="表彰", outlet="B01",
                second_person="K1", idempotency_key=f"{child}-{number}",
            ).line_no
            for number in range(10)
        ]  # fmt: skip
        return [line_no for line_no in done if line_no is not None]

    works = [lambda child=child: book(customers[child % 2], child) for child in range(4)]
    lines = in_children(*works)
    assert sorted(lines[0] + lines[2]) == list(range(2, 22))
    assert sorted(lines[1] + lines[3]) == list(range(2, 22))
    found = [str(district.bank.reports.balance(account)) for account in customers]
    assert found == ["120.00", "220.00", "300.00"]
    assert district.bank.verify().is_clean


def test_a_child_leaves_what_its_parent_is_in_the_middle_of(district: District) -> None:
    """A teller in another thread is within a block when the process forks."""
    account, entered, forked = district.customer(), threading.Event(), threading.Event()
    bank = district.bank

    def teller() -> None:
        with bank.begin() as counter:
            counter.points.grant(
                account=account, points=Points(5), reason="表彰", outlet="B01", second_person="K1"
            )
            entered.set()
            forked.wait(30)

    thread = threading.Thread(target=teller)
    thread.start()
    assert entered.wait(30)
    try:
        seen = in_children(lambda: str(bank.reports.balance(account)))
    finally:
        forked.set()
        thread.join()
    assert seen == ["0.00"]
    assert str(bank.reports.balance(account)) == "5.00"


def test_a_database_in_memory_goes_along_as_a_copy() -> None:
    bank = Bank.found("sqlite://", unsafe_settings="allow")
    assert in_children(lambda: bank.verify().counts["outlets"]) == [1]
    assert bank.verify().is_clean
    bank.close()


def test_ids_are_not_waited_for_by_a_child_whose_parent_was_giving_one(
    sqlite_district: District,
) -> None:
    ids, now = _VoucherIds(), sqlite_district.clock()
    with ids._lock:
        assert in_children(lambda: len(ids.next(now))) == [16]
    assert len(ids.next(now)) == 16
