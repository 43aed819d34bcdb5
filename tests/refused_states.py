"""Rows about things in another state than an act needs; see tests/refusals.py."""

from __future__ import annotations

from gongyi_bank import errors
from tests.district import District
from tests.refusals import (
    TABLE,
    Wish,
    booked,
    books,
    closed_account,
    closed_pool,
    donate,
    held,
    pool,
    redeem,
    reserved,
    reverse,
    row,
    saver,
    serial,
    shop,
)

# --- states: accounts and hours --------------------------------------------------------------


@row(errors.AccountFrozen)
def _(d: District) -> Wish:
    shop(d)
    account = saver(d)
    d.bank.accounts.freeze(account=account, reason="核查")
    return lambda: redeem(d, account)


@row(errors.AccountNotFrozen)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.acting("K1").accounts.unfreeze(account=account, reason="找回")


@row(errors.AccountClosed)
def _(d: District) -> Wish:
    account = closed_account(d)
    return lambda: d.serve(account, "10-03 08:00")


@row(errors.AccountNotEmpty)
def _(d: District) -> Wish:
    account = saver(d)
    return lambda: d.acting("T1").accounts.close(account=account, reason="迁出")


@row(errors.AccountNotDormant)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.acting("T1").accounts.wake(account=account)


@row(errors.RecordNotWaiting)
def _(d: District) -> Wish:
    account = saver(d)
    return lambda: d.acting("K1b").hours.approve(account=account, record_no=1)


@row(errors.RecordNotCredited)
def _(d: District) -> Wish:
    wish = {"account": saver(d), "record_no": 1, "reason": "不实", "second_person": "K1b"}
    d.acting("K1").hours.void(**wish)
    return lambda: d.acting("K1").hours.void(**wish)


# --- states: passbooks -----------------------------------------------------------------------


@row(errors.NoPassbook)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.acting("T1").passbooks.update(account=account)


@row(errors.PassbookInUse)
def _(d: District) -> Wish:
    account = booked(d)
    return lambda: d.acting("T1").passbooks.issue(account=account)


@row(errors.PassbookFrozen)
def _(d: District) -> Wish:
    account = booked(d)
    d.acting("T1").passbooks.report_loss(account=account, kind="oral")
    return lambda: d.acting("T1").passbooks.update(account=account)


@row(errors.PassbookNotAvailable)
def _(d: District) -> Wish:
    books(d)
    d.acting("T1").passbooks.spoil(passbook=serial(1), reason="水渍")
    return lambda: d.acting("T1").passbooks.spoil(passbook=serial(1), reason="水渍")


@row(errors.PassbookStockShort)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.acting("T1").passbooks.issue(account=account)


@row(errors.PassbookFull)
def _(d: District) -> Wish:
    account = booked(d, lines=2)
    d.acting("T1").passbooks.update(account=account)
    return lambda: d.acting("T1").passbooks.update(account=account)


@row(errors.PassbookNotFull)
def _(d: District) -> Wish:
    account = booked(d)
    return lambda: d.acting("T1").passbooks.renew(account=account)


@row(errors.LossNotReported)
def _(d: District) -> Wish:
    account = booked(d)
    return lambda: d.acting("T1").passbooks.reissue(account=account)


@row(errors.ReissueTooEarly)
def _(d: District) -> Wish:
    account = booked(d)
    d.acting("T1").passbooks.report_loss(account=account, kind="written")
    return lambda: d.acting("T1").passbooks.reissue(account=account)


# --- states: stores, pools, redemptions, holds -----------------------------------------------


@row(errors.StoreClosed)
def _(d: District) -> Wish:
    shop(d)
    account = saver(d)
    d.bank.stores.leave(store="P1", reason="歇业")
    return lambda: redeem(d, account)


@row(errors.OfferWithdrawn)
def _(d: District) -> Wish:
    shop(d)
    account = saver(d)
    d.bank.stores.withdraw_offer(store="P1", sku="A", reason="换季")
    return lambda: redeem(d, account)


@row(errors.PoolClosed)
def _(d: District) -> Wish:
    closed_pool(d)
    account = saver(d)
    return lambda: donate(d, account)


@row(errors.PoolNotEmpty)
def _(d: District) -> Wish:
    pool(d)
    donate(d, saver(d))
    return lambda: d.acting("K1").pools.close(pool="POOL", reason="撤并")


@row(errors.RedemptionSettled)
def _(d: District) -> Wish:
    name = reserved(d).redemption_id
    d.acting("T1").redemptions.release(redemption=name, reason="不要了")
    return lambda: d.acting("T1").redemptions.capture(redemption=name)


@row(errors.ReservationLapsed)
def _(d: District) -> Wish:
    name = reserved(d).redemption_id
    d.clock.advance(days=30)
    return lambda: d.acting("T1").redemptions.capture(redemption=name)


@row(errors.HoldSettled)
def _(d: District) -> Wish:
    name = held(d).hold_id
    d.acting("T1").holds.release(hold=name, reason="不要了")
    return lambda: d.acting("T1").holds.capture(hold=name)


@row(errors.HoldLapsed)
def _(d: District) -> Wish:
    name = held(d).hold_id
    d.clock.advance(days=30)
    return lambda: d.acting("T1").holds.capture(hold=name)


@row(errors.HoldOfReservation)
def _(d: District) -> Wish:
    name = reserved(d).redemption_id
    return lambda: d.acting("T1").holds.capture(hold=name)


@row(errors.GoodsNotGiven)
def _(d: District) -> Wish:
    name = reserved(d).redemption_id
    wish = {"redemption": name, "reason": "破损", "second_person": "K1"}
    return lambda: d.acting("T1").redemptions.refund(**wish)


@row(errors.GoodsReturned)
def _(d: District) -> Wish:
    shop(d)
    name = redeem(d, saver(d)).redemption_id
    wish = {"redemption": name, "reason": "破损", "second_person": "K1"}
    d.acting("T1").redemptions.refund(**wish)
    return lambda: d.acting("T1").redemptions.refund(**wish)


# --- states: reversals -----------------------------------------------------------------------


@row(errors.LineNotReversible)
def _(d: District) -> Wish:
    shop(d)
    account = saver(d)
    redeem(d, account)
    return lambda: reverse(d, account, 2)


@row(errors.LineTakenBack)
def _(d: District) -> Wish:
    account = saver(d)
    reverse(d, account)
    return lambda: reverse(d, account)


@row(errors.NothingToReverse)
def _(d: District) -> Wish:
    frozen = d.bank.accounts.freeze(account=d.customer(), reason="核查")
    wish = {"voucher": frozen.voucher_id, "reason": "误记", "second_person": "K1b"}
    return lambda: d.acting("K1").reversals.reverse_voucher(**wish)


#: All rows, those of tests/refusals.py included.
ALL = TABLE
