"""How each refusal comes about: a row for every class; those of states have a file of their own.

A row arranges a district and returns the wish that is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from gongyi_bank import errors
from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.group_commit import GroupCommit
from gongyi_bank.policies import ClosingRules, HourLimits, PassbookRules, Policy, TransferRules
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no
from tests.district import TARIFF, District, at

ONE = Points(1)
#: Small books, gifts that stay and are few, as grants are, nothing late: so that little provokes
#: much.
RULES = (
    PassbookRules(pages=1, rows_per_page=1),
    TransferRules(
        may_give_on=False, gift_count_month_max=2, grant_count_month_max=2,
        grantee_points_year_max=ONE,
    ),
    ClosingRules(late_work="refuse"),
)  # fmt: skip
Wish = Callable[[], object]
Row = Callable[[District], Wish]
NOBODY = compose_account_no(1003, 9_999_999)
TABLE: dict[type[GongyiBankError], Row] = {}


def row(refusal: type[GongyiBankError]) -> Callable[[Row], Row]:
    """The decorated function arranges what this class refuses."""

    def add(arrange: Row) -> Row:
        assert refusal not in TABLE, "one row a class"
        TABLE[refusal] = arrange
        return arrange

    return add


# --- what rows share -------------------------------------------------------------------------


def saver(d: District, minutes: int = 240) -> int:
    account = d.customer()
    d.serve(account, "10-03 08:00", minutes)
    return account


def shop(d: District, stock: int = 9) -> None:
    store = NewStore(
        code="P1", name="幸福超市", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    d.bank.stores.recruit(stores=[store])
    offer = NewOffer(store="P1", sku="A", name="毛巾", points=ONE, stock=stock)
    d.bank.stores.publish_offers(offers=[offer])


def redeem(d: District, account: int, **changes: Any) -> Any:
    goods = {"account": account, "store": "P1", "sku": "A"} | changes
    return d.acting("T1").redemptions.redeem(**goods)


def reserved(d: District) -> Any:
    shop(d)
    return d.acting("T1").redemptions.reserve(account=saver(d), store="P1", sku="A")


def held(d: District) -> Any:
    shop(d)
    return d.acting("T1").holds.place(account=saver(d), points=ONE, store="P1")


def pool(d: District) -> None:
    d.acting("K1").pools.open(code="POOL", name="爱心池", outlet="B01")


def gift(d: District, source: int, target: int, points: Points = ONE, **more: Any) -> Any:
    return d.acting("T1").transfers.gift(
        account=source, target=target, points=points, outlet="B01S01", **more
    )


def donate(d: District, account: int) -> Any:
    return d.acting("T1").transfers.donate(
        account=account, pool="POOL", points=ONE, outlet="B01S01"
    )


def grant(d: District, account: int) -> Any:
    grants = [{"account": account, "points": ONE}]
    return d.acting("K1").transfers.grant(
        pool="POOL", grants=grants, reason="慰问", second_person="K1b"
    )


def books(d: District) -> None:
    d.bank.passbooks.print_stock(count=5)
    for target in ("B01", "B01S01"):
        d.bank.passbooks.allot(target=target, first=serial(1), last=serial(5))


def serial(index: int) -> int:
    return compose_passbook_no(index)


def booked(d: District, *, lines: int = 0) -> int:
    """An account with a passbook, and so many lines."""
    books(d)
    account = d.customer()
    d.acting("T1").passbooks.issue(account=account)
    for day in range(3, 3 + lines):
        d.serve(account, f"10-{day:02d} 08:00")
    return account


def reverse(d: District, account: int, line_no: int = 1, **more: Any) -> Any:
    return d.acting("K1").reversals.reverse_line(
        account=account, line_no=line_no, reason="误记", second_person="K1b", **more
    )


def closed_pool(d: District) -> None:
    pool(d)
    d.acting("K1").pools.close(pool="POOL", reason="撤并")


def closed_account(d: District) -> int:
    account = d.customer()
    d.acting("T1").accounts.close(account=account, reason="迁出")
    return account


def years_later(d: District, days: int = 2) -> Bank:
    d.clock.advance(days=days)
    return d.bank


# --- not in the books ------------------------------------------------------------------------


@row(errors.UnknownBank)
def _(d: District) -> Wish:
    return lambda: Bank.open(d.url, bank="临江", unsafe_settings="allow")


@row(errors.UnknownOutlet)
def _(d: District) -> Wish:
    return lambda: d.bank.outlets.rename(outlet="NONE", name="无")


@row(errors.UnknownStaff)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.acting("NONE").accounts.freeze(account=account, reason="核查")


@row(errors.UnknownCustomer)
def _(d: District) -> Wish:
    return lambda: d.bank.accounts.freeze(account=NOBODY, reason="核查")


@row(errors.UnknownCategory)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.serve(account, "10-03 08:00", category="singing")


@row(errors.UnknownPolicy)
def _(d: District) -> Wish:
    class HouseRules(Policy):
        kind = "house_rules"

    return lambda: d.bank.policies.book().in_force(HouseRules, dt.date(2022, 10, 15))


@row(errors.UnknownStore)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: redeem(d, account, store="NONE")


@row(errors.UnknownOffer)
def _(d: District) -> Wish:
    shop(d)
    account = saver(d)
    return lambda: redeem(d, account, sku="NONE")


@row(errors.UnknownPool)
def _(d: District) -> Wish:
    account = saver(d)
    return lambda: donate(d, account)


@row(errors.UnknownRecord)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.acting("K1").hours.approve(account=account, record_no=1)


@row(errors.UnknownRedemption)
def _(d: District) -> Wish:
    return lambda: d.acting("T1").redemptions.capture(redemption=uuid4())


@row(errors.UnknownHold)
def _(d: District) -> Wish:
    return lambda: d.acting("T1").holds.capture(hold=uuid4())


@row(errors.UnknownPassbook)
def _(d: District) -> Wish:
    return lambda: d.acting("T1").passbooks.spoil(passbook=serial(99), reason="水渍")


@row(errors.UnknownLine)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: reverse(d, account)


@row(errors.UnknownVoucher)
def _(d: District) -> Wish:
    wish = {"voucher": uuid4(), "reason": "误记", "second_person": "K1b"}
    return lambda: d.acting("K1").reversals.reverse_voucher(**wish)


# --- who and where ---------------------------------------------------------------------------


@row(errors.NotPermitted)
def _(d: District) -> Wish:
    return lambda: d.acting("T1").outlets.rename(outlet="B01", name="新名")


@row(errors.FourEyesRequired)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.serve(account, "10-03 08:00", checked_by="T1")


@row(errors.NotAVolunteer)
def _(d: District) -> Wish:
    group = d.customer(kind="organisation")
    return lambda: d.bank.ratings.volunteer_stars(group)


# --- rows that a rule declines ---------------------------------------------------------------


@row(errors.ServiceNotPositive)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.serve(account, "10-03 08:00", 0)


@row(errors.ServiceTooLong)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.serve(account, "10-03 08:00", 60 * 24 * 3)


@row(errors.ServiceInFuture)
def _(d: District) -> Wish:
    account = d.customer()
    return lambda: d.serve(account, "10-15 12:00")


@row(errors.ServiceBeforeRegistration)
def _(d: District) -> Wish:
    account = d.customer(registered_on=dt.date(2022, 10, 10))
    return lambda: d.serve(account, "10-09 08:00")


@row(errors.ServiceOverlap)
def _(d: District) -> Wish:
    account = saver(d)
    return lambda: d.serve(account, "10-03 08:30")


@row(errors.OutOfStock)
def _(d: District) -> Wish:
    shop(d, stock=1)
    account = saver(d)
    return lambda: redeem(d, account, quantity=2)


@row(errors.InsufficientPoints)
def _(d: District) -> Wish:
    shop(d)
    account = saver(d)
    return lambda: redeem(d, account, quantity=5)


@row(errors.PoolShort)
def _(d: District) -> Wish:
    pool(d)
    account = d.customer()
    return lambda: grant(d, account)


@row(errors.HoldExceeded)
def _(d: District) -> Wish:
    hold = held(d).hold_id
    return lambda: d.acting("T1").holds.capture(hold=hold, points=Points("1.01"))


@row(errors.HoldTooLong)
def _(d: District) -> Wish:
    hold = held(d)
    later = hold.latest_at + dt.timedelta(seconds=1)
    return lambda: d.acting("T1").holds.extend(hold=hold.hold_id, deadline_at=later)


@row(errors.ReservationExceeded)
def _(d: District) -> Wish:
    name = reserved(d).redemption_id
    return lambda: d.acting("T1").redemptions.capture(redemption=name, quantity=2)


@row(errors.TransferNotAllowed)
def _(d: District) -> Wish:
    account, group = saver(d), d.customer(kind="organisation")
    return lambda: gift(d, account, group)


@row(errors.TransferLimitReached)
def _(d: District) -> Wish:
    account, friend = saver(d), d.customer()
    for _ in range(2):
        gift(d, account, friend)
    return lambda: gift(d, account, friend)


@row(errors.PoolLimitReached)
def _(d: District) -> Wish:
    pool(d)
    donor, others = saver(d), [d.customer() for _ in range(3)]
    for other in others[:2]:
        donate(d, donor)
        grant(d, other)
    donate(d, donor)
    return lambda: grant(d, others[2])


@row(errors.GranteeLimitReached)
def _(d: District) -> Wish:
    pool(d)
    donor, account = saver(d), d.customer()
    for _ in range(2):
        donate(d, donor)
    grant(d, account)
    return lambda: grant(d, account)


@row(errors.GiftedPointsStay)
def _(d: District) -> Wish:
    account, friend = saver(d), d.customer()
    gift(d, account, friend)
    return lambda: gift(d, friend, account)


@row(errors.NothingToTakeOver)
def _(d: District) -> Wish:
    opening = OpeningRow(
        account=saver(d), minutes=60, points=ONE, as_of=dt.date(2022, 9, 30)
    )  # fmt: skip
    return lambda: raise_first(d.bank.points.bring_forward(rows=[opening]))


def raise_first(receipt: Any) -> None:
    """Raise what a list says about its first row: a list does not raise for one."""
    raise receipt.outcomes[0].error


# --- states: transactions, house -------------------------------------------------------------


@row(errors.TransactionEnded)
def _(d: District) -> Wish:
    account = d.customer()
    with d.bank.begin() as counter:
        pass
    return lambda: counter.accounts.freeze(account=account, reason="核查")


@row(errors.QueueEnded)
def _(d: District) -> Wish:
    account, queue = d.customer(), GroupCommit(d.acting("T1"))
    queue.close()
    shop(d)
    return lambda: queue.redemptions.redeem(account=account, store="P1", sku="A")


@row(errors.CodeTaken)
def _(d: District) -> Wish:
    new = NewOutlet(code="B01", name="又一分行", parent="H")
    return lambda: d.bank.outlets.open(outlets=[new])


@row(errors.AlreadyRegistered)
def _(d: District) -> Wish:
    paper = {"document_kind": "passport", "document_no": "E12345678"}
    d.customer(**paper)
    new = NewCustomer(outlet="B01S01", name="李四", **paper)
    return lambda: d.bank.customers.register(customers=[new])


@row(errors.BankExists)
def _(d: District) -> Wish:
    return lambda: Bank.found(d.url, bank="雁江", unsafe_settings="allow")


@row(errors.OutletClosed)
def _(d: District) -> Wish:
    d.bank.outlets.close(outlet="B02S02", reason="撤并")
    return lambda: d.bank.outlets.close(outlet="B02S02", reason="撤并")


@row(errors.OutletNotClosed)
def _(d: District) -> Wish:
    return lambda: d.bank.outlets.reopen(outlet="B02S02")


@row(errors.OutletNotEmpty)
def _(d: District) -> Wish:
    return lambda: d.bank.outlets.close(outlet="B01", reason="撤并")


@row(errors.WrongTier)
def _(d: District) -> Wish:
    return lambda: d.bank.outlets.move(outlet="B02S02", branch="B01S01")


@row(errors.PolicyNotLater)
def _(d: District) -> Wish:
    d.bank.policies.adopt(policy=HourLimits(), effective_on=dt.date(2023, 2, 1))
    wish = {"policy": HourLimits(), "effective_on": dt.date(2023, 1, 1)}
    return lambda: d.bank.policies.adopt(**wish)


@row(errors.PolicyTooLate)
def _(d: District) -> Wish:
    d.serve(d.customer(), "10-14 08:00")
    return lambda: d.bank.policies.adopt(policy=TARIFF, effective_on=dt.date(2022, 10, 1))


@row(errors.LastAdministrator)
def _(d: District) -> Wish:
    wish = {"role": "administrator", "outlet": "H", "reason": "离任"}
    d.bank.staff.end(code="ADM2", **wish)
    return lambda: d.bank.staff.end(code="admin", **wish)


# --- states: closings ------------------------------------------------------------------------


@row(errors.DayClosed)
def _(d: District) -> Wish:
    account = d.customer()
    years_later(d).closings.close("2022-10-15")
    d.clock.advance(days=-2)
    return lambda: d.serve(account, "10-03 08:00")


@row(errors.LineNotSealed)
def _(d: District) -> Wish:
    account = saver(d)
    return lambda: d.bank.reports.proof(account, 1)


@row(errors.PeriodClosed)
def _(d: District) -> Wish:
    account = d.customer()
    d.clock.now = at("11-05 12:00")
    for period in ("2022-10-31", "2022-10"):
        d.bank.closings.close(period)
    return lambda: d.serve(account, "10-03 08:00")


@row(errors.PeriodNotOver)
def _(d: District) -> Wish:
    return lambda: d.bank.closings.close_at_once(period="2022-10-15")


@row(errors.PeriodAlreadyClosed)
def _(d: District) -> Wish:
    years_later(d).closings.close("2022-10-15")
    return lambda: d.bank.closings.announce(period="2022-10-15")


@row(errors.ClosingUnfinished)
def _(d: District) -> Wish:
    years_later(d).closings.announce(period="2022-10-15")
    return lambda: d.bank.closings.announce(period="2022-10-15")


@row(errors.WrongClosingState)
def _(d: District) -> Wish:
    desk = years_later(d).closings
    return lambda: desk.drain(period="2022-10-15")


@row(errors.ShorterPeriodOpen)
def _(d: District) -> Wish:
    desk = years_later(d, 60).closings
    return lambda: desk.announce(period="2022-10")
