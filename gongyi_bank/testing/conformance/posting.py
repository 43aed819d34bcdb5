"""Conformance: lists, keys, refusals, and what the columns must hold."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.hours import RecordHours, ServiceRow
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.errors import IdempotencyConflict, InsufficientPoints
from gongyi_bank.testing.conformance.ground import Ground
from gongyi_bank.testing.story_builder import Story
from gongyi_bank.values import POINTS_MAX, Points

#: Rows of the long list; each is half an hour of service on a day of its own.
ROWS = 30


def _services(story: Story, who: str) -> list[RecordHours]:
    """Service of the last days, the oldest first."""
    begins_at = story.now - dt.timedelta(hours=1)
    return [
        RecordHours(
            account=story.account(who), category="service", outlet="B01S01",
            recorded_by="T-B01S01", checked_by="K-B01", ref=f"{who}-{day}",
            started_at=begins_at - dt.timedelta(days=day),
            ended_at=begins_at - dt.timedelta(days=day) + dt.timedelta(minutes=31),
        )
        for day in reversed(range(ROWS))
    ]  # fmt: skip


def _rows(story: Story, who: str) -> tuple[ServiceRow, ...]:
    return tuple(service.row() for service in _services(story, who))


class PostingTests(Ground):
    """A list is one posting, a key one effect, and a refusal none."""

    def test_a_list_of_services_gives_the_books_of_one_by_one(self, story: Story) -> None:
        teller = story.day("2022-12-20").bank.acting_as("T-B01S01")
        done = teller.hours.record_many(rows=_rows(story, "li"))
        assert done.count("credited") == ROWS
        teller.execute_many(_services(story, "wang"))
        balances = teller.reports.balances([story.account("li"), story.account("wang")])
        assert balances[story.account("wang")] == Points("0.51") * ROWS
        assert balances[story.account("li")] == Points("0.51") * ROWS + Points(20)

    def test_a_list_sent_again_is_a_replay_row_by_row(self, story: Story) -> None:
        desk = story.day("2022-12-20").bank.acting_as("T-B01S01").hours
        rows = _rows(story, "li")
        desk.record_many(rows=rows[: ROWS // 2])
        done = desk.record_many(rows=rows)
        assert (done.count("replayed"), done.count("credited")) == (ROWS // 2, ROWS // 2)

    def test_a_bad_row_in_a_list_is_refused_by_itself(self, story: Story) -> None:
        rows = list(_rows(story.day("2022-12-20"), "li"))
        rows.insert(7, rows[0])
        rows[3] = dataclasses.replace(rows[3], category="no-such")
        done = story.bank.hours.record_many(rows=tuple(rows))
        assert [row.index for row in done.refused] == [3]
        assert done.outcomes[7].outcome == "replayed"
        assert done.count("credited") == ROWS - 1

    def test_the_same_key_gives_the_same_receipt_and_one_effect(self, story: Story) -> None:
        command = Redeem(
            account=story.account("zhang"), store="P01", sku="RICE", idempotency_key="K"
        )
        assert story.bank.execute(command) == story.bank.execute(command)
        assert story.bank.reports.balance(story.account("zhang")) == Points(45)

    def test_a_key_with_another_request_is_refused(self, story: Story) -> None:
        story.does(
            Redeem(account=story.account("zhang"), store="P01", sku="RICE", idempotency_key="K")
        )
        with pytest.raises(IdempotencyConflict):
            story.does(
                Redeem(account=story.account("li"), store="P01", sku="RICE", idempotency_key="K")
            )
        assert story.bank.reports.balance(story.account("li")) == Points(20)

    def test_keys_that_differ_in_case_or_in_a_last_sign_are_other_keys(self, story: Story) -> None:
        for key in ("key", "Key", "KEY", "key.", "ke"):
            story.does(
                Redeem(account=story.account("zhang"), store="P01", sku="SOAP", idempotency_key=key)
            )
        assert story.bank.reports.balance(story.account("zhang")) == Points("47.50")

    def test_a_refusal_leaves_the_transaction_usable_and_its_key_free(self, story: Story) -> None:
        account = story.account("li")
        with story.bank.begin() as counter:
            desk = counter.redemptions
            with pytest.raises(InsufficientPoints):
                desk.redeem(
                    account=account, store="P01", sku="RICE", quantity=5, idempotency_key="K"
                )
            desk.redeem(account=account, store="P01", sku="RICE", idempotency_key="K")
        assert story.bank.reports.balance(account) == Points(15)

    def test_rare_characters_come_back_as_they_went_in(self, bank: Bank, story: Story) -> None:
        name = "𠮷祥物🎁 İ'\"%_\\"
        store = "𠮷店"
        story.store(store, "B01S01", name=name)
        story.offer(store, "𠮷祥", "0.01")
        (row,) = bank.stores.offers(store).rows
        assert row[:3] == (store, name, "𠮷祥")

    def test_the_largest_amount_and_a_leap_day_are_held(self, story: Story) -> None:
        story.day("2024-02-29").is_granted(
            "wang", Points(POINTS_MAX) - Points("0.01"), outlet="B01"
        )
        story.is_granted("wang", "0.01", outlet="B01")
        (newest, _) = story.bank.reports.statement(story.account("wang")).lines
        assert story.bank.reports.balance(story.account("wang")) == Points(POINTS_MAX)
        assert newest.day == dt.date(2024, 2, 29)
