"""What must have happened before an act has anything to be about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized

from gongyi_bank.testing.machine.subjects import Subjects
from gongyi_bank.testing.machine.wishes import Twist, Wish

#: A question about the books, what brings a positive answer about, and in which form: an act,
#: or a moment of `passing_time` to which the clock must go on.
_Need = tuple[Callable[[Subjects], Sized], str, int]
#: How often something is tried: two steps bring a blank book to a counter.
_ATTEMPTS = 2
#: `Wish.how` with which service waits for an approval, and a loss is reported in writing.
_TOO_LONG, _IN_WRITING = 4, 1

_PAYERS: _Need = (Subjects.payers, "points.grant", 0)
_GOODS: _Need = (Subjects.goods, "stores.publish_offers", 0)
_MEMBERS: _Need = (Subjects.members, "stores.recruit", 0)
_HOLDS: _Need = (Subjects.holds, "holds.place", 0)
_RESERVATIONS: _Need = (Subjects.reserved, "redemptions.reserve", 0)
_WAITING: _Need = (Subjects.waiting, "hours.record", _TOO_LONG)
_CREDITED: _Need = (Subjects.credited, "hours.record", 0)
_POOLS: _Need = (Subjects.pools, "pools.open", 0)
_LINES: _Need = (Subjects.single_lines, "points.grant", 0)
_BLANK: _Need = (Subjects.blank, "passbooks.print_stock", 0)
_AT_COUNTER: _Need = (lambda subjects: subjects.blank_at("B01S01"), "passbooks.allot", 0)
_HOLDERS: _Need = (Subjects.book_holders, "passbooks.issue", 0)
_OVER: _Need = (Subjects.over, "midnight", 0)

#: In the order in which they are seen to; what is brought about may have needs of its own.
_NEEDS: dict[str, tuple[_Need, ...]] = {
    "holds.place": (_MEMBERS, _PAYERS),
    "holds.capture": (_HOLDS,),
    "holds.capture_many": (_HOLDS,),
    "holds.extend": (_HOLDS,),
    "holds.release": (_HOLDS,),
    "holds.release_many": (_HOLDS,),
    "holds.lapse_overdue": (
        (Subjects.held, "holds.place", 0), (Subjects.overdue, "the next deadline", 0),
    ),
    "redemptions.redeem": (_GOODS, _PAYERS),
    "redemptions.redeem_many": (_GOODS, _PAYERS),
    "redemptions.reserve": (_GOODS, _PAYERS),
    "redemptions.capture": (_RESERVATIONS,),
    "redemptions.release": (_RESERVATIONS,),
    "redemptions.extend": (_RESERVATIONS,),
    "redemptions.refund": ((Subjects.given, "redemptions.redeem", 0),),
    "reversals.reverse_line": (_LINES,),
    "reversals.reverse_voucher": (_LINES,),
    "hours.approve": (_WAITING,),
    "hours.refuse": (_WAITING,),
    "hours.void": (_CREDITED,),
    "hours.correct": (_CREDITED,),
    "points.bring_forward": ((Subjects.unopened, "customers.register", 0),),
    "transfers.donate": (_POOLS, _PAYERS),
    "transfers.grant": ((Subjects.funded, "transfers.donate", 0),),
    "pools.close": ((Subjects.drained, "pools.open", 0),),
    "stores.publish_offers": (_MEMBERS,),
    "stores.restock": ((Subjects.listed, "stores.publish_offers", 0),),
    "stores.withdraw_offer": ((Subjects.listed, "stores.publish_offers", 0),),
    "stores.leave": (_MEMBERS,),
    "outlets.close": ((Subjects.closable, "outlets.open", 0),),
    "outlets.reopen": ((Subjects.reopenable, "outlets.close", 0),),
    "staff.end": ((Subjects.newcomers, "staff.appoint", 0),),
    "accounts.unfreeze": ((Subjects.frozen, "accounts.freeze", 0),),
    "accounts.mark_dormant": ((Subjects.idle, "the end of the year", 0),),
    "accounts.wake": ((Subjects.dormant, "accounts.mark_dormant", 0),),
    "passbooks.allot": ((Subjects.above_counters, "passbooks.print_stock", 0),),
    "passbooks.issue": ((Subjects.bookless, "customers.register", 0), _AT_COUNTER),
    "passbooks.update": ((Subjects.unprinted, "passbooks.issue", 0),),
    "passbooks.renew": (_HOLDERS, _AT_COUNTER),
    "passbooks.report_loss": (_HOLDERS,),
    "passbooks.lift_loss": ((Subjects.lost, "passbooks.report_loss", 0),),
    "passbooks.reissue": (
        (Subjects.lost_in_writing, "passbooks.report_loss", _IN_WRITING),
        (Subjects.reissuable, "a week", 0),
        _AT_COUNTER,
    ),
    "passbooks.spoil": (_BLANK,),
    "passbooks.destroy": ((Subjects.useless, "passbooks.spoil", 0),),
    "closings.announce": (_OVER,),
    "closings.drain": ((Subjects.announced, "closings.announce", 0),),
    "closings.close": (_OVER,),
}  # fmt: skip


def needed_first(act: str, wish: Wish, look: Callable[[], Subjects]) -> Iterator[tuple[str, Wish]]:
    """What must come before this act, if it has not come yet, each told when it is its turn.

    (act, wish), or the name of a moment in place of the act; `look` shows the books as they are.
    """
    if wish.twist == Twist.ABSENT:
        return
    for ask, beginning, how in _NEEDS.get(act, ()):
        attempts = 0
        while not ask(look()) and attempts < _ATTEMPTS:
            attempts += 1
            sensible = Wish(who=wish.who, how=how)
            yield from needed_first(beginning, sensible, look)
            yield beginning, sensible
