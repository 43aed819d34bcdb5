"""Conformance: holds, goods that come back, reversals, transfers, passbooks, closing, outbox."""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.commands.transfers import PoolGrant
from gongyi_bank.errors import (
    GoodsReturned,
    HoldExceeded,
    HoldLapsed,
    InsufficientPoints,
    PeriodAlreadyClosed,
)
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.testing.conformance.ground import Ground
from gongyi_bank.testing.soundness import assert_sound
from gongyi_bank.testing.story_builder import Story
from gongyi_bank.values import Points, compose_passbook_no


class LifeTests(Ground):
    """What a district does, one noun after the other."""

    def test_held_points_are_captured_in_parts_and_the_rest_is_free_again(
        self, story: Story
    ) -> None:
        account, desk = story.account("zhang"), story.bank.holds
        placed = desk.place(account=account, points=Points(50), store="P01", hours=2)
        with pytest.raises(InsufficientPoints):
            story.redeems("zhang", "P01", "SOAP")
        desk.capture(hold=placed.hold_id, points=Points(20))
        with pytest.raises(HoldExceeded):
            desk.capture(hold=placed.hold_id, points=Points("30.01"))
        desk.release(hold=placed.hold_id, reason="改期")
        story.redeems("zhang", "P01", "RICE", quantity=6)
        assert story.bank.reports.balance(account) == Points(0)

    def test_a_hold_past_its_deadline_keeps_nothing(self, story: Story) -> None:
        desk = story.bank.holds
        placed = desk.place(account=story.account("zhang"), points=Points(50), store="P01", hours=2)
        story.clock.advance(hours=2)
        with pytest.raises(HoldLapsed):
            desk.capture(hold=placed.hold_id)
        assert desk.lapse_overdue().hold_ids == (placed.hold_id,)
        assert_sound(story.bank, swept=True)
        story.redeems("zhang", "P01", "RICE", quantity=10)

    def test_reserved_goods_are_handed_over_or_free_again(self, story: Story) -> None:
        story.reserves("zhang", "P01", "SOAP", quantity=30)
        reserved = story.last.redemption_id
        assert self._soap(story) == (0, 30)
        story.bank.redemptions.capture(redemption=reserved, quantity=10)
        assert self._soap(story) == (0, 20)
        story.clock.advance(days=3)
        story.redeems("zhang", "P01", "SOAP", quantity=20)
        assert self._soap(story) == (0, 0)
        assert story.bank.reports.balance(story.account("zhang")) == Points(35)

    @staticmethod
    def _soap(story: Story) -> tuple[int, int]:
        """Pieces of soap that are free, and that are put aside."""
        soap = [row for row in story.bank.stores.offers().rows if row[2] == "SOAP"]
        free, reserved = soap[0][5:7]
        return free, reserved

    def test_goods_that_come_back_give_their_points_back_once(self, story: Story) -> None:
        story.redeems("zhang", "P01", "RICE", quantity=2)
        redemption, desk = story.last.redemption_id, story.bank.redemptions
        why = {"redemption": redemption, "reason": "破损", "second_person": "admin2"}
        desk.refund(**why, quantity=1)
        assert story.bank.reports.balance(story.account("zhang")) == Points(45)
        desk.refund(**why)
        with pytest.raises(GoodsReturned):
            desk.refund(**why)
        assert story.bank.reports.balance(story.account("zhang")) == Points(50)

    def test_a_line_is_taken_back_by_a_new_one(self, story: Story) -> None:
        story.records("wang", minutes=120)
        line_no = story.last.line_no
        why = {"account": story.account("wang"), "line_no": line_no, "reason": "录错"}
        desk = story.bank.reversals
        part = desk.reverse_line(**why, points=Points("0.50"), second_person="admin2").part
        assert (part.by_line_no, part.balance) == (line_no + 1, Points("1.50"))
        desk.reverse_line(**why, second_person="admin2")
        assert story.bank.reports.balance(story.account("wang")) == Points(0)

    def test_points_change_hands_and_a_pool_gives_what_it_got(self, story: Story) -> None:
        story.gives("zhang", "wang", 10).donates("zhang", "POOL", 15)
        story.bank.transfers.grant(
            pool="POOL", grants=(PoolGrant(account=story.account("wang"), points=Points(15)),),
            reason="慰问", second_person="admin2",
        )  # fmt: skip
        accounts = [story.account("zhang"), story.account("wang")]
        assert list(story.bank.reports.balances(accounts).values()) == [Points(25), Points(25)]
        assert story.bank.pools.balance("POOL") == Points(0)

    def test_points_past_their_date_are_spent_by_nobody(self, story: Story) -> None:
        expiry = PointsExpiry(mode="months", length=1)
        story.bank.policies.adopt(policy=expiry, effective_on=dt.date(2022, 10, 3))
        story.day("2022-11-04")
        with pytest.raises(InsufficientPoints):
            story.redeems("zhang", "P01", "SOAP")
        story.bank.points.expire_due()
        assert story.bank.reports.balance(story.account("zhang")) == Points(0)

    def test_a_passbook_is_issued_and_its_lines_are_printed_once(self, story: Story) -> None:
        desk, book = story.bank.passbooks, compose_passbook_no(1)
        desk.print_stock(count=1)
        desk.allot(target="B01", first=book, last=book)
        desk.allot(target="B01S01", first=book, last=book)
        desk.issue(account=story.account("zhang"), outlet="B01S01")
        story.redeems("zhang", "P01", "SOAP")
        printed = desk.update(account=story.account("zhang"), outlet="B01S01")
        again = desk.update(account=story.account("zhang"), outlet="B01S01")
        assert [line.balance for line in printed.lines] == [Points(50), Points("49.50")]
        assert again.lines == ()

    def test_closed_books_are_sealed_and_late_service_counts_in_the_open_month(
        self, story: Story
    ) -> None:
        story.records("wang", minutes=60).day("2022-11-02").closes("2022-10-31")
        assert story.last.root is not None
        story.closes("2022-10")
        with pytest.raises(PeriodAlreadyClosed):
            story.bank.closings.close("2022-10", idempotency_key="another")
        account, began_at = story.account("wang"), story.now - dt.timedelta(hours=47)
        story.bank.hours.record(
            account=account, category="service", outlet="B01S02", recorded_by="T-B01S02",
            checked_by="K-B01", started_at=began_at, ended_at=began_at + dt.timedelta(hours=1),
        )  # fmt: skip
        newest = story.bank.reports.statement(account).lines[0]
        assert newest.value_on > dt.date(2022, 10, 31)
        assert story.bank.reports.balance(account) == Points(2)
        assert story.bank.verify(since="last_seal").faults == ()

    def test_the_outbox_has_every_voucher_in_one_order(self, story: Story) -> None:
        story.redeems("zhang", "P01", "SOAP").redeems("li", "P01", "SOAP")
        vouchers = story.bank.outbox.read("sms", count_max=1000)
        places = [voucher.outbox_no for voucher in vouchers]
        assert places == list(range(1, len(places) + 1))
        assert [voucher.voucher_id for voucher in vouchers][-2:] == [
            receipt.voucher_id for receipt in story.receipts[-2:]
        ]
        story.bank.outbox.acknowledge("sms", places[-1])
        story.redeems("zhang", "P01", "SOAP")
        (newest,) = story.bank.outbox.read("sms")
        assert newest.voucher_id == story.last.voucher_id
