"""The reference answers for the ledger as the bank does: acts, replays, refusals, and whole lives.

What is equal is every receipt, every refusal with its facts, and in the end every row of the books.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Literal

import pytest

from gongyi_bank import errors
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import ClosingRules, PointsExpiry, ReversalRules
from gongyi_bank.values import Points
from tests.acts import ACTS, keyed
from tests.district import at
from tests.refusals import RULES, redeem, shop
from tests.refused_states import ALL
from tests.reports.history import EXPIRY, History
from tests.service.test_redemptions import saver
from tests.service.test_reversals import TAKERS, close_october
from tests.service.test_transfers import a_pool, grant, leg, send
from tests.testing.both_books import of_bank, of_reference
from tests.testing.lives import FOUNDINGS, Life
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_house import HOUSE, REFUSALS

#: Not refusals of an act on the ledger: raised at the door, by reports, or by a queue.
ELSEWHERE = {
    errors.UnknownBank, errors.BankExists, errors.UnknownPolicy, errors.NotAVolunteer,
    errors.LineNotSealed, errors.QueueEnded, errors.TransactionEnded,
}  # fmt: skip
LEDGER_ACTS = sorted(act for act in ACTS if act.split(".")[0] not in HOUSE)
LEDGER_REFUSALS = sorted(ALL.keys() - ELSEWHERE - set(REFUSALS), key=lambda cls: cls.__name__)


@pytest.fixture
def mirrored() -> Iterator[MirroredDistrict]:
    made = MirroredDistrict("sqlite://")
    yield made
    made.close()


def require_equal_books(district: MirroredDistrict) -> None:
    """Every row that the bank has written follows from what the reference knows, and back."""
    written, told = of_bank(district), of_reference(district)
    for table, rows in written.items():
        assert rows == told[table], table


# --- acts and refusals -------------------------------------------------------------------------


@pytest.mark.parametrize("act", LEDGER_ACTS)
def test_an_act_on_the_ledger_is_answered_alike_first_again_and_by_strangers(
    mirrored: MirroredDistrict, act: str
) -> None:
    staff, command, change = ACTS[act](mirrored)
    for stranger in ("NOBODY", "AUD"):
        with pytest.raises((errors.UnknownStaff, errors.NotPermitted)):
            mirrored.acting(stranger).execute(command)
    first = mirrored.acting(staff).execute(keyed(command))
    require_equal_books(mirrored)
    mirrored.clock.advance(minutes=5)
    assert mirrored.acting("NOBODY").execute(keyed(command)) == first
    with pytest.raises(errors.IdempotencyConflict):
        mirrored.acting(staff).execute(keyed(command, **change))
    require_equal_books(mirrored)


@pytest.mark.parametrize("refusal", LEDGER_REFUSALS, ids=lambda cls: cls.__name__)
def test_a_refusal_of_the_ledger_comes_about_alike_and_changes_nothing(
    refusal: type[GongyiBankError],
) -> None:
    district = MirroredDistrict("sqlite://", policies=RULES)
    wish = ALL[refusal](district)
    books = district.mirror.reference.books
    before = books.copy()
    with pytest.raises(refusal):
        wish()
    # What a list declines row by row is compared within its receipt.
    is_in_a_list = refusal is errors.NothingToTakeOver
    assert is_in_a_list or district.mirror.seen[-1][1] == refusal.code
    assert dataclasses.replace(books, serials={}) == dataclasses.replace(before, serials={})
    district.close()


# --- lives -------------------------------------------------------------------------------------


#: Lives that told the two apart once: points that came back past their date within one act, and
#: a credit behind points without one after expiry had ended.
FOUND = (413, 616, 662)


def live(seed: int, acts: int) -> MirroredDistrict:
    """A wild life, every act of it compared, and in the end all books."""
    district = MirroredDistrict("sqlite://", policies=FOUNDINGS[seed % len(FOUNDINGS)])
    Life(district, seed).live(acts)
    require_equal_books(district)
    assert district.bank.verify().is_clean
    return district


@pytest.mark.parametrize("seed", range(len(FOUNDINGS)))
def test_a_wild_life_is_told_alike(seed: int) -> None:
    district = live(seed, 220)
    done = [act for act, refusal in district.mirror.seen if refusal is None]
    refused = {refusal for _, refusal in district.mirror.seen if refusal is not None}
    assert len(done) > 60
    assert len(set(done)) > 20
    assert len(refused) > 15
    district.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(100, 106), *FOUND])
def test_long_wild_lives_are_told_alike(seed: int) -> None:
    live(seed, 400).close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_life_that_reports_are_read_from_is_told_alike(seed: int) -> None:
    district = MirroredDistrict("sqlite://", policies=(EXPIRY,))
    History(district, seed).live(250)
    require_equal_books(district)
    district.close()


# --- what differed once --------------------------------------------------------------------------


def test_points_that_came_back_past_their_date_are_found_by_the_sweep(
    mirrored: MirroredDistrict,
) -> None:
    """A donation is reversed when the giver's points would have expired: they are swept next."""
    today = mirrored.clock().date()
    month = PointsExpiry(mode="months", length=1)
    mirrored.bank.policies.adopt(policy=month, effective_on=today)
    account = mirrored.customer()
    mirrored.serve(account, "10-03 08:00")
    mirrored.acting("K1").pools.open(code="POOL", name="爱心池", outlet="B01")
    mirrored.acting("T1").transfers.donate(
        account=account, pool="POOL", points=Points(1), outlet="B01S01"
    )
    mirrored.clock.advance(days=40)
    mirrored.bank.reversals.reverse_line(
        account=account, line_no=2, reason="误记", second_person="ADM2"
    )
    swept = mirrored.bank.points.expire_due()
    assert (swept.accounts, swept.lines, swept.points) == (1, 1, Points(1))
    require_equal_books(mirrored)


