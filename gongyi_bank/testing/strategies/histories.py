"""Strategies for whole histories: commands that make sense on a founded district, day after day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.closings import CloseBooks
from gongyi_bank.commands.customers import FreezeAccount, UnfreezeAccount
from gongyi_bank.commands.holds import (
    CaptureHold,
    ExtendHold,
    LapseOverdue,
    PlaceHold,
    ReleaseHold,
)
from gongyi_bank.commands.hours import ApproveHours, RecordHours, VoidHours
from gongyi_bank.commands.outlets import AdoptPolicy
from gongyi_bank.commands.points import ExpireDue, GrantPoints
from gongyi_bank.commands.redemptions import Capture, Extend, Redeem, Release, Reserve
from gongyi_bank.commands.refunds import RefundGoods
from gongyi_bank.commands.reversals import ReverseLine, ReverseVoucher
from gongyi_bank.commands.stores import Restock
from gongyi_bank.commands.transfers import DonatePoints, GiftPoints, GrantFromPool, PoolGrant
from gongyi_bank.periods import require_moment
from gongyi_bank.policies import HourLimits, PointsExpiry, ReversalRules
from gongyi_bank.testing.histories import Step
from gongyi_bank.testing.story_builder import SMALL_CAST, Cast
from gongyi_bank.testing.strategies.arguments import require_range, require_some, require_words
from gongyi_bank.values import Points, compose_account_no

#: Stands where the bank will name what an earlier step brought about; see `play`.
_UNNAMED = UUID(int=0)
_NOBODY = compose_account_no(9999, 1)
#: What a day is made of, and what much else needs to have happened before.
_OFTEN = ("hours.record", "redemptions.redeem", "redemptions.reserve", "holds.place")
#: Stands for a service that waits, where an act needs one before it.
_WAITS = "hours.record that waits"
#: Minutes of a service: most are credited, the longer ones wait for the branch or head office.
_LENGTHS = (60, 481, 1, 90, 721, 151, 480, 7)
#: Minutes from one step to the next: mostly some, now and then days.
_PAUSES = (0, 1, 30, 600, 1440, 4320, 20 * 1440)
#: How many wishes there are of each act.
_WISHES = len(_PAUSES) * 10 * 10 * 10 * 500


@dataclass(frozen=True, slots=True)
class _Wish:
    """A step as it is drawn: small numbers that shrink, made into a command afterwards."""

    act: str
    pause: int
    who: int
    what: int
    units: int
    #: Which one of several earlier steps, counted from the newest.
    back: int


@dataclass(slots=True)
class _Draft:
    """A history while it is put together: the time that it has reached, and its steps."""

    cast: Cast
    now: dt.datetime
    steps: list[Step] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)

    def account(self, number: int) -> int:
        return self.cast.accounts[number % len(self.cast.accounts)]

    def article(self, number: int) -> dict[str, Any]:
        store, sku = self.cast.goods[number % len(self.cast.goods)]
        return {"store": store, "sku": sku}

    def pool(self, number: int) -> str:
        return self.cast.pools[number % len(self.cast.pools)]

    def outlet(self, number: int) -> str:
        return self.cast.service_points[number % len(self.cast.service_points)].outlet

    def newest(self, back: int, acts: tuple[str, ...]) -> int | None:
        """The number of an earlier step of these acts, counted back from the newest."""
        found = [number for number, act in enumerate(self.acts) if act in acts]
        return found[-1 - back % len(found)] if found else None

    def pass_minutes(self, minutes: int) -> None:
        later = self.now.astimezone(dt.UTC) + dt.timedelta(minutes=minutes)
        self.now = later.astimezone(self.now.tzinfo)


def histories(
    cast: Cast = SMALL_CAST,
    *,
    acts: Iterable[str] | None = None,
    steps_min: int = 0,
    steps_max: int = 20,
) -> SearchStrategy[tuple[Step, ...]]:
    """What may happen in a district, from `cast.begins_at` on: to be lived with `play`.

    Service first, then goods, holds, gifts, corrections, closings, and requests sent again with
    the same key. What a step is about was brought about before; whether the points suffice is
    the bank's to say, so refusals are part of it. `acts` chooses among `HISTORY_ACTS`.
    Shrinks by leaving out steps, to short services and single pieces without pauses. A step
    about nothing that came before is left out, so there may be fewer than `steps_min`. Raises
    InvalidValue.

    >>> @given(histories(acts=["hours.record", "redemptions.redeem"]))
    """
    wanted = HISTORY_ACTS if acts is None else require_words("acts", acts, HISTORY_ACTS)
    least, most = require_range("steps", steps_min, steps_max, floor=0, ceiling=10_000)
    require_some("cast.accounts", cast.accounts)
    require_some("cast.service_points", cast.service_points)
    begins_at = require_moment(cast.begins_at, "cast.begins_at")
    possible = require_some("acts", [act for act in wanted if _is_possible(act, cast)])
    often = [act for act in possible if act in _OFTEN]
    draws = st.tuples(st.sampled_from((*possible, *often, *often)), st.integers(0, _WISHES - 1))
    lists = st.lists(draws, min_size=least, max_size=most)
    # Not mapped: a failure then shows the steps, and not how they were drawn.
    return lists.flatmap(lambda drawn: st.just(_put_together(_Draft(cast, begins_at), drawn)))


def _is_possible(act: str, cast: Cast) -> bool:
    """Whether the district has what the act is about."""
    needs_pool = act in ("transfers.donate", "transfers.grant")
    needs_goods = act.startswith(("redemptions.", "holds.", "stores."))
    return (bool(cast.pools) or not needs_pool) and (bool(cast.goods) or not needs_goods)


def _put_together(draft: _Draft, drawn: list[tuple[str, int]]) -> tuple[Step, ...]:
    for act, number in drawn:
        wish = _wish(act, number)
        draft.pass_minutes(wish.pause)
        step = _again(draft, wish) if wish.act == "again" else _step(draft, wish)
        if step is not None:
            draft.steps.append(step)
            draft.acts.append(_WAITS if _is_long(step.command) else wish.act)
    return tuple(draft.steps)


def _is_long(command: Command) -> bool:
    """Whether it is a service that waits for somebody's approval under the shipped limits."""
    free = dt.timedelta(minutes=HourLimits().daily_minutes_free)
    return isinstance(command, RecordHours) and command.ended_at - command.started_at > free


