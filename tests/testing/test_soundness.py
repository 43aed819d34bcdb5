"""`assert_sound`: silent over sound books, and a failure that names what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing import ReferenceBank, Story, assert_sound, small_district
from gongyi_bank.testing.soundness import SHOWN_MAX


@pytest.fixture
def story() -> Iterator[Story]:
    """A small district in memory."""
    made = small_district("sqlite://")
    yield made
    made.bank.close()


def tamper(bank: Bank, *statements: str) -> None:
    with bank.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_sound_books_pass_and_say_what_was_looked_at(story: Story) -> None:
    found = assert_sound(story.records("zhang").bank)
    assert found.counts["accounts"] == 4
    assert found.is_clean


@pytest.mark.parametrize("bank", [None, 1, "sqlite://", Bank, ReferenceBank.found()])
def test_what_is_no_bank_is_refused(bank: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        assert_sound(bank)
    assert caught.value.facts["field"] == "bank"


def test_a_failure_lists_every_fault_and_what_was_looked_at(story: Story) -> None:
    tamper(story.bank, "UPDATE gb_account_head SET credited = credited + 7")
    with pytest.raises(AssertionError) as caught:
        assert_sound(story.bank)
    told = str(caught.value).splitlines()
    faults = story.bank.verify().faults
    assert told[0] == f"the books are not sound, {len(faults)} findings:"
    assert told[1:-1] == [f"  {fault}" for fault in faults]
    assert told[-1].startswith("looked at 4 accounts, 2 lines, ")


def test_a_long_list_is_cut_and_says_so(story: Story) -> None:
    for number in range(SHOWN_MAX):
        story.customer(f"c{number}").is_granted(f"c{number}", 1, outlet="B01")
    tamper(story.bank, "UPDATE gb_account_head SET credited = credited + 7 WHERE credited > 0")
    with pytest.raises(AssertionError) as caught:
        assert_sound(story.bank)
    told = str(caught.value).splitlines()
    assert len(told) == SHOWN_MAX + 3
    assert told[-2].endswith(f"{len(story.bank.verify().faults) - SHOWN_MAX} more")


def test_a_missing_guard_is_told_unless_it_is_not_asked_for(story: Story) -> None:
    tamper(story.bank, "DROP TRIGGER gb_voucher_no_delete")
    with pytest.raises(AssertionError, match=r"only \d+ of \d+ guards are on"):
        assert_sound(story.bank)
    assert_sound(story.bank, guarded=False)


def test_a_hold_past_its_deadline_is_told_where_everything_should_be_swept(story: Story) -> None:
    story.reserves("zhang", "P01", "SOAP", quantity=2)
    assert_sound(story.bank, swept=True)
    story.clock.advance(days=3)
    assert_sound(story.bank)
    with pytest.raises(AssertionError, match=r"keeps 1.00 since its deadline 2022-10-06 08:00"):
        assert_sound(story.bank, swept=True)
    story.bank.holds.lapse_overdue()
    assert_sound(story.bank, swept=True)


def test_a_counter_is_audited_with_what_its_transaction_wrote(story: Story) -> None:
    with story.bank.begin() as counter:
        counter.redemptions.redeem(account=story.account("zhang"), store="P01", sku="SOAP")
        assert assert_sound(counter).counts["lines"] == 3
