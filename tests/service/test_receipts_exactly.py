"""What receipts say of rows, to the letter: sent twice, corrected, waiting, redeemed."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import AccountClosed
from gongyi_bank.policies import ReversalRules
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.store.tables import hour_record
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_redemptions import require_books_agree, saver
from tests.service.test_stores import a_shop

HOUR = dt.timedelta(hours=1)


def shown(outcomes: Any) -> list[list[Any]]:
    """The outcomes in their plain form."""
    return [outcome.to_list() for outcome in outcomes]


def row(district: District, account: int, ref: str | None, day: int = 3) -> ServiceRow:
    return district.row(account, f"10-0{day} 08:00", 90, ref=ref)


def test_rows_of_a_list_say_what_they_are_worth_and_which_were_sent_before(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    hours = sqlite_district.acting("T1").hours
    hours.record_many(rows=[row(sqlite_district, account, "R1")])
    receipt = hours.record_many(
        rows=[
            row(sqlite_district, account, "R2", 4),
            row(sqlite_district, account, "R1"),
            row(sqlite_district, account, "R2", 4),
            row(sqlite_district, account, "R3", 4),
            sqlite_district.row(account, "10-05 08:00", 481, ref="R4"),
        ]
    )
    *told, refused, waiting = receipt.outcomes
    points, balance = Points("1.50"), Points("3.00")
    assert told == [
        RowOutcome(0, "R2", "credited", account, 2, 2, 90, points, balance),
        RowOutcome(1, "R1", "replayed", account, 1, 1, 90, points),
        RowOutcome(2, "R2", "replayed", account, 2, 2, 90, points),
    ]
    assert shown([refused])[0][:7] == [3, "R3", "refused", account, None, None, 0]
    assert refused.error is not None
    assert refused.error.code == "overlap"
    assert waiting == RowOutcome(
        4, "R4", "waiting_branch", account, 3, None, 481, Points(0), balance
    )


def test_opening_rows_that_were_sent_before_name_their_record_and_line(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    opening = OpeningRow(account=account, minutes=60, points=Points(1), as_of=dt.date(2022, 9, 30))
    desk = sqlite_district.bank.points
    (first,) = desk.bring_forward(rows=[opening]).outcomes
    (again,) = desk.bring_forward(rows=[opening]).outcomes
    assert (first.account, first.record_no, first.line_no) == (account, 1, 1)
    assert again == RowOutcome(0, None, "replayed", account, 1, 1, 60, Points(1))


def test_a_service_sent_again_by_its_reference_is_answered_as_it_was_booked(
    sqlite_district: District,
) -> None:
    account, other = sqlite_district.customer(), sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00", 120)
    sqlite_district.acting("T1").transfers.gift(
        account=account, target=other, points=Points("0.50"), outlet="B01S01"
    )
    first = sqlite_district.serve(account, "10-04 08:00", 60, ref="R1")
    assert (first.points, first.balance, first.line_no) == (Points(1), Points("2.50"), 3)
    sqlite_district.clock.advance(days=1)
    sqlite_district.serve(account, "10-05 08:00", 60)
    assert sqlite_district.serve(account, "10-04 08:00", 60, ref="R1") == first


def test_what_waits_is_worth_nothing_yet_also_when_it_is_sent_again(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00", 60)
    first = sqlite_district.serve(account, "10-04 08:00", 481, ref="R1")
    assert (first.state, first.minutes) == ("waiting_branch", 481)
    assert (first.points, first.line_no, first.balance) == (Points(0), None, Points(1))
    again = sqlite_district.serve(account, "10-04 08:00", 481, ref="R1")
    assert (again.record_no, again.line_no, again.balance) == (2, None, Points(1))


def corrected(district: District, account: int, **changes: Any) -> Any:
    fields = {
        "account": account, "record_no": 1, "reason": "时间有误", "category": "sanitation",
        "started_at": at("10-03 08:00"), "ended_at": at("10-03 10:00"),
        "recorded_by": "T1", "checked_by": "K1",
    }  # fmt: skip
    return district.acting("K1").hours.correct(**(fields | changes))


def test_a_correction_says_which_record_it_replaces_and_keeps_what_it_is_told(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00", client_rating=3, project="旧")
    receipt = corrected(sqlite_district, account, client_rating=5, project="新")
    assert (receipt.record_no, receipt.replaces_record_no) == (2, 1)
    assert (receipt.points, receipt.balance, receipt.line_no) == (Points(2), Points(2), 2)
    columns = (hour_record.c.record_no, hour_record.c.client_rating, hour_record.c.project)
    with sqlite_district.bank.engine.connect() as connection:
        kept = connection.execute(sa.select(*columns).order_by(hour_record.c.record_no)).all()
    assert kept == [(1, 3, "旧"), (2, 5, "新")]


def test_points_of_a_closed_account_are_not_taken_back(sqlite_tables_url: str) -> None:
    district = District(sqlite_tables_url, policies=(ReversalRules(spent="debt"),))
    account, other = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    district.acting("K1").accounts.close(
        account=account, reason="迁出", balance_to="account", target=other, second_person="K1b"
    )
    with pytest.raises(AccountClosed):
        district.acting("K1").hours.void(
            account=account, record_no=1, reason="不实", second_person="K1b"
        )
    district.close()


def test_a_list_names_the_redemption_of_each_row_and_one_can_go_on_with_it(
    district: District,
) -> None:
    """As a list of services names its records: to refund a row needs no other question."""
    a_shop(district)
    account = saver(district, ref="C1")
    desk = district.bank.redemptions
    first = RedemptionRow(customer_ref="C1", store="P1", sku="A", quantity=2, ref="R1")
    refused = RedemptionRow(customer_ref="C9", store="P1", sku="A", ref="R2")
    single = desk.redeem(account=account, store="P1", sku="A", ref="R3")
    before = RedemptionRow(account=account, store="P1", sku="A", ref="R3")
    done = desk.redeem_many(rows=[first, first, refused, before], idempotency_key="K1")
    ids = [outcome.redemption_id for outcome in done.outcomes]
    assert ids == [ids[0], ids[0], None, single.redemption_id]
    assert desk.redeem_many(rows=[first]).outcomes[0].redemption_id == ids[0]
    again = desk.redeem_many(rows=[first, first, refused, before], idempotency_key="K1")
    assert again == done == ManyRecorded.from_json(done.to_json())
    assert ids[0] is not None
    back = desk.refund(redemption=ids[0], quantity=1, reason="破损", second_person="ADM2")
    assert (back.account, back.quantity) == (account, 1)
    require_books_agree(district)


def test_the_receipt_of_a_list_that_was_kept_before_rows_had_ids_can_be_read() -> None:
    rows = [[0, "R1", "redeemed", 7, None, 2, 0, "1.00", "1.00", None]]
    kept = json.dumps([None, "2022-10-15", "2022-10-15T12:00:00+08:00", rows])
    (outcome,) = ManyRecorded.from_json(kept).outcomes
    assert (outcome.line_no, outcome.redemption_id) == (2, None)
    assert outcome.to_list() == rows[0]
