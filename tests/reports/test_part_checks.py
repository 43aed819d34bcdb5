"""The audit of reversals, refunds and debts: each fault has its name."""

from __future__ import annotations

from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.policies import PointsExpiry, ReversalRules
from gongyi_bank.reports import line_checks
from gongyi_bank.values import Points
from tests.district import District
from tests.reports.test_verification import tampered
from tests.service.test_redemptions import saver
from tests.service.test_refunds import give_back
from tests.service.test_reversals import reverse, spend, void
from tests.service.test_stores import a_shop

EXPIRY = PointsExpiry(mode="months", length=1)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One account: a line in parts, expired and not; a void; refunds; and a debt."""
    path = tmp_path_factory.mktemp("books") / "bank.db"
    district = District(f"sqlite:///{path}", policies=(EXPIRY, ReversalRules(spent="debt")))
    a_shop(district)
    account = saver(district, 120)  # line 1
    district.serve(account, "10-04 08:00", 60)  # line 2
    reverse(district, account, 1, points=Points("0.50"))  # line 3
    taken = spend(district, account, 3).redemption_id  # line 4
    give_back(district, taken, quantity=1)  # line 5
    void(district, account, 2)  # line 6
    district.clock.advance(days=40)
    give_back(district, taken, quantity=1)  # past its date: no line
    reverse(district, account, 1, points=Points("1.20"))  # lines 7 (expiry) and 8
    assert district.bank.verify().is_clean, str(district.bank.verify())
    district.close()
    return path, account


def test_a_clean_book_of_reversals_has_a_debt_and_an_expired_part(books: Any) -> None:
    path, account = books
    bank = Bank.open(f"sqlite:///{path}", unsafe_settings="allow")
    summary = bank.reports.customer_summary(account)
    assert summary.balance < Points(0)
    bank.close()


LINE = "line_no = 1 AND part_no = "


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        (f"gb_line_part SET part_no = 3 WHERE {LINE} 2", {"part_number"}),
        (f"gb_line_part SET kind = 'refund' WHERE {LINE} 1", {"part_kind", "part_by_line"}),
        (f"gb_line_part SET amount = amount + 100 WHERE {LINE} 2", {"part_amount", "part_sum"}),
        (f"gb_line_part SET amount = amount - 1 WHERE {LINE} 1", {"part_amount"}),
        (f"gb_line_part SET expired = expired + 1 WHERE {LINE} 1", {"part_expired"}),
        (f"gb_line_part SET by_line_no = NULL WHERE {LINE} 1", {"part_by_line", "part_amount"}),
        (f"gb_line_part SET by_line_no = 6 WHERE {LINE} 1", {"part_by_line"}),
        (
            f"gb_line_part SET voucher_id = (SELECT voucher_id FROM gb_redemption) WHERE {LINE} 1",
            {"part_by_line"},
        ),
        ("gb_line_part SET line_no = 99 WHERE line_no = 2", {"part_line", "record_reversal"}),
        ("gb_refund SET points = points + 1 WHERE part_no = 1", {"refund_part", "refund_points"}),
        ("gb_refund SET quantity = 9 WHERE part_no = 1", {"refund_pieces", "refund_points"}),
        ("gb_refund SET refund_line_no = 3 WHERE part_no = 1", {"refund_part"}),
        ("gb_refund SET refunded_on = '2022-01-01' WHERE part_no = 1", {"refund_part"}),
        ("gb_refund SET part_no = 3 WHERE part_no = 2", {"refund_number"}),
        ("gb_account_head SET debt = debt + 1 WHERE debt > 0", {"head_debt"}),
        ("gb_account_line SET kind = 'redemption' WHERE line_no = 8", {"line_debt"}),
        (
            "gb_policy SET body = replace(body, '\"debt\"', '\"refuse\"')"
            " WHERE kind = 'reversal_rules'",
            {"line_debt"},
        ),
    ],
)
def test_each_fault_has_its_name(books: Any, tmp_path: Any, sql: str, kinds: set[str]) -> None:
    found = tampered(books, tmp_path, (f"UPDATE {sql}", ()))
    assert kinds <= {fault.kind for fault in found.faults}, str(found)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (f"gb_line_part WHERE {LINE} 2", "part_by_line"),
        ("gb_line_part WHERE line_no = 2", "record_reversal"),
        ("gb_line_part WHERE kind = 'refund' AND part_no = 2", "refund_part"),
        ("gb_refund WHERE part_no = 2", "refund_part"),
    ],
)
def test_what_was_removed_is_missed(books: Any, tmp_path: Any, sql: str, kind: str) -> None:
    found = tampered(books, tmp_path, (f"DELETE FROM {sql}", ()))
    assert kind in {fault.kind for fault in found.faults}, str(found)


def test_a_policy_adopted_during_the_day_does_not_accuse_the_morning(
    sqlite_district: District,
) -> None:
    a_shop(sqlite_district)
    account = saver(sqlite_district, 120)
    today = sqlite_district.clock().date()
    adopt = sqlite_district.bank.policies.adopt
    adopt(policy=ReversalRules(spent="debt", refund_validity="fresh"), effective_on=today)
    spend(sqlite_district, account, 3)
    reverse(sqlite_district, account, 1)
    assert sqlite_district.bank.verify().is_clean
    book = sqlite_district.bank.policies.book()
    assert [rule.spent for rule in line_checks.rules_on(book, today)] == ["refuse", "debt"]
