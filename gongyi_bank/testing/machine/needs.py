"""What must have happened before an act has anything to be about."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gongyi_bank.rules.holds import HELD
from gongyi_bank.testing.machine.wishes import Twist, Wish
from gongyi_bank.testing.reference.books import WAITING, Books

_Has = Callable[[Books], bool]
#: `Wish.how` with which service waits for an approval.
_TOO_LONG = 4


def _has_hold(books: Books) -> bool:
    open_holds = (one.hold_id for one in books.holds.values() if one.state == HELD)
    return any(hold_id not in books.redemptions for hold_id in open_holds)


def _has_redemption(*states: str) -> _Has:
    return lambda books: any(one.state in states for one in books.redemptions.values())


def _has_record(*states: str) -> _Has:
    def has(books: Books) -> bool:
        records = (one for mine in books.records.values() for one in mine)
        return any(one.state in states and one.kind == "service" for one in records)

    return has


def _has_grantable(books: Books) -> bool:
    pools = (one for one in books.pools.values() if one.state == "open")
    return any(books.balance(one.account_no) > 0 for one in pools)


def _has_lost_book(books: Books) -> bool:
    return any(mine[-1].state == "in_force" for mine in books.loss_reports.values())


def _has_account(state: str) -> _Has:
    return lambda books: any(one.state == state for one in books.customers.values())


_A_HOLD = (_has_hold, "holds.place")
_A_RESERVATION = (_has_redemption("reserved"), "redemptions.reserve")
_A_WAITING_RECORD = (_has_record(*WAITING), "hours.record")
_A_RECORD = (_has_record("credited"), "hours.record")
_NEEDS: dict[str, tuple[_Has, str]] = {
    "holds.capture": _A_HOLD,
    "holds.capture_many": _A_HOLD,
    "holds.extend": _A_HOLD,
    "holds.release": _A_HOLD,
    "holds.release_many": _A_HOLD,
    "redemptions.capture": _A_RESERVATION,
    "redemptions.release": _A_RESERVATION,
    "redemptions.extend": _A_RESERVATION,
    "redemptions.refund": (_has_redemption("redeemed", "captured"), "redemptions.redeem"),
    "hours.approve": _A_WAITING_RECORD,
    "hours.refuse": _A_WAITING_RECORD,
    "hours.void": _A_RECORD,
    "hours.correct": _A_RECORD,
    "transfers.grant": (_has_grantable, "transfers.donate"),
    "passbooks.lift_loss": (_has_lost_book, "passbooks.report_loss"),
    "passbooks.reissue": (_has_lost_book, "passbooks.report_loss"),
    "accounts.unfreeze": (_has_account("frozen"), "accounts.freeze"),
}


def needed_first(act: str, wish: Wish, books: Books) -> Iterator[tuple[str, Wish]]:
    """(act, wish) of what must come before this act, if it has not come yet."""
    has, beginning = _NEEDS.get(act, (lambda _: True, act))
    if wish.twist == Twist.ABSENT or has(books):
        return
    yield beginning, Wish(who=wish.who, how=_TOO_LONG * (has is _A_WAITING_RECORD[0]))
