"""Passbooks in any order of acts: stock stays countable, and every line is printed once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gongyi_bank.bank import Counter
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.errors import GongyiBankError, LossNotReported, PassbookFull, PassbookInUse
from gongyi_bank.policies import PassbookRules
from gongyi_bank.values import Points, compose_passbook_no
from tests.district import District

#: Four lines fill a book, over a page break.
TINY = PassbookRules(pages=2, rows_per_page=2, oral_loss_days=2, reissue_wait_days=3)
BOOKS = 150
STATES = ("blank", "in_use", "lost", "replaced", "void", "spoiled", "destroyed")
ACTS = (
    *("serve", "update", "days") * 3,
    *("update_one", "renew", "reissue", "destroy", "find", "lose_written") * 2,
    "print", "allot", "issue", "issue_named", "renew_damaged", "lose_oral", "spoil",
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTS),
        st.integers(min_value=0, max_value=1),
        st.integers(min_value=1, max_value=12),
    ),
    min_size=20,
    max_size=60,
)


class Story:
    """Acts drawn at random for two accounts, and a model that knows only the receipts."""

    def __init__(self, district: District, counter: Counter) -> None:
        self.district = district
        self.counter = counter
        self.books = counter.passbooks
        new = [NewCustomer(outlet="B01S01", name="张三")] * 2
        self.accounts = counter.customers.register(customers=new).accounts
        self.printed = BOOKS
        self.given = 0
        self.lines = dict.fromkeys(self.accounts, 0)
        #: Account -> (line, book, page, row) in the order of printing.
        self.prints: dict[int, list[tuple[int, int, int, int]]] = {a: [] for a in self.accounts}
        for account in self.accounts:
            self.do("issue", account, 1)

    def step(self, act: str, who: int, number: int) -> None:
        try:
            self.do(act, self.accounts[who], number)
        except GongyiBankError as refusal:
            if refusal.retryable:  # a refusal is an answer; to try again is none
                raise

    def do(self, act: str, account: int, number: int) -> None:
        if act == "serve":
            self._serve(account, number)
        elif act.startswith("update"):
            self._update(account, 1 if act == "update_one" else 500)
        elif act.startswith("lose"):
            kind = act.removeprefix("lose_")
            self.books.report_loss(account=account, kind=kind, outlet="B01S01")
        elif act == "find":
            self.books.lift_loss(account=account, reason="找回")
        elif act == "days":
            self.district.clock.advance(days=number % 4)
        elif act.startswith(("issue", "renew", "reissue")):
            self._give(act, account, number)
        else:
            self._handle_stock(act, compose_passbook_no(number), number)

    def _serve(self, account: int, number: int) -> None:
        for _ in range(number % 3 + 1):
            self.counter.points.grant(
                account=account,
                points=Points("1"),
                reason="活动",
                second_person="ADM2",
                outlet="B01S01",
            )
            self.lines[account] += 1

    def _update(self, account: int, lines_max: int) -> None:
        receipt = self.books.update(account=account, lines_max=lines_max)
        self.prints[account] += [
            (line.line_no, receipt.passbook, line.page, line.row) for line in receipt.lines
        ]

    def _give(self, act: str, account: int, number: int) -> None:
        if act == "issue_named":
            named = compose_passbook_no(number)
            self.books.issue(account=account, outlet="B01S01", passbook=named)
        elif act == "issue":
            self.books.issue(account=account, outlet="B01S01")
        elif act == "reissue":
            self.books.reissue(account=account, outlet="B01S01")
        else:
            damaged = act == "renew_damaged"
            self.books.renew(account=account, outlet="B01S01", damaged=damaged)
        self.given += 1

    def _handle_stock(self, act: str, book: int, number: int) -> None:
        if act == "print":
            self.printed += self.books.print_stock(count=number).count
        elif act == "allot":
            last = compose_passbook_no(BOOKS)
            first = compose_passbook_no(BOOKS - number)
            target = ("B01", "B01S01", "B02")[number % 3]
            self.books.allot(target=target, first=first, last=last)
        elif act == "spoil":
            self.books.spoil(passbook=book, reason="水渍")
        else:
            self.books.destroy(passbooks=[book], second_person="ADM2", reason="清理")

    def check(self) -> None:
        *rows, total = list(self.books.stock())
        for row in (*rows, total):
            assert row["printed"] == sum(row[state] for state in STATES)
            assert all(row[state] >= 0 for state in STATES)
        assert total["printed"] == self.printed
        held = [book["state"] for account in self.accounts for book in self.books.of(account)]
        assert len(held) == self.given
        assert held.count("在用") == total["in_use"]
        assert held.count("挂失") == total["lost"]
        assert total["in_use"] + total["lost"] == len(self.accounts)
        for printed in self.prints.values():
            assert [line for line, *_ in printed] == list(range(1, len(printed) + 1))
            assert len({entry[1:] for entry in printed}) == len(printed)
            assert all(page <= 2 and row <= 2 for *_, page, row in printed)

    def finish(self) -> None:
        """Find lost books, renew full ones and print until nothing is left."""
        for account in self.accounts:
            with suppress(LossNotReported):
                self.do("find", account, 1)
            for _ in range(2 * self.lines[account]):
                try:
                    self.do("update", account, 1)
                except PassbookFull:
                    self.do("renew", account, 1)
            with pytest.raises(PassbookInUse):
                self.do("issue", account, 1)
            assert len(self.prints[account]) == self.lines[account]


@pytest.fixture
def stocked(sqlite_tables_url: str) -> Iterator[District]:
    """A district of tiny books, on SQLite alone: the order of acts is no matter of engines."""
    made = District(sqlite_tables_url, policies=(TINY,))
    made.bank.passbooks.print_stock(count=BOOKS)
    for outlet in ("B01", "B01S01"):
        last = compose_passbook_no(BOOKS - 15)
        made.bank.passbooks.allot(target=outlet, first=compose_passbook_no(1), last=last)
    yield made
    made.close()


@given(steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_acts_leaves_stock_countable_and_prints_each_line_once(
    stocked: District, steps: list[tuple[str, int, int]]
) -> None:
    begun = stocked.clock.now
    try:
        with stocked.bank.simulate() as counter:
            story = Story(stocked, counter)
            for step in steps:
                story.step(*step)
                story.check()
            story.finish()
            story.check()
    finally:
        stocked.clock.now = begun