def _wish(act: str, number: int) -> _Wish:
    """The wish with this number: one number for all of it, since a step of many draws can
    hardly be left out by a shrinker, which looks for short stretches."""
    number, units = divmod(number, 500)
    number, who = divmod(number, 10)
    number, what = divmod(number, 10)
    pause, back = divmod(number, 10)
    return _Wish(act, _PAUSES[pause], who, what, units + 1, back)


def _step(draft: _Draft, wish: _Wish) -> Step | None:
    about, make = _MAKERS[wish.act]
    of = draft.newest(wish.back, about) if about else None
    if about and of is None:
        return None
    fields = make(draft, wish)
    staff = fields.pop("staff", draft.cast.administrators[0])
    command: Command = fields.pop("command")(**fields, idempotency_key=f"step-{len(draft.steps)}")
    return Step(at=draft.now, staff=staff, command=command, of=of)


def _again(draft: _Draft, wish: _Wish) -> Step | None:
    """An earlier request, sent once more with its key."""
    if not draft.steps:
        return None
    earlier = draft.steps[-1 - wish.back % len(draft.steps)]
    return Step(at=draft.now, staff=earlier.staff, command=earlier.command, of=earlier.of)


# --- the acts ------------------------------------------------------------------------------

Fields = dict[str, Any]
_Make = Callable[[_Draft, _Wish], Fields]


def _some(wish: _Wish) -> Points:
    return Points.of_units(wish.units, 2)


def _record(draft: _Draft, wish: _Wish) -> Fields:
    """Service that ends now: time goes on while it is given, so nobody serves twice at once."""
    point = draft.cast.service_points[wish.what % len(draft.cast.service_points)]
    started_at = draft.now
    draft.pass_minutes(_LENGTHS[wish.back % len(_LENGTHS)])
    return {
        "command": RecordHours,
        "staff": point.recorded_by,
        "account": draft.account(wish.who),
        "category": draft.cast.categories[(wish.units - 1) % len(draft.cast.categories)],
        "started_at": started_at,
        "ended_at": draft.now,
        "outlet": point.outlet,
        "recorded_by": point.recorded_by,
        "checked_by": point.checked_by,
    }


def _pieces(command: type[Command]) -> _Make:
    return lambda draft, wish: {
        "command": command,
        "account": draft.account(wish.who),
        **draft.article(wish.what),
        "quantity": 1 + wish.units % 4,
    }


def _named(command: type[Command], field: str, **more: Any) -> _Make:
    return lambda draft, wish: {"command": command, field: _UNNAMED, **more}


def _later(command: type[Command], field: str) -> _Make:
    return lambda draft, wish: {
        "command": command,
        field: _UNNAMED,
        "deadline_at": draft.now + dt.timedelta(hours=73 + wish.units),
    }


def _place(draft: _Draft, wish: _Wish) -> Fields:
    store = draft.article(wish.what)["store"]
    return {
        "command": PlaceHold, "account": draft.account(wish.who), "points": _some(wish),
        "store": store, "hours": 1 + wish.units % 99,
    }  # fmt: skip


def _gift(draft: _Draft, wish: _Wish) -> Fields:
    giver = draft.account(wish.who)
    others = [account for account in draft.cast.accounts if account != giver]
    target = others[wish.what % len(others)] if others else _NOBODY
    return {
        "command": GiftPoints, "account": giver, "target": target, "points": _some(wish),
        "outlet": draft.outlet(wish.back),
    }  # fmt: skip


def _donate(draft: _Draft, wish: _Wish) -> Fields:
    return {
        "command": DonatePoints, "account": draft.account(wish.who), "points": _some(wish),
        "outlet": draft.outlet(wish.back), "pool": draft.pool(wish.what),
    }  # fmt: skip