def test_a_debt_is_settled_by_what_a_lapsed_hold_gives_free() -> None:
    """Swept or not, the account can be closed: nothing is owed any more."""
    district = MirroredDistrict("sqlite://", policies=(ReversalRules(spent="debt"),))
    shop(district)
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.bank.holds.place(account=account, points=Points(1), store="P1", hours=1)
    reversal = district.acting("K1").reversals.reverse_line(
        account=account, line_no=1, reason="误记", second_person="K1b"
    )
    assert reversal.part.debt == Points(1)
    district.clock.advance(hours=2)
    assert district.bank.accounts.close(account=account, reason="迁出").paid_out == Points(0)
    require_equal_books(district)
    district.close()


@pytest.mark.parametrize("ends_in", [1, 3])
def test_gifts_keep_dates_where_expiry_has_come_and_gone(
    mirrored: MirroredDistrict, ends_in: int
) -> None:
    """Dates that were promised, or that an older and spent point has, go along with a gift."""
    today, desk = mirrored.clock().date(), mirrored.bank.policies
    giver, taker = mirrored.customer(), mirrored.customer()
    mirrored.serve(giver, "10-03 08:00")
    months = PointsExpiry(mode="months", length=3)
    desk.adopt(policy=months, effective_on=today + dt.timedelta(days=ends_in - 1))
    desk.adopt(policy=PointsExpiry(), effective_on=today + dt.timedelta(days=ends_in))
    mirrored.clock.advance(days=5)
    mirrored.serve(giver, "10-03 10:00")
    for points in ("0.60", "0.80"):
        mirrored.acting("T1").transfers.gift(
            account=giver, target=taker, points=Points(points), outlet="B01S01"
        )
    require_equal_books(mirrored)


