"""Acts of many threads committed in groups: each caller gets what `bank.execute` would say."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.customers import FreezeAccount
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.errors import (
    EngineError,
    IdempotencyConflict,
    InvalidValue,
    OutcomeUnknown,
    OutOfStock,
    QueueEnded,
    RetryTransaction,
)
from gongyi_bank.group_commit import GroupCommit
from gongyi_bank.service.grouping import Wish, perform_together
from gongyi_bank.store import connections
from gongyi_bank.store.engines import KeyTaken
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.tables import voucher
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_redemptions import require_books_agree, saver
from tests.service.test_stores import a_shop, new_offer


@pytest.fixture
def shop(district: District) -> District:
    """A shop with many cheap pieces."""
    a_shop(district, new_offer(stock=500, points=Points("0.01")))
    return district


@contextmanager
def paused(queue: GroupCommit) -> Iterator[None]:
    """What comes in the block is queued, and taken as one group at its end."""
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait(20)

    queue.submit(_Waiting(hold))  # type: ignore[arg-type]
    assert begun.wait(20)
    try:
        yield
    finally:
        go.set()


class _Waiting:
    """No command at all: it keeps the thread busy for a while."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run


@pytest.fixture
def queue(shop: District, monkeypatch: pytest.MonkeyPatch) -> Iterator[GroupCommit]:
    """A queue of T1's whose thread can be kept busy."""
    execute = Bank.execute

    def run(bank: Bank, command: Any) -> Any:
        return command.run() if isinstance(command, _Waiting) else execute(bank, command)

    monkeypatch.setattr(Bank, "execute", run)
    with GroupCommit(shop.acting("T1")) as made:
        yield made


def redeem(account: int, **fields: Any) -> Redeem:
    said = {"account": account, "store": "P1", "sku": "A"} | fields
    return Redeem(**said)


def answers(queue: GroupCommit, commands: list[Command]) -> list[Any]:
    """What became of commands that were done as one group."""
    with paused(queue):
        futures = [queue.submit(command) for command in commands]
    return [future.exception(20) or future.result() for future in futures]


def vouchers(district: District) -> int:
    with district.bank.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(voucher)) or 0


def commits(engine: sa.Engine) -> list[int]:
    """A list that grows by one at every COMMIT."""
    said: list[int] = []
    sa.event.listen(engine, "commit", lambda _: said.append(1))
    return said


def test_each_caller_gets_its_own_receipt_or_refusal_from_one_commit(
    shop: District, queue: GroupCommit
) -> None:
    account = saver(shop)
    before, said = vouchers(shop), commits(shop.bank.engine)
    commands = [redeem(account), redeem(account, quantity=999), redeem(account)]
    first, refused, last = answers(queue, commands)
    assert (first.line_no, last.line_no) == (2, 3)
    assert isinstance(refused, OutOfStock | InvalidValue)
    assert first.voucher_id != last.voucher_id
    assert vouchers(shop) == before + 2
    assert len(said) == 1
    require_books_agree(shop)


def test_sixty_threads_on_one_account_lose_and_double_nothing(shop: District) -> None:
    account = saver(shop)
    receipts: list[Any] = []

    def work() -> None:
        for _ in range(3):
            receipts.append(queue.redemptions.redeem(account=account, store="P1", sku="A"))

    with GroupCommit(shop.acting("T1"), batch_max=16) as queue:
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(receipt.line_no for receipt in receipts) == list(range(2, 62))
    assert shop.bank.reports.balance(account) == Points("1.40")
    assert shop.bank.verify().faults == ()


