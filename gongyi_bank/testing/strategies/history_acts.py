"""How a history makes a step of each act: what it says, and what must have happened before.

Nothing here knows what a bank will answer: whether the points suffice is the bank's to say.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from gongyi_bank.commands import (
    customers,
    holds,
    hours,
    outlets,
    passbooks,
    points,
    redemptions,
    refunds,
    reversals,
    transfers,
)
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.closings import CloseBooks
from gongyi_bank.commands.stores import Restock
from gongyi_bank.policies import HourLimits, PointsExpiry, ReversalRules
from gongyi_bank.testing.story_builder import Cast
from gongyi_bank.testing.strategies.history_draft import Draft, StepWish
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no

#: Stand where the bank will name what an earlier step brought about; see `play`.
_UNNAMED = UUID(int=0)
_NOBODY = compose_account_no(9999, 1)
_NO_BOOK = compose_passbook_no(1)
#: Steps that others need in one form only: a service that waits for an approval, a loss reported
#: in writing, blank books that a branch can hand on.
WAITS = "hours.record that waits"
_IN_WRITING = "passbooks.report_loss in writing"
_AT_BRANCH = "passbooks.allot to a branch"
#: Minutes of a service: most are credited, the longer ones wait for the branch or head office.
_LENGTHS = (60, 481, 1, 90, 721, 151, 480, 7)
_DAY_MINUTES = 1440
#: How long a customer has had an account whom nobody has seen since.
_LONG_AGO = dt.timedelta(days=1000)


Fields = dict[str, Any]
Make = Callable[[Draft, StepWish], Fields]


@dataclass(frozen=True, slots=True)
class Kind:
    """An act as histories know it."""

    make: Make
    #: The acts of which it needs one before it; the first is brought about if there is none.
    about: tuple[str, ...] = ()
    #: What the cast must have.
    is_possible: Callable[[Cast], bool] = lambda _: True


def _has_pools(cast: Cast) -> bool:
    return bool(cast.pools)


def _has_goods(cast: Cast) -> bool:
    return bool(cast.goods)


def _has_others(cast: Cast) -> bool:
    return len(cast.accounts) > 1


def _has_branches(cast: Cast) -> bool:
    return all(point.branch is not None for point in cast.service_points)


def label_of(act: str, command: Command) -> str:
    """What a step counts as for those that need one before them."""
    if isinstance(command, hours.RecordHours):
        free = dt.timedelta(minutes=HourLimits().daily_minutes_free)
        return WAITS if command.ended_at - command.started_at > free else act
    if isinstance(command, passbooks.ReportLoss) and command.kind == "written":
        return _IN_WRITING
    return act


# --- hours ---------------------------------------------------------------------------------


def _record(draft: Draft, wish: StepWish) -> Fields:
    return _service(draft, wish, _LENGTHS[wish.back % len(_LENGTHS)])


def _record_long(draft: Draft, wish: StepWish) -> Fields:
    return _service(draft, wish, 481)


def _service(draft: Draft, wish: StepWish, minutes: int) -> Fields:
    """Service that ends now: time goes on while it is given, so nobody serves twice at once."""
    row = _row(draft, wish, minutes)
    return row | {"command": hours.RecordHours, "staff": row["recorded_by"]}


def _row(draft: Draft, wish: StepWish, minutes: int) -> Fields:
    point, started_at = draft.point(wish.what), draft.now
    draft.pass_minutes(minutes)
    return {
        "account": draft.account(wish.who),
        "category": draft.cast.categories[wish.choose(len(draft.cast.categories))],
        "started_at": started_at,
        "ended_at": draft.now,
        "outlet": point.outlet,
        "recorded_by": point.recorded_by,
        "checked_by": point.checked_by,
    }


def _record_many(draft: Draft, wish: StepWish) -> Fields:
    """The same service of one customer or of several at once."""
    row = _row(draft, wish, _LENGTHS[wish.back % len(_LENGTHS)])
    count = 1 + wish.choose(min(3, len(draft.cast.accounts)))
    accounts = [draft.account(wish.who + number) for number in range(count)]
    rows = tuple(hours.ServiceRow(**row | {"account": account}) for account in accounts)
    return {"command": hours.RecordManyHours, "staff": row["recorded_by"], "rows": rows}


def _correct(draft: Draft, wish: StepWish) -> Fields:
    """It was half as long, and may have been something else."""
    earlier = draft.about.command if draft.about else None
    assert isinstance(earlier, hours.RecordHours)
    minutes = max(1, (earlier.ended_at - earlier.started_at) // dt.timedelta(minutes=2))
    maker, checker = draft.cast.administrators
    return {
        "command": hours.CorrectHours,
        **_ON_RECORD,
        "reason": "录错",
        "category": draft.cast.categories[wish.choose(len(draft.cast.categories))],
        "started_at": earlier.started_at,
        "ended_at": earlier.started_at + dt.timedelta(minutes=minutes),
        "recorded_by": maker,
        "checked_by": checker,
    }


# --- points, holds, goods ------------------------------------------------------------------


def _some(wish: StepWish) -> Points:
    return Points.of_units(wish.units, 2)


def _grant(draft: Draft, wish: StepWish) -> Fields:
    return {
        "command": points.GrantPoints, "account": draft.account(wish.who), "points": _some(wish),
        "reason": "表彰", "outlet": draft.point(wish.what).outlet, "second_person": draft.seconder,
    }  # fmt: skip


def _expire(draft: Draft, wish: StepWish) -> Fields:
    """The sweep, at once or some months later."""
    draft.pass_minutes(wish.what % 4 * 31 * _DAY_MINUTES)
    return {"command": points.ExpireDue}


def _lapse(draft: Draft, wish: StepWish) -> Fields:
    """The sweep, at once or some days later."""
    draft.pass_minutes(wish.what % 4 * _DAY_MINUTES)
    return {"command": holds.LapseOverdue}


def _place(draft: Draft, wish: StepWish) -> Fields:
    store = draft.article(wish.what)["store"]
    return {
        "command": holds.PlaceHold, "account": draft.account(wish.who), "points": _some(wish),
        "store": store, "hours": 1 + wish.choose(99),
    }  # fmt: skip


def _capture_hold(_: Draft, wish: StepWish) -> Fields:
    amount = None if wish.what % 2 == 0 else _some(wish)
    return {"command": holds.CaptureHold, "hold": _UNNAMED, "points": amount}


def _piece(draft: Draft, wish: StepWish) -> Fields:
    account, article = draft.account(wish.who), draft.article(wish.what)
    return {"account": account, **article, "quantity": 1 + wish.choose(4)}


def _pieces(command: type[Command]) -> Make:
    return lambda draft, wish: {"command": command, **_piece(draft, wish)}


def _redeem_many(draft: Draft, wish: StepWish) -> Fields:
    """What one customer takes of an article, and perhaps another one."""
    piece, count = _piece(draft, wish), 1 + wish.back % 2
    rows = [
        redemptions.RedemptionRow(**piece | {"account": draft.account(wish.who + number)})
        for number in range(count)
    ]
    return {"command": redemptions.RedeemMany, "rows": tuple(rows)}


def _named(command: type[Command], **fields: Any) -> Make:
    """An act that says the same each time, about what the bank will name."""
    return lambda draft, wish: {"command": command, **fields}


def _later(command: type[Command], name: str) -> Make:
    return lambda draft, wish: {
        "command": command,
        name: _UNNAMED,
        "deadline_at": draft.now + dt.timedelta(hours=73 + wish.units),
    }


def _agreed(command: type[Command], **fields: Any) -> Make:
    """An act that takes a reason and a second person, about what the bank will name."""
    return lambda draft, wish: {
        "command": command,
        "reason": "录错",
        "second_person": draft.seconder,
        **fields,
    }


def _restock(draft: Draft, wish: StepWish) -> Fields:
    quantity = 1 + wish.choose(20)
    return {
        "command": Restock, **draft.article(wish.what), "reason": "补货",
        "quantity": -quantity if wish.who % 3 == 2 else quantity,
    }  # fmt: skip


# --- points that change hands --------------------------------------------------------------


def _gift(draft: Draft, wish: StepWish) -> Fields:
    giver = draft.account(wish.who)
    return {
        "command": transfers.GiftPoints, "account": giver, "points": _some(wish),
        "target": draft.other(giver, wish.what), "outlet": draft.point(wish.back).outlet,
    }  # fmt: skip


def _donate(draft: Draft, wish: StepWish) -> Fields:
    return {
        "command": transfers.DonatePoints, "account": draft.account(wish.who),
        "points": _some(wish), "outlet": draft.point(wish.back).outlet,
        "pool": draft.pool(wish.what),
    }  # fmt: skip


def _grant_from_pool(draft: Draft, wish: StepWish) -> Fields:
    part = transfers.PoolGrant(account=draft.account(wish.who), points=_some(wish))
    return {
        "command": transfers.GrantFromPool, "pool": draft.pool(wish.what),
        "grants": (part,), "reason": "慰问", "second_person": draft.seconder,
    }  # fmt: skip


def _send(draft: Draft, wish: StepWish) -> Fields:
    """One customer gives to another, and perhaps to a pool, all or nothing."""
    giver, worth = draft.account(wish.who), _some(wish)
    target = draft.other(giver, wish.what)
    legs = [transfers.TransferLeg(source=giver, target=target, points=worth)]
    if draft.cast.pools and wish.back % 2:
        pool = draft.pool(wish.what)
        legs.append(transfers.TransferLeg(source=giver, target_pool=pool, points=worth))
    outlet = draft.point(wish.what).outlet
    return {"command": transfers.SendPoints, "legs": tuple(legs), "outlet": outlet}


# --- customers and their books -------------------------------------------------------------


def _register(draft: Draft, wish: StepWish) -> Fields:
    """Somebody who has long been in other books, and in whose account nothing happens."""
    new = customers.NewCustomer(
        outlet=draft.point(wish.what).outlet, name="张三",
        registered_on=draft.cast.begins_at.date() - _LONG_AGO,
    )  # fmt: skip
    return {"command": customers.RegisterCustomers, "customers": (new,)}


def _move(draft: Draft, wish: StepWish) -> Fields:
    account, outlet = draft.account(wish.who), draft.point(wish.what).outlet
    return {"command": customers.MoveCustomer, "account": account, "outlet": outlet}


def _freeze(draft: Draft, wish: StepWish) -> Fields:
    account = draft.account(wish.who)
    return {"command": customers.FreezeAccount, "account": account, "reason": "核查"}


def _close_account(draft: Draft, wish: StepWish) -> Fields:
    """The balance is given back, or goes to another customer."""
    account = draft.account(wish.who)
    is_given_on = wish.what % 2 == 1 and _has_others(draft.cast)
    return {
        "command": customers.CloseAccount, "account": account, "reason": "迁出",
        "balance_to": "account" if is_given_on else "pool", "second_person": draft.seconder,
        "target": draft.other(account, wish.what // 2) if is_given_on else None,
    }  # fmt: skip


def _print_stock(_: Draft, wish: StepWish) -> Fields:
    return {"command": passbooks.PrintStock, "count": 5 + wish.choose(9)}


def _allot_to_branch(draft: Draft, wish: StepWish) -> Fields:
    return _allotted(draft.point(wish.what).branch)


def _allot(draft: Draft, wish: StepWish) -> Fields:
    """What the branch got goes to one of its savings branches."""
    earlier = draft.about.command if draft.about else None
    assert isinstance(earlier, passbooks.AllotPassbooks)
    below = [one for one in draft.cast.service_points if one.branch == earlier.target]
    return _allotted(below[wish.what % len(below)].outlet)


def _allotted(target: str | None) -> Fields:
    numbers = {"first": _NO_BOOK, "last": _NO_BOOK}
    return {"command": passbooks.AllotPassbooks, "target": target, **numbers}


def _issue(draft: Draft, wish: StepWish) -> Fields:
    """To a customer who has got none yet, as far as the history knows."""
    given = [step.command for step in draft.steps]
    holders = {one.account for one in given if isinstance(one, passbooks.IssuePassbook)}
    free = [one for one in draft.cast.accounts if one not in holders] or draft.cast.accounts
    earlier = draft.about.command if draft.about else None
    assert isinstance(earlier, passbooks.AllotPassbooks)
    account = free[wish.who % len(free)]
    return {"command": passbooks.IssuePassbook, "account": account, "outlet": earlier.target}


def _with_book(command: type[Command], **fields: Any) -> Make:
    """An act on a customer's book, at the counter where it was given out."""

    def make(draft: Draft, _: StepWish) -> Fields:
        outlet = getattr(draft.about.command, "outlet", None) if draft.about else None
        return {"command": command, "account": _NOBODY, "outlet": outlet, **fields}

    return make


