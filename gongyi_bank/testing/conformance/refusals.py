"""Conformance: what must be refused is refused by its own name, and leaves the books as they were.

The rules are the library's, not the database's; these tests notice a bank in which one of them
does nothing, whatever became of it on the way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.transfers import PoolGrant
from gongyi_bank.errors import (
    FourEyesRequired,
    GongyiBankError,
    HoldExceeded,
    InsufficientPoints,
    NotPermitted,
    PoolShort,
    ServiceOverlap,
    UnknownStaff,
)
from gongyi_bank.testing.conformance.ground import Ground
from gongyi_bank.testing.story_builder import SMALL_CAST, Story
from gongyi_bank.values import Points


def _standing(bank: Bank) -> list[Any]:
    """Every balance, record, line, hold and offer."""
    found: list[Any] = [
        bank.reports.trial_balance().rows, bank.stores.offers().rows, bank.holds.list().rows,
    ]  # fmt: skip
    for account in SMALL_CAST.accounts:
        found += [bank.hours.of(account).rows, bank.redemptions.of(account).rows]
        found.append(bank.reports.statement(account).lines)
    return found


@contextmanager
def refused(story: Story, error: type[GongyiBankError]) -> Iterator[None]:
    """What happens inside is refused with just this error, and nothing is changed by it."""
    before = _standing(story.bank)
    with pytest.raises(GongyiBankError) as caught:
        yield
    assert caught.type is error, f"{error.__name__} was due, not {caught.value!r}"
    assert _standing(story.bank) == before


class RefusalTests(Ground):
    """People, overlaps and amounts: each refused, and nothing written."""

    def test_nobody_acts_without_a_role_that_allows_it(self, story: Story) -> None:
        teller = story.bank.acting_as("T-B01S01")
        with refused(story, NotPermitted):
            teller.points.grant(
                account=story.account("zhang"), points=Points(5), reason="表彰", outlet="B01",
                second_person="L-B01",
            )  # fmt: skip
        with refused(story, NotPermitted):  # A store of another savings branch.
            story.bank.acting_as("T-B01S02").redemptions.redeem(
                account=story.account("zhang"), store="P01", sku="SOAP"
            )
        with refused(story, UnknownStaff):
            story.bank.acting_as("NOBODY").pools.open(code="P", name="池", outlet="B01")

    def test_nobody_decides_on_points_of_their_own(self, story: Story) -> None:
        account = story.account("zhang")
        own = Appointment(code="K-B01", role="ledger_keeper", outlet="B01", own_account=account)
        story.bank.staff.appoint(appointments=(own,))
        with refused(story, FourEyesRequired):
            story.is_granted("zhang", 5, outlet="B01")
        story.is_granted("li", 5, outlet="B01")
        line_no, keeper = story.last.line_no, story.bank.acting_as("K-B01")
        with refused(story, FourEyesRequired):
            keeper.reversals.reverse_line(
                account=account, line_no=1, reason="录错", second_person="L-B01"
            )
        keeper.reversals.reverse_line(
            account=story.account("li"), line_no=line_no, reason="录错", second_person="L-B01"
        )

    @pytest.mark.parametrize(
        ("second_person", "error"),
        [("K-B01", FourEyesRequired), ("NOBODY", UnknownStaff), ("T-B01S02", NotPermitted)],
    )
    def test_the_second_person_is_another_one_who_serves_there(
        self, story: Story, second_person: str, error: type[GongyiBankError]
    ) -> None:
        keeper, zhang = story.bank.acting_as("K-B01"), story.account("zhang")
        with refused(story, error):
            keeper.points.grant(
                account=zhang, points=Points(5), reason="表彰", outlet="B01",
                second_person=second_person,
            )  # fmt: skip
        with refused(story, error):
            keeper.reversals.reverse_line(
                account=zhang, line_no=1, reason="录错", second_person=second_person
            )

    def test_nobody_serves_in_two_places_at_once(self, story: Story) -> None:
        story.records("wang", start="08:00", minutes=60)
        for began, minutes in (("08:59", 60), ("08:20", 10), ("08:00", 60)):
            with refused(story, ServiceOverlap):
                story.records("wang", start=began, minutes=minutes, at="B01S01")
        story.records("wang", start="09:00", minutes=60)
        assert story.bank.reports.balance(story.account("wang")) == Points(2)

    def test_services_of_one_list_do_not_overlap_either(self, story: Story) -> None:
        began_at, desk = story.now - dt.timedelta(hours=9), story.bank.hours
        rows = [
            _hour_from(story, began_at + dt.timedelta(minutes=minutes)) for minutes in (0, 30, 60)
        ]
        done = desk.record_many(rows=tuple(rows))
        assert [(row.index, type(row.error)) for row in done.refused] == [(1, ServiceOverlap)]
        assert story.bank.reports.balance(story.account("wang")) == Points(2)

    def test_nobody_spends_more_than_is_free(self, story: Story) -> None:
        bank, zhang = story.bank, story.account("zhang")
        bank.holds.place(account=zhang, points=Points(30), store="P01", hours=2)
        with refused(story, InsufficientPoints):
            story.redeems("zhang", "P01", "RICE", quantity=5)
        with refused(story, InsufficientPoints):
            story.reserves("zhang", "P01", "RICE", quantity=5)
        with refused(story, InsufficientPoints):
            bank.holds.place(account=zhang, points=Points("20.01"), store="P01", hours=2)
        with refused(story, InsufficientPoints):
            story.gives("zhang", "wang", "20.01")
        with refused(story, InsufficientPoints):
            story.donates("zhang", "POOL", "20.01")
        story.donates("zhang", "POOL", 20)
        grant = PoolGrant(account=story.account("wang"), points=Points("20.01"))
        with refused(story, PoolShort):
            bank.transfers.grant(
                pool="POOL", grants=(grant,), reason="慰问", second_person="admin2"
            )

    def test_a_hold_gives_no_more_than_it_keeps_however_often_it_is_captured(
        self, story: Story
    ) -> None:
        account, desk = story.account("zhang"), story.bank.holds
        hold, other = (
            desk.place(account=account, points=points, store="P01", hours=2).hold_id
            for points in (Points(30), Points(15))
        )
        desk.capture(hold=hold, points=Points(20))
        with refused(story, HoldExceeded):
            desk.capture(hold=hold, points=Points(20))
        desk.capture(hold=hold)
        assert story.bank.reports.balance(account) == Points(20)
        desk.capture(hold=other)
        story.redeems("zhang", "P01", "RICE")
        assert story.bank.reports.balance(account) == Points(0)


def _hour_from(story: Story, began_at: dt.datetime) -> ServiceRow:
    """An hour of wang's service."""
    return ServiceRow(
        account=story.account("wang"), category="service", outlet="B01S02",
        recorded_by="T-B01S02", checked_by="K-B01", started_at=began_at,
        ended_at=began_at + dt.timedelta(hours=1),
    )  # fmt: skip