def test_twenty_threads_with_the_same_key_make_one_act(shop: District) -> None:
    account, before = saver(shop), vouchers(shop)
    receipts: list[Any] = []
    with GroupCommit(shop.acting("T1")) as queue:
        command = redeem(account, idempotency_key="K")
        threads = [
            threading.Thread(target=lambda: receipts.append(queue.execute(command)))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(receipts) == 20
    assert len(set(receipts)) == 1
    assert vouchers(shop) == before + 1


def test_a_key_for_another_request_is_a_conflict_for_that_caller_alone(
    shop: District, queue: GroupCommit
) -> None:
    account = saver(shop)
    commands = [
        redeem(account, idempotency_key="K"),
        redeem(account, idempotency_key="K", quantity=2),
        redeem(account),
    ]
    first, conflict, last = answers(queue, commands)
    assert isinstance(conflict, IdempotencyConflict)
    assert (first.line_no, last.line_no) == (2, 3)


def test_staff_of_one_group_are_judged_each_by_itself(shop: District, queue: GroupCommit) -> None:
    account = saver(shop)
    foreign = queue.acting_as("T3")
    with paused(queue):
        mine = queue.submit(redeem(account))
        theirs = foreign.submit(redeem(account))
    assert mine.result(20).line_no == 2
    assert theirs.exception(20).code == "not_permitted"  # type: ignore[union-attr]


def test_a_lapsed_hold_is_settled_on_the_way_as_by_single_acts(
    shop: District, queue: GroupCommit
) -> None:
    account = saver(shop, 1)  # one point in the smallest part
    shop.acting("T1").redemptions.reserve(account=account, store="P1", sku="A")
    shop.clock.advance(days=30)
    first, last = answers(queue, [redeem(account), redeem(account)])
    assert first.line_no == 2
    assert last.code == "insufficient_points"
    require_books_agree(shop)


def test_acts_of_other_kinds_keep_their_place_in_the_queue(
    shop: District, queue: GroupCommit
) -> None:
    account = saver(shop)
    commands: list[Command] = [
        redeem(account),
        FreezeAccount(account=account, reason="核查"),
        redeem(account),
    ]
    with paused(queue):
        boss = queue.acting_as("K1")
        futures = [boss.submit(command) for command in commands]
    assert futures[0].result(20).line_no == 2
    assert futures[1].exception(20) is None
    assert futures[2].exception(20).code == "account_frozen"  # type: ignore[union-attr]


# --- when something fails ------------------------------------------------------------------------


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception) -> None:
    """The function raises once, instead of running."""
    usual = getattr(owner, name)

    def run(*args: Any, **fields: Any) -> Any:
        monkeypatch.setattr(owner, name, usual)
        raise error

    monkeypatch.setattr(owner, name, run)


