"""Conformance: the caller's own transaction, savepoints, simulation, and callers at once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.errors import InsufficientPoints, RetryTransaction
from gongyi_bank.testing.conformance.ground import Ground, at_once, refusals
from gongyi_bank.testing.story_builder import Story
from gongyi_bank.values import Points


class _Mishap(Exception):
    """Something of the caller's own that went wrong."""


def _buy(counter: Counter, account: int) -> None:
    counter.redemptions.redeem(account=account, store="P01", sku="RICE")


def _write(connection: sa.Connection | Session, notes: sa.Table, words: str) -> None:
    connection.execute(sa.insert(notes).values(words=words))


def _words(bank: Bank, notes: sa.Table) -> list[str]:
    with bank.engine.connect() as connection:
        return list(connection.scalars(sa.select(notes.c.words).order_by(notes.c.words)))


class TransactionTests(Ground):
    """Acts stand in the caller's transaction, and callers do not lose each other's work."""

    @pytest.fixture
    def notes(self, bank: Bank) -> Iterator[sa.Table]:
        """A table of the caller's own, beside the bank's."""
        name = f"conformance_{uuid.uuid4().hex[:12]}"
        table = sa.Table(name, sa.MetaData(), sa.Column("words", sa.String(20), primary_key=True))
        table.create(bank.engine)
        yield table
        table.drop(bank.engine)

    def test_nothing_is_committed_until_the_caller_does(
        self, story: Story, notes: sa.Table
    ) -> None:
        bank, account = story.bank, story.account("li")
        with bank.engine.connect() as connection:
            _write(connection, notes, "undone")
            with bank.within(connection) as counter:
                _buy(counter, account)
            connection.rollback()
        assert (_words(bank, notes), bank.reports.balance(account)) == ([], Points(20))
        with bank.engine.connect() as connection:
            _write(connection, notes, "kept")
            with bank.within(connection) as counter:
                _buy(counter, account)
            connection.commit()
        assert (_words(bank, notes), bank.reports.balance(account)) == (["kept"], Points(15))

    def test_a_session_is_joined_like_a_connection(self, story: Story, notes: sa.Table) -> None:
        bank, account = story.bank, story.account("li")
        with Session(bank.engine) as session:
            _write(session, notes, "kept")
            with bank.within(session) as counter:
                _buy(counter, account)
            session.commit()
        assert (_words(bank, notes), bank.reports.balance(account)) == (["kept"], Points(15))

    def test_an_exception_undoes_the_block_and_nothing_else(
        self, story: Story, notes: sa.Table
    ) -> None:
        bank, account = story.bank, story.account("li")
        with bank.engine.begin() as connection:
            _write(connection, notes, "before")
            with bank.within(connection) as counter:
                _buy(counter, account)
            with pytest.raises(_Mishap):
                self._fail_within(bank, connection, account, notes)
            _write(connection, notes, "behind")
        assert _words(bank, notes) == ["before", "behind"]
        assert bank.reports.balance(account) == Points(15)

    @staticmethod
    def _fail_within(bank: Bank, connection: sa.Connection, account: int, notes: sa.Table) -> None:
        with bank.within(connection) as counter:
            _buy(counter, account)
            _write(connection, notes, "inside")
            raise _Mishap

    def test_a_refusal_leaves_the_callers_transaction_usable(
        self, story: Story, notes: sa.Table
    ) -> None:
        bank, account = story.bank, story.account("wang")
        with bank.engine.begin() as connection:
            with pytest.raises(InsufficientPoints), bank.within(connection) as counter:
                _buy(counter, account)
            _write(connection, notes, "kept")
            with bank.within(connection) as counter:
                _buy(counter, story.account("li"))
        assert (_words(bank, notes), bank.reports.balance(story.account("li"))) == (
            ["kept"],
            Points(15),
        )

    def test_a_simulation_shows_what_would_be_and_changes_nothing(self, story: Story) -> None:
        account = story.account("li")
        with story.bank.simulate() as counter:
            _buy(counter, account)
            assert counter.reports.balance(account) == Points(15)
        assert story.bank.reports.balance(account) == Points(20)

    def test_two_callers_at_once_never_spend_a_point_twice(self, story: Story) -> None:
        account = story.account("zhang")

        def spend() -> list[object]:
            done: list[object] = []
            while len(done) < 8:
                try:
                    done.append(
                        story.bank.redemptions.redeem(account=account, store="P01", sku="RICE")
                    )
                except InsufficientPoints as refusal:
                    done.append(refusal)
                except RetryTransaction:
                    continue
            return done

        results = [result for results in at_once(spend, spend) for result in results]
        assert refusals(results) == ["insufficient_points"] * 6
        assert story.bank.reports.balance(account) == Points(0)

    def test_a_key_that_callers_race_for_has_one_effect(self, story: Story) -> None:
        command = Redeem(
            account=story.account("zhang"), store="P01", sku="RICE", idempotency_key="RACE"
        )
        results = at_once(*[lambda: story.bank.execute(command)] * 4)
        assert refusals(results) == []
        assert results == results[:1] * 4
        assert story.bank.reports.balance(story.account("zhang")) == Points(45)