def test_sweeps_by_a_clock_that_is_behind_pass_over_the_same_customers(
    mirrored: MirroredDistrict,
) -> None:
    """Those whose branch has closed the day, or who came to one that has on a later day."""
    month = PointsExpiry(mode="months", length=1)
    shop(mirrored)
    mirrored.bank.policies.adopt(policy=month, effective_on=mirrored.clock().date())
    places = ("B02S01", "B01S01", "B02S02", "B01S02", "B01S01")
    accounts = [mirrored.customer(place) for place in places]
    for account in accounts:
        mirrored.serve(account, "10-03 08:00")
        mirrored.bank.holds.place(account=account, points=Points("0.20"), store="P1", hours=1)
        mirrored.clock.advance(hours=1)
    mirrored.clock.advance(days=40)
    today = mirrored.clock().date()
    mirrored.clock.advance(days=2)
    mirrored.bank.customers.move(account=accounts[3], outlet="B02S01")
    mirrored.bank.closings.close(today.isoformat(), outlet="B02")
    mirrored.clock.advance(days=-2)
    # Points of one day are swept by the number of the account, holds by their deadline.
    for sweep, left_out in (
        (mirrored.bank.points.expire_due, [0, 0, 3]),
        (mirrored.bank.holds.lapse_overdue, [1, 3, 3]),
    ):
        seen = [sweep(count_max=1) for _ in range(3)]
        assert [one.left_out for one in seen] == left_out
        assert [one.may_be_more for one in seen] == [True, True, False]
    require_equal_books(mirrored)
    mirrored.clock.advance(days=2)
    for sweep in (mirrored.bank.points.expire_due, mirrored.bank.holds.lapse_overdue):
        assert (sweep().left_out, sweep(count_max=9).left_out) == (0, 0)
    require_equal_books(mirrored)


@pytest.mark.parametrize("spent", ["refuse", "take_available", "debt"])
def test_what_lapsed_unswept_is_taken_back_alike(
    spent: Literal["refuse", "take_available", "debt"],
) -> None:
    month = PointsExpiry(mode="months", length=1)
    district = MirroredDistrict("sqlite://", policies=(ReversalRules(spent=spent), month))
    shop(district)
    accounts = [district.customer() for _ in range(3)]
    for account in accounts:
        district.serve(account, "10-03 08:00")
        district.serve(account, "10-04 08:00")
    district.clock.advance(days=20)
    for account in accounts:
        district.serve(account, "10-05 08:00")
        district.bank.holds.place(account=account, points=Points("2.50"), store="P1", hours=300)
    district.clock.advance(days=15)
    first, second, third = accounts
    words = {"reason": "误记", "second_person": "K1b"}
    keeper = district.acting("K1")
    keeper.reversals.reverse_line(account=first, line_no=1, points=Points("0.60"), **words)
    keeper.hours.void(account=second, record_no=2, **words)
    keeper.hours.correct(
        account=third, record_no=3, reason="时间有误", category="sanitation",
        started_at=at("10-05 08:00"), ended_at=at("10-05 08:30"), recorded_by="T1",
        checked_by="K1",
    )  # fmt: skip
    assert district.bank.holds.lapse_overdue().hold_ids == ()
    require_equal_books(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())
    district.close()


@pytest.mark.parametrize("act", TAKERS)
def test_a_closed_period_is_named_before_spent_points_alike(act: str) -> None:
    district = MirroredDistrict("sqlite://", policies=(ClosingRules(late_work="refuse"),))
    shop(district)
    account = district.customer()
    voucher = district.serve(account, "10-03 08:00", 120).voucher_id
    redeem(district, account, quantity=2)
    district.clock.now = at("11-02 12:00")
    with pytest.raises(errors.InsufficientPoints):
        TAKERS[act](district, account, voucher)
    close_october(district)
    with pytest.raises(errors.PeriodClosed):
        TAKERS[act](district, account, voucher)
    require_equal_books(district)
    district.close()


def test_a_closed_period_of_any_leg_is_named_before_what_a_pool_has_given_away_alike() -> None:
    district = MirroredDistrict("sqlite://", policies=(ClosingRules(late_work="refuse"),))
    one, two = saver(district), saver(district)
    a_pool(district)
    sent = send(district, leg(one, two), leg(two, "P1"), leg(one, "P1"))
    grant(district, (one, Points(2)))
    close_october(district)
    wish = {"voucher": sent.voucher_id, "reason": "误记", "second_person": "K1b"}
    reverse = district.acting("K1").reversals.reverse_voucher
    with pytest.raises(errors.PeriodClosed):
        reverse(**wish)
    with pytest.raises(errors.PoolShort):
        reverse(**wish, value="today")
    require_equal_books(district)
    district.close()
