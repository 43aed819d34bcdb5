"""How the machine makes a command of every act on points: who sends it, and what it says.

Each maker turns a choice into (staff, fields). Fields may be hostile, but never such that the
command itself refuses them: that is for `strategies` and for fuzzing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

from gongyi_bank.commands import holds, hours, points, pools, redemptions, refunds, reversals
from gongyi_bank.commands import transfers as moving
from gongyi_bank.commands.base import Command
from gongyi_bank.rules.holds import HELD
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.furnishing import (
    ADMINISTRATOR,
    COUNTERS,
    SECOND_ADMINISTRATOR,
)
from gongyi_bank.testing.reference.rows import HourRecord
from gongyi_bank.values import Points

Fields = dict[str, Any]
Made = tuple[str, Fields]
Maker = Callable[[Choice], Made]
_UNDER_K1 = ("B01", "B01S01", "B01S02")
_MINUTES = (60, 1, 90, 240, 600, 721, 59, 120, 1, 240)
_AGO = (0, 60, 600, 1440, 4320, 14400, 0)


def _checked_by(choice: Choice, usual: str = SECOND_ADMINISTRATOR) -> str:
    """The second person; now and then the first one again, or somebody who may not."""
    return ADMINISTRATOR if choice.is_rare(11) else usual


# --- hours ---------------------------------------------------------------------------------


def _service(choice: Choice, further: int = 0) -> Fields:
    """Service that ended just now, or long ago, or will."""
    outlet = choice.counter()
    recorder, checker = COUNTERS.get(outlet, ("T1", "K1"))
    ago = -30 if choice.is_rare(17) else choice.one_of(_AGO, choice.wish.back)
    ended_at = choice.now - dt.timedelta(minutes=ago)
    return {
        "account": choice.account(further, choice.subjects.persons()),
        "category": "singing" if choice.is_rare(13) else "service",
        "started_at": ended_at - dt.timedelta(minutes=_length(choice)),
        "ended_at": ended_at,
        "outlet": outlet,
        "recorded_by": recorder,
        "checked_by": recorder if choice.is_rare(11) else checker,
        "ref": f"V{choice.wish.who % 3}" if choice.is_rare(7) else None,
    }


def _length(choice: Choice) -> int:
    """Minutes: most are credited, 600 and more wait, 0 and 1441 are refused."""
    return choice.wish.what % 2 * 1441 if choice.is_rare(17) else choice.one_of(_MINUTES)


def _record(choice: Choice) -> Made:
    service = _service(choice)
    return service["recorded_by"], service


def _record_many(choice: Choice) -> Made:
    count = 1 + choice.wish.units % 3
    rows = [hours.ServiceRow(**_service(choice, n)) for n in range(count)]
    return "APP" if choice.is_rare(2) else ADMINISTRATOR, {"rows": tuple(rows)}


def _of_record(choice: Choice, fit: list[HourRecord]) -> Fields:
    account, record_no = choice.record(fit)
    return {"account": account, "record_no": record_no}


def _decide(choice: Choice) -> Made:
    staff = choice.one_of((ADMINISTRATOR, "K1b", "K2"), choice.wish.what)
    return staff, _of_record(choice, choice.subjects.waiting())


def _refuse(choice: Choice) -> Made:
    staff, fields = _decide(choice)
    return staff, fields | {"reason": "不实"}


def _void(choice: Choice) -> Made:
    fields = _of_record(choice, choice.subjects.credited())
    return ADMINISTRATOR, fields | {"reason": "不实", "second_person": _checked_by(choice)}


def _correct(choice: Choice) -> Made:
    fields = _service(choice) | _of_record(choice, choice.subjects.credited())
    del fields["outlet"], fields["ref"]
    people = {"recorded_by": ADMINISTRATOR, "checked_by": _checked_by(choice)}
    return ADMINISTRATOR, fields | people | {"reason": "有误"}


# --- points --------------------------------------------------------------------------------


def _bring_forward(choice: Choice) -> Made:
    fit = choice.subjects.unopened()
    accounts = [choice.account(n, fit) for n in range(1 + choice.wish.how % 2)]
    customers = choice.books.customers
    rows = [
        points.OpeningRow(
            account=no,
            minutes=60 * n,
            points=choice.points(),
            as_of=customers[no].registered_on if no in customers else choice.day(1, -1),
        )
        for n, no in enumerate(accounts)
    ]
    return ADMINISTRATOR, {"rows": tuple(rows)}


def _grant(choice: Choice) -> Made:
    return "K1", {
        "account": choice.account(0, choice.subjects.usable()),
        "points": choice.points(),
        "reason": "表彰",
        "outlet": "B02S01" if choice.is_rare(7) else choice.one_of(_UNDER_K1, choice.wish.what),
        "second_person": "K1" if choice.is_rare(11) else "K1b",
        "value_on": choice.day(0, 1, 30, 400, -1) if choice.wish.how % 2 else None,
    }


def _expire_due(choice: Choice) -> Made:
    return "T1", {"count_max": choice.one_of((1000, 1))}


# --- holds ---------------------------------------------------------------------------------


def _place(choice: Choice) -> Made:
    payer = choice.account(0, choice.subjects.payers())
    return choice.one_of((ADMINISTRATOR, "K1"), choice.wish.what), {
        "account": payer,
        "points": choice.points(choice.subjects.available(payer)),
        "store": choice.store(),
        "hours": 8000 if choice.is_rare(9) else choice.one_of((1, None, 20, 100, 720)),
        "ref": f"H{choice.wish.back}" if choice.is_rare(5) else None,
    }


def _capture_hold(choice: Choice) -> Made:
    hold = choice.hold_to_capture()
    return "K1", {"hold": hold, "points": choice.points_of(hold)}


def _capture_holds(choice: Choice) -> Made:
    several = _holds(choice)
    captures = [holds.HoldCapture(hold=several[0], points=choice.points_of(several[0]))]
    captures += [holds.HoldCapture(hold=hold) for hold in several[1:]]
    return "K1", {"captures": tuple(captures)}


def _holds(choice: Choice) -> list[UUID]:
    """One hold or two, now and then one of them twice."""
    first, second = choice.hold(), choice.hold(0 if choice.is_rare(7) else 1)
    is_one = choice.wish.how % 3 == 1 or (second == first and not choice.is_rare(7))
    return [first] if is_one else [first, second]


def _extend_hold(choice: Choice) -> Made:
    return "K1", {"hold": choice.hold(), "deadline_at": choice.extended(choice.hold())}


def _release_hold(choice: Choice) -> Made:
    return "K1", {"hold": choice.hold(), "reason": "改期"}


def _release_holds(choice: Choice) -> Made:
    return "K1", {"holds": tuple(_holds(choice)), "reason": "改期"}


def _lapse_overdue(choice: Choice) -> Made:
    """All of them, or one: not where several are overdue alike, since ids decide then."""
    deadlines = [one.deadline_at for one in choice.books.holds.values() if one.state == HELD]
    are_different = len(deadlines) == len(set(deadlines))
    return "T1", {"count_max": choice.one_of((1000, 1)) if are_different else 1000}


# --- goods ---------------------------------------------------------------------------------


def _pieces(choice: Choice) -> Fields:
    store, sku = choice.goods(choice.subjects.goods())
    return {
        "account": choice.account(0, choice.subjects.payers()),
        "store": store,
        "sku": sku,
        "quantity": 1 + choice.wish.units % 4,
        "ref": f"G{choice.wish.back}" if choice.is_rare(7) else None,
    }


def _redeem(choice: Choice) -> Made:
    handed_over_on = choice.day(1, 0, 40, 400, -1) if choice.wish.how % 3 == 2 else None
    staff = choice.one_of((ADMINISTRATOR, "C1", "T1"), choice.wish.how)
    return staff, _pieces(choice) | {"redeemed_on": handed_over_on}


def _redeem_many(choice: Choice) -> Made:
    pieces, payers = _pieces(choice), choice.subjects.payers()
    rows = [
        redemptions.RedemptionRow(**pieces | {"account": choice.account(n, payers)})
        for n in range(1 + choice.wish.how % 3)
    ]
    return choice.one_of((ADMINISTRATOR, "T1", "APP"), choice.wish.what), {"rows": tuple(rows)}


def _reserve(choice: Choice) -> Made:
    return ADMINISTRATOR, _pieces(choice)


def _some_pieces(choice: Choice) -> int | None:
    return choice.one_of((None, 1, 2, 5))


def _capture(choice: Choice) -> Made:
    name = choice.redemption(choice.subjects.reserved())
    fields = {"redemption": name, "quantity": _some_pieces(choice)}
    return choice.one_of((ADMINISTRATOR, "C1"), choice.wish.what), fields


def _extend(choice: Choice) -> Made:
    name = choice.redemption(choice.subjects.reserved())
    return ADMINISTRATOR, {"redemption": name, "deadline_at": choice.extended(name)}


def _release(choice: Choice) -> Made:
    name = choice.redemption(choice.subjects.reserved())
    return ADMINISTRATOR, {"redemption": name, "reason": "改期"}


def _refund(choice: Choice) -> Made:
    return ADMINISTRATOR, {
        "redemption": choice.redemption(choice.subjects.given()),
        "quantity": _some_pieces(choice),
        "restock": not choice.is_rare(4),
        "reason": "破损",
        "second_person": _checked_by(choice),
    }


# --- points that change hands --------------------------------------------------------------


def _payment(choice: Choice) -> Fields:
    """Who gives, and how much: mostly of what is there."""
    payer = choice.account(0, choice.subjects.payers())
    return {"account": payer, "points": choice.points(choice.subjects.available(payer))}


def _gift(choice: Choice) -> Made:
    persons = choice.subjects.persons()
    payer = choice.account(0, [no for no in choice.subjects.payers() if no in persons])
    return "T1", {
        "account": payer,
        "target": choice.other_than(payer, persons),
        "points": choice.points(choice.subjects.available(payer)),
        "outlet": choice.one_of(("B01S01", "B01S01", "B01S01", choice.outlet())),
        "relation": choice.one_of(("kin", "other"), choice.wish.back),
    }


def _donate(choice: Choice) -> Made:
    fields = _payment(choice)
    receiver: Fields = {"pool": choice.pool(choice.subjects.pools())}
    if choice.is_rare(5):
        receiver = {"organisation": choice.other_than(fields["account"])}
    return "T1", fields | receiver | {"outlet": "B01S01"}


def _grant_from_pool(choice: Choice) -> Made:
    takers = {choice.account(n, choice.subjects.usable()) for n in range(1 + choice.wish.how % 2)}
    pool = choice.pool(choice.subjects.funded())
    most = choice.subjects.in_pool(pool) // len(takers)
    grants = [moving.PoolGrant(account=no, points=choice.points(most)) for no in sorted(takers)]
    fields = {"pool": pool, "grants": tuple(grants), "reason": "慰问"}
    return "K1", fields | {"second_person": _checked_by(choice, "K1b")}


def _send(choice: Choice) -> Made:
    persons, pool = choice.subjects.persons(), choice.pool(choice.subjects.pools())
    giver = choice.account(0, [no for no in choice.subjects.payers() if no in persons])
    taker = choice.other_than(giver, persons)
    worth = choice.points(choice.subjects.available(giver) // 2)
    legs = (
        moving.TransferLeg(source=giver, target=taker, points=worth),
        moving.TransferLeg(source=giver, target_pool=pool, points=worth),
        moving.TransferLeg(source_pool=pool, target=giver, points=worth),
        moving.TransferLeg(source=taker, target=giver, points=Points("0.50"), relation="kin"),
    )
    first = choice.wish.back % 4
    chosen = (legs[first:] + legs[:first])[: 1 + choice.wish.how % 4]
    people = {"reason": "调剂", "second_person": _checked_by(choice)}
    return ADMINISTRATOR, {"legs": chosen, "outlet": choice.one_of(("B01", "H"))} | people


def _open_pool(choice: Choice) -> Made:
    new = f"POOL{len(choice.books.pools) + 1}"
    code = choice.one_of((new, new, new, "POOL"))
    return "K1", {"code": code, "name": "池", "outlet": choice.one_of(("B01", choice.outlet()))}


def _close_pool(choice: Choice) -> Made:
    return "K1", {"pool": choice.pool(choice.subjects.drained()), "reason": "撤并"}


# --- corrections ---------------------------------------------------------------------------


def _correcting(choice: Choice) -> Fields:
    value: Literal["original", "today"] = choice.one_of(("original", "today"))
    return {
        "value": value,
        "reason": "误记",
        "second_person": _checked_by(choice),
        "outlet": "H" if choice.is_rare(6) else None,
    }


def _reverse_line(choice: Choice) -> Made:
    account, line_no = choice.line()
    amount = choice.points() if choice.is_rare(3) else None
    fields = {"account": account, "line_no": line_no, "points": amount}
    return ADMINISTRATOR, fields | _correcting(choice)


def _reverse_voucher(choice: Choice) -> Made:
    return ADMINISTRATOR, {"voucher": choice.voucher()} | _correcting(choice)


LEDGER_MAKERS: dict[type[Command], Maker] = {
    hours.RecordHours: _record,
    hours.RecordManyHours: _record_many,
    hours.ApproveHours: _decide,
    hours.RefuseHours: _refuse,
    hours.VoidHours: _void,
    hours.CorrectHours: _correct,
    points.BringForward: _bring_forward,
    points.GrantPoints: _grant,
    points.ExpireDue: _expire_due,
    holds.PlaceHold: _place,
    holds.CaptureHold: _capture_hold,
    holds.CaptureHolds: _capture_holds,
    holds.ExtendHold: _extend_hold,
    holds.ReleaseHold: _release_hold,
    holds.ReleaseHolds: _release_holds,
    holds.LapseOverdue: _lapse_overdue,
    redemptions.Redeem: _redeem,
    redemptions.RedeemMany: _redeem_many,
    redemptions.Reserve: _reserve,
    redemptions.Capture: _capture,
    redemptions.Extend: _extend,
    redemptions.Release: _release,
    refunds.RefundGoods: _refund,
    moving.GiftPoints: _gift,
    moving.DonatePoints: _donate,
    moving.GrantFromPool: _grant_from_pool,
    moving.SendPoints: _send,
    pools.OpenPool: _open_pool,
    pools.ClosePool: _close_pool,
    reversals.ReverseLine: _reverse_line,
    reversals.ReverseVoucher: _reverse_voucher,
}