@pytest.mark.parametrize(
    "error",
    [RetryTransaction(reason="deadlock"), EngineError(reason="?"), KeyTaken(), KeyError("bug")],
)
def test_a_group_that_was_not_applied_is_done_one_by_one(
    shop: District, queue: GroupCommit, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    account, before = saver(shop), vouchers(shop)
    fail_once(monkeypatch, type(shop.bank._support), "write", error)
    done = answers(queue, [redeem(account), redeem(account, quantity=600), redeem(account)])
    assert [getattr(answer, "line_no", None) for answer in done] == [2, None, 3]
    assert vouchers(shop) == before + 2


def test_a_lost_answer_to_commit_is_told_to_all_whose_acts_were_in_it(
    shop: District, queue: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, before = saver(shop), vouchers(shop)
    usual = connections._commit

    def lost(*args: Any) -> None:
        monkeypatch.setattr(connections, "_commit", usual)
        usual(*args)
        raise OutcomeUnknown(key="-", reason="connection lost")

    monkeypatch.setattr(connections, "_commit", lost)
    commands = [
        redeem(account, idempotency_key="K1"),
        redeem(account, quantity=600),
        redeem(account),
        redeem(account, idempotency_key="K1"),
    ]
    first, refused, keyless, again = answers(queue, commands)
    for unknown, key in ((first, "K1"), (again, "K1"), (keyless, "（无 none）")):
        assert isinstance(unknown, OutcomeUnknown)
        assert unknown.facts == {"key": key, "reason": "connection lost"}
    assert refused.code in ("out_of_stock", "invalid_value")
    assert queue.execute(redeem(account, idempotency_key="K1")).line_no == 2
    assert vouchers(shop) == before + 2


def test_two_services_with_the_same_keys_do_each_act_once(shop: District) -> None:
    account, before = saver(shop), vouchers(shop)
    receipts: dict[str, set[Any]] = {f"K{number}": set() for number in range(10)}

    def work(queue: GroupCommit, key: str) -> None:
        receipts[key].add(queue.execute(redeem(account, idempotency_key=key)))

    with (
        GroupCommit(shop.acting("T1")) as one,
        closing(
            Bank.open(shop.url, staff="T1", clock=shop.clock, unsafe_settings="allow")
        ) as second,
        GroupCommit(second) as other,
    ):
        threads = [
            threading.Thread(target=work, args=(queue, key))
            for key in receipts
            for queue in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [len(found) for found in receipts.values()] == [1] * 10
    assert vouchers(shop) == before + 10


# --- the queue -----------------------------------------------------------------------------------


def test_what_is_cancelled_while_it_waits_is_not_done(shop: District, queue: GroupCommit) -> None:
    account, before = saver(shop), vouchers(shop)
    with paused(queue):
        kept, dropped = queue.submit(redeem(account)), queue.submit(redeem(account))
        assert dropped.cancel()
    assert kept.result(20).line_no == 2
    assert not kept.cancel()
    assert vouchers(shop) == before + 1


def test_close_does_what_is_queued_and_takes_no_more(shop: District, queue: GroupCommit) -> None:
    account = saver(shop)
    with paused(queue):
        futures = [queue.submit(redeem(account)) for _ in range(3)]
    queue.close()
    assert [future.result(0).line_no for future in futures] == [2, 3, 4]
    for call in (queue.submit, queue.execute):
        with pytest.raises(QueueEnded):
            call(redeem(account))
    queue.close()


def test_a_full_queue_asks_to_come_again(sqlite_district: District, monkeypatch: Any) -> None:
    a_shop(sqlite_district)
    account = saver(sqlite_district)
    go, execute = threading.Event(), Bank.execute

    def slow(bank: Bank, command: Command) -> Any:
        go.wait(20)
        return execute(bank, command)

    monkeypatch.setattr(Bank, "execute", slow)
    with GroupCommit(sqlite_district.acting("T1"), queue_max=1, batch_max=1) as queue:
        first = queue.submit(redeem(account))
        while not first.running():
            pass
        second = queue.submit(redeem(account))
        with pytest.raises(RetryTransaction, match="queued"):
            queue.submit(redeem(account))
        go.set()
        assert [first.result(20).line_no, second.result(20).line_no] == [2, 3]


@pytest.mark.parametrize("wrong", [{"batch_max": 0}, {"queue_max": 1.5}, {"wait_ms": -1}])
def test_limits_are_checked(sqlite_district: District, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        GroupCommit(sqlite_district.bank, **wrong)


# --- processes -----------------------------------------------------------------------------------


def in_a_child(body: Callable[[], None]) -> int:
    """Run this in a forked process; how that ended."""
    child = os.fork()
    if not child:
        try:
            body()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def test_a_forked_process_needs_a_queue_of_its_own(sqlite_district: District) -> None:
    account = saver(sqlite_district)
    with GroupCommit(sqlite_district.acting("T1")) as queue:

        def use() -> None:
            try:
                queue.submit(redeem(account))
            except QueueEnded:
                os._exit(7)

        assert os.waitstatus_to_exitcode(in_a_child(use)) == 7


def test_a_process_killed_in_a_group_leaves_all_of_it_or_nothing(
    sqlite_district: District,
) -> None:
    a_shop(sqlite_district, new_offer(stock=50, points=Points("0.01")))
    account = saver(sqlite_district)
    wishes = [Wish("T1", redeem(account)) for _ in range(8)]

    def body(count: int) -> None:
        bank = Bank.open(
            sqlite_district.url, staff="T1", clock=sqlite_district.clock, unsafe_settings="allow"
        )
        kill_at(count)
        bank.keep(lambda tx: perform_together(tx, bank._shelf, wishes))

    killed = 0
    while True:
        before = vouchers(sqlite_district)
        sqlite_district.bank.engine.dispose()
        ended = os.waitstatus_to_exitcode(in_a_child(partial(body, killed + 1)))
        written = vouchers(sqlite_district) - before
        if ended == 0:
            assert written == 8
            break
        assert (ended, written) == (-signal.SIGKILL, 0)
        killed += 1
    assert killed > 10
    assert sqlite_district.bank.verify().faults == ()


def kill_at(count: int) -> None:
    """This process dies before its next statement but so many."""
    left = [count]
    for name in ("fetch", "execute", "execute_many"):
        usual = getattr(Wire, name)

        def run(*args: Any, usual: Any = usual, **fields: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*args, **fields)

        setattr(Wire, name, run)