def _grant_from_pool(draft: _Draft, wish: _Wish) -> Fields:
    part = PoolGrant(account=draft.account(wish.who), points=_some(wish))
    return {
        "command": GrantFromPool, "pool": draft.pool(wish.what),
        "grants": (part,), "reason": "慰问", "second_person": draft.cast.administrators[1],
    }  # fmt: skip


def _grant(draft: _Draft, wish: _Wish) -> Fields:
    return {
        "command": GrantPoints, "account": draft.account(wish.who), "points": _some(wish),
        "reason": "表彰", "outlet": draft.outlet(wish.what),
        "second_person": draft.cast.administrators[1],
    }  # fmt: skip


def _agreed(command: type[Command], **fields: Any) -> _Make:
    """An act that takes a reason and a second person, about what the bank will name."""
    return lambda draft, wish: {
        "command": command,
        "reason": "录错",
        "second_person": draft.cast.administrators[1],
        **fields,
    }


def _state(command: type[Command]) -> _Make:
    return lambda draft, wish: {
        "command": command, "account": draft.account(wish.who), "reason": "核查",
    }  # fmt: skip


def _close(draft: _Draft, wish: _Wish) -> Fields:
    yesterday = draft.now.date() - dt.timedelta(days=1)
    return {"command": CloseBooks, "period": yesterday.isoformat()}


_SPENT: tuple[Literal["refuse", "take_available", "debt"], ...] = (
    "refuse", "take_available", "debt",
)  # fmt: skip


def _rules(draft: _Draft, wish: _Wish) -> Fields:
    """Points that were endless get a date, or what becomes of spent ones is settled anew."""
    reversal = ReversalRules(
        spent=_SPENT[wish.units % 3], refund_validity="fresh" if wish.who % 2 else "cited"
    )
    expiry = PointsExpiry(mode="months", length=1 + wish.units % 3)
    chosen = (reversal, expiry)[wish.what % 2]
    return {"command": AdoptPolicy, "policy": chosen, "effective_on": draft.now.date()}


def _restock(draft: _Draft, wish: _Wish) -> Fields:
    quantity = 1 + wish.units % 20
    return {
        "command": Restock, **draft.article(wish.what), "reason": "补货",
        "quantity": -quantity if wish.who % 3 == 2 else quantity,
    }  # fmt: skip


_LINES = (
    "hours.record", "redemptions.redeem", "points.grant", "transfers.gift", "transfers.donate",
)  # fmt: skip
_ON_RECORD = {"account": _NOBODY, "record_no": 1}
#: Each act with the acts of which it needs one before it, and who makes its command.
_MAKERS: dict[str, tuple[tuple[str, ...], _Make]] = {
    "hours.record": ((), _record),
    "redemptions.redeem": ((), _pieces(Redeem)),
    "points.grant": ((), _grant),
    "transfers.gift": ((), _gift),
    "transfers.donate": ((), _donate),
    "transfers.grant": (("transfers.donate",), _grant_from_pool),
    "redemptions.reserve": ((), _pieces(Reserve)),
    "redemptions.capture": (("redemptions.reserve",), _named(Capture, "redemption")),
    "redemptions.release": (
        ("redemptions.reserve",), _named(Release, "redemption", reason="改期"),
    ),
    "redemptions.extend": (("redemptions.reserve",), _later(Extend, "redemption")),
    "redemptions.refund": (
        ("redemptions.redeem",), _agreed(RefundGoods, redemption=_UNNAMED, quantity=1),
    ),
    "holds.place": ((), _place),
    "holds.capture": (
        ("holds.place",),
        lambda draft, wish: {
            "command": CaptureHold,
            "hold": _UNNAMED,
            "points": None if wish.what % 2 == 0 else _some(wish),
        },
    ),
    "holds.extend": (("holds.place",), _later(ExtendHold, "hold")),
    "holds.release": (("holds.place",), _named(ReleaseHold, "hold", reason="改期")),
    "holds.lapse_overdue": ((), lambda draft, wish: {"command": LapseOverdue}),
    "hours.approve": (
        (_WAITS,), lambda draft, wish: {"command": ApproveHours, **_ON_RECORD},
    ),
    "hours.void": (("hours.record",), _agreed(VoidHours, **_ON_RECORD)),
    "reversals.reverse_line": (_LINES, _agreed(ReverseLine, account=_NOBODY, line_no=1)),
    "reversals.reverse_voucher": (_LINES, _agreed(ReverseVoucher, voucher=_UNNAMED)),
    "accounts.freeze": ((), _state(FreezeAccount)),
    "accounts.unfreeze": (("accounts.freeze",), _state(UnfreezeAccount)),
    "stores.restock": ((), _restock),
    "points.expire_due": ((), lambda draft, wish: {"command": ExpireDue}),
    "policies.adopt": ((), _rules),
    "closings.close": ((), _close),
}  # fmt: skip
#: What `histories` knows to let happen, the plainest first; "again" repeats a request.
HISTORY_ACTS = (*_MAKERS, "again")
