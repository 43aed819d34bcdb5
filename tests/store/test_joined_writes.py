"""What several acts write becomes one writing: rows in the order of need, each changed once."""

from __future__ import annotations

import pytest

from gongyi_bank.store.tables import account_head, given_sum, hold, redemption
from gongyi_bank.store.writing import Insert, Row, Update, Writes


def changing(seen: int, new: int, account_no: int = 7) -> Writes:
    """An act that moves an account's head on from line `seen` to line `new`."""
    writes = Writes(vouchers=[(f"V{new}",)])
    row: Row = (account_no, seen, new)
    writes.update(
        account_head, [row], key=("account_no",), guards=("line_no",), changes=("line_no",)
    )
    return writes


def test_a_row_that_several_acts_change_is_changed_once_from_first_seen_to_last_made() -> None:
    whole = Writes.joined([changing(3, 4), changing(1, 2, 8), changing(4, 5), changing(5, 6)])
    (step,) = whole.steps
    assert isinstance(step, Update)
    assert step.rows == [(7, 3, 6), (8, 1, 2)]
    assert whole.vouchers == [("V4",), ("V2",), ("V5",), ("V6",)]


def test_rows_that_others_point_to_come_first_whatever_the_order_of_the_acts() -> None:
    at_once, reserved = Writes(), Writes()
    at_once.insert(redemption, ("redemption_id",), [(b"1",)])
    reserved.insert(hold, ("hold_id",), [(b"2",)])
    reserved.insert(redemption, ("redemption_id",), [(b"2",)])
    steps = Writes.joined([at_once, reserved]).steps
    assert [step.table.name for step in steps] == ["gb_hold", "gb_redemption"]
    assert isinstance(steps[1], Insert)
    assert steps[1].rows == [(b"1",), (b"2",)]


def test_rows_that_replace_columns_do_so_together_and_apart_from_new_ones() -> None:
    acts = []
    for account_no, replaces in ((7, ("units",)), (8, ()), (9, ("units",))):
        acts.append(Writes())
        acts[-1].insert(given_sum, ("account_no", "units"), [(account_no, 1)], replaces=replaces)
    steps = Writes.joined(acts).steps
    assert [(step.rows, step.replaces) for step in steps if isinstance(step, Insert)] == [
        ([(7, 1), (9, 1)], ("units",)), ([(8, 1)], ()),
    ]  # fmt: skip


def test_a_row_changed_in_two_different_ways_is_a_mistake_of_ours() -> None:
    other = Writes()
    other.update(account_head, [(7, 1)], key=("account_no",), changes=("held",))
    with pytest.raises(AssertionError, match="changed twice"):
        Writes.joined([changing(3, 4), other])