def _report_loss(draft: Draft, wish: StepWish) -> Fields:
    made = _with_book(passbooks.ReportLoss)(draft, wish)
    return made | {"kind": ("oral", "written")[wish.what % 2]}


def _reissue(draft: Draft, wish: StepWish) -> Fields:
    """A week after the loss was reported."""
    draft.pass_minutes(7 * _DAY_MINUTES)
    return _with_book(passbooks.ReissuePassbook)(draft, wish)


# --- rules and closings --------------------------------------------------------------------

_SPENT: tuple[Literal["refuse", "take_available", "debt"], ...] = (
    "refuse", "take_available", "debt",
)  # fmt: skip


def _rules(draft: Draft, wish: StepWish) -> Fields:
    """Points that were endless get a date, or what becomes of spent ones is settled anew."""
    reversal = ReversalRules(
        spent=_SPENT[wish.choose(3)], refund_validity="fresh" if wish.who % 2 else "cited"
    )
    expiry = PointsExpiry(mode="months", length=1 + wish.choose(3))
    chosen = (reversal, expiry)[wish.what % 2]
    today = draft.now.date()
    return {"command": outlets.AdoptPolicy, "policy": chosen, "effective_on": today}


def _close(draft: Draft, _: StepWish) -> Fields:
    yesterday = draft.now.date() - dt.timedelta(days=1)
    return {"command": CloseBooks, "period": yesterday.isoformat()}


# --- all of them ---------------------------------------------------------------------------

_LINES = (
    "hours.record", "redemptions.redeem", "points.grant", "transfers.gift", "transfers.donate",
)  # fmt: skip
_VOUCHERS = (*_LINES, "hours.record_many", "transfers.send", "holds.capture", "transfers.grant")
_GIVEN_BOOKS = ("passbooks.issue", "passbooks.renew", "passbooks.reissue")
_ON_RECORD = {"account": _NOBODY, "record_no": 1}
_ON_ACCOUNT = {"account": _NOBODY, "reason": "核实"}

#: The plainest first; a name with a blank in it is one form of an act, and is not chosen by itself.
KINDS: dict[str, Kind] = {
    "hours.record": Kind(_record),
    "redemptions.redeem": Kind(_pieces(redemptions.Redeem), (), _has_goods),
    "points.grant": Kind(_grant),
    "transfers.gift": Kind(_gift, (), _has_others),
    "transfers.donate": Kind(_donate, (), _has_pools),
    "transfers.grant": Kind(_grant_from_pool, ("transfers.donate",), _has_pools),
    "transfers.send": Kind(_send, (), _has_others),
    "redemptions.reserve": Kind(_pieces(redemptions.Reserve), (), _has_goods),
    "redemptions.capture": Kind(
        _named(redemptions.Capture, redemption=_UNNAMED), ("redemptions.reserve",), _has_goods
    ),
    "redemptions.release": Kind(
        _named(redemptions.Release, redemption=_UNNAMED, reason="改期"),
        ("redemptions.reserve",), _has_goods,
    ),
    "redemptions.extend": Kind(
        _later(redemptions.Extend, "redemption"), ("redemptions.reserve",), _has_goods
    ),
    "redemptions.redeem_many": Kind(_redeem_many, (), _has_goods),
    "redemptions.refund": Kind(
        _agreed(refunds.RefundGoods, redemption=_UNNAMED, quantity=1),
        ("redemptions.redeem", "redemptions.capture"), _has_goods,
    ),
    "holds.place": Kind(_place, (), _has_goods),
    "holds.capture": Kind(_capture_hold, ("holds.place",), _has_goods),
    "holds.capture_many": Kind(
        _named(holds.CaptureHolds, captures=(holds.HoldCapture(hold=_UNNAMED),)),
        ("holds.place",), _has_goods,
    ),
    "holds.extend": Kind(_later(holds.ExtendHold, "hold"), ("holds.place",), _has_goods),
    "holds.release": Kind(
        _named(holds.ReleaseHold, hold=_UNNAMED, reason="改期"), ("holds.place",), _has_goods
    ),
    "holds.release_many": Kind(
        _named(holds.ReleaseHolds, holds=(_UNNAMED,), reason="改期"), ("holds.place",), _has_goods
    ),
    "holds.lapse_overdue": Kind(_lapse),
    "hours.record_many": Kind(_record_many),
    WAITS: Kind(_record_long),
    "hours.approve": Kind(_named(hours.ApproveHours, **_ON_RECORD), (WAITS,)),
    "hours.refuse": Kind(_named(hours.RefuseHours, **_ON_RECORD, reason="不实"), (WAITS,)),
    "hours.void": Kind(_agreed(hours.VoidHours, **_ON_RECORD), ("hours.record",)),
    "hours.correct": Kind(_correct, ("hours.record",)),
    "reversals.reverse_line": Kind(
        _agreed(reversals.ReverseLine, account=_NOBODY, line_no=1), _LINES
    ),
    "reversals.reverse_voucher": Kind(
        _agreed(reversals.ReverseVoucher, voucher=_UNNAMED), _VOUCHERS
    ),
    "customers.register": Kind(_register),
    "customers.move": Kind(_move),
    "accounts.freeze": Kind(_freeze),
    "accounts.unfreeze": Kind(
        _named(customers.UnfreezeAccount, **_ON_ACCOUNT), ("accounts.freeze",)
    ),
    "accounts.mark_dormant": Kind(
        _named(customers.MarkDormant, account=_NOBODY), ("customers.register",)
    ),
    "accounts.wake": Kind(
        _named(customers.WakeAccount, account=_NOBODY), ("accounts.mark_dormant",)
    ),
    "accounts.close": Kind(_close_account),
    "passbooks.print_stock": Kind(_print_stock),
    _AT_BRANCH: Kind(_allot_to_branch, ("passbooks.print_stock",), _has_branches),
    "passbooks.allot": Kind(_allot, (_AT_BRANCH,), _has_branches),
    "passbooks.issue": Kind(_issue, ("passbooks.allot",), _has_branches),
    "passbooks.update": Kind(_with_book(passbooks.UpdatePassbook), _GIVEN_BOOKS, _has_branches),
    "passbooks.renew": Kind(
        _with_book(passbooks.RenewPassbook, damaged=True), _GIVEN_BOOKS, _has_branches
    ),
    "passbooks.report_loss": Kind(_report_loss, _GIVEN_BOOKS, _has_branches),
    _IN_WRITING: Kind(
        _with_book(passbooks.ReportLoss, kind="written"), _GIVEN_BOOKS, _has_branches
    ),
    "passbooks.lift_loss": Kind(
        _with_book(passbooks.LiftLoss, reason="找回"),
        ("passbooks.report_loss", _IN_WRITING), _has_branches,
    ),
    "passbooks.reissue": Kind(_reissue, (_IN_WRITING,), _has_branches),
    "stores.restock": Kind(_restock, (), _has_goods),
    "points.expire_due": Kind(_expire),
    "policies.adopt": Kind(_rules),
    "closings.close": Kind(_close),
}  # fmt: skip
