"""How the machine makes a command of every other act: outlets, staff, rules, customers, stores,
passbooks, closings. As in `ledger_acts`, each maker turns a choice into (staff, fields)."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.commands import closings, customers, outlets, passbooks, stores
from gongyi_bank.commands.base import Command
from gongyi_bank.periods import Period
from gongyi_bank.policies import (
    AccountRules,
    ClosingRules,
    HoldRules,
    PassbookRules,
    PointsExpiry,
    Policy,
    RedemptionRules,
    ReversalRules,
    TransferRules,
)
from gongyi_bank.rules.outlets import BRANCH
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.furnishing import (
    ADMINISTRATOR,
    SECOND_ADMINISTRATOR,
    STAFF,
)
from gongyi_bank.testing.machine.ledger_acts import Fields, Made, Maker
from gongyi_bank.testing.machine.wishes import Twist
from gongyi_bank.testing.reference.rows import Closing
from gongyi_bank.values import Points

#: What is in force from some day on; the shipped ones among them.
_POLICIES: tuple[Policy, ...] = (
    PointsExpiry(mode="months", length=1),
    ReversalRules(spent="debt"),
    TransferRules(
        may_give_on=False, arrival="fresh", grantee_points_year_max=Points("3"),
        grant_count_month_max=1,
    ),
    PointsExpiry(),
    PassbookRules(pages=1, rows_per_page=3),
    ReversalRules(spent="take_available", refund_validity="fresh"),
    PointsExpiry(mode="months", length=0),
    TransferRules(gift_count_month_max=1, gift_points_year_max=Points("4")),
    ClosingRules(late_work="refuse"),
    HoldRules(hours=4, hours_max=30),
    RedemptionRules(reservation_hours=200, quantity_max=2),
    AccountRules(dormant_months=2),
    PointsExpiry(mode="calendar_years", length=0),
    TransferRules(
        donation_points_month_max=Points("2"), relations=("kin",), grantee_count_month_max=1,
        grant_points_month_max=Points("3"), grantees=("volunteer", "organisation"),
    ),
    PassbookRules(),
    ReversalRules(),
    TransferRules(),
)  # fmt: skip
_PERIODS = ("day", "day", "day", "day", "month", "month", "quarter", "year")


# --- outlets, staff, rules -----------------------------------------------------------------


def _open_outlets(choice: Choice) -> Made:
    parent = choice.one_of(("B01", "B02", "H", choice.outlet()))
    code = f"N{choice.wish.units % 4 if choice.is_rare(4) else len(choice.books.outlets)}"
    setting: outlets.Setting = choice.one_of(("urban", "rural"), choice.wish.back)
    new = outlets.NewOutlet(code=code, name=f"新网点{code}", parent=parent, setting=setting)
    return ADMINISTRATOR, {"outlets": (new,)}


def _rename(choice: Choice) -> Made:
    name = choice.one_of(("东城", "西城"))
    return ADMINISTRATOR, {"outlet": choice.outlet(), "name": name}


def _move_outlet(choice: Choice) -> Made:
    branch = choice.one_of([*choice.branches(), choice.outlet()])
    return ADMINISTRATOR, {"outlet": choice.outlet(), "branch": branch}


def _newest_of(choice: Choice, fit: list[str]) -> str:
    """The newest outlet that fits: where customers are, nothing can be closed."""
    known = list(choice.likely(fit, [one.code for one in choice.books.outlets.values()]))
    return choice.outlet() if choice.wish.twist == Twist.ABSENT else known[-1]


def _close_outlet(choice: Choice) -> Made:
    outlet = _newest_of(choice, choice.subjects.closable())
    return ADMINISTRATOR, {"outlet": outlet, "reason": "撤并"}


def _reopen_outlet(choice: Choice) -> Made:
    return ADMINISTRATOR, {"outlet": _newest_of(choice, choice.subjects.reopenable())}


def _appoint(choice: Choice) -> Made:
    role: outlets.Role = choice.one_of(
        ("teller", "ledger_keeper", "store_clerk", "administrator", "service_account", "auditor")
    )
    one = outlets.Appointment(
        code=choice.one_of(("N1", "N2", "T1"), choice.wish.back),
        role=role,
        outlet=choice.outlet(),
        store=choice.store() if role == "store_clerk" else None,
        own_account=choice.account() if choice.is_rare(3) else None,
    )
    return ADMINISTRATOR, {"appointments": (one,)}


def _end_role(choice: Choice) -> Made:
    """Somebody's newest role; never the first administrator's, who does most of the work."""
    code = choice.one_of(choice.likely(choice.subjects.newcomers(), STAFF), choice.wish.back)
    person = choice.books.people.get(code)
    fields: Fields = {"code": "NOBODY", "role": "teller", "outlet": choice.outlet()}
    if person is not None and person.in_force and not choice.is_rare(5):
        role = person.in_force[-1].facts
        outlet = choice.books.outlets[role.outlet_no].code
        fields = {"code": person.code, "role": role.role, "outlet": outlet}
    return ADMINISTRATOR, fields | {"reason": "离任"}


def _adopt(choice: Choice) -> Made:
    policy = choice.one_of(_POLICIES, choice.wish.units)
    return ADMINISTRATOR, {"policy": policy, "effective_on": choice.day(0, -1, -9, 1)}


# --- customers -----------------------------------------------------------------------------


def _register(choice: Choice) -> Made:
    kind: customers.CustomerKind = choice.one_of(("volunteer", "volunteer", "organisation"))
    new = customers.NewCustomer(
        outlet=choice.counter(), kind=kind,
        name=choice.one_of(("李四", "欧阳修"), choice.wish.back),
        phone=choice.one_of((None, f"1390000{choice.wish.units:04}"), choice.wish.what),
        birth_on=choice.one_of((None, dt.date(1970, 1, 1 + choice.wish.who)), choice.wish.units),
        ref=f"C{choice.wish.units % 12}" if choice.is_rare(2) else None,
        registered_on=choice.day(0, 30, 800, -1),
    )  # fmt: skip
    return ADMINISTRATOR, {"customers": (new,)}


def _move(choice: Choice) -> Made:
    return ADMINISTRATOR, {"account": choice.account(), "outlet": choice.counter()}


def _freeze(choice: Choice) -> Made:
    return ADMINISTRATOR, {"account": choice.account(), "reason": "核查"}


def _unfreeze(choice: Choice) -> Made:
    return ADMINISTRATOR, {"account": choice.account(0, choice.subjects.frozen()), "reason": "核实"}


def _mark_dormant(choice: Choice) -> Made:
    return ADMINISTRATOR, {"account": choice.account(0, choice.subjects.idle())}


def _wake(choice: Choice) -> Made:
    return ADMINISTRATOR, {"account": choice.account(0, choice.subjects.dormant())}


def _close_account(choice: Choice) -> Made:
    way = choice.one_of(("nowhere", "account", "pool"))
    target = choice.account(1 + choice.wish.what) if way == "account" else None
    second = SECOND_ADMINISTRATOR if way != "nowhere" and not choice.is_rare(9) else None
    return ADMINISTRATOR, {
        "account": choice.account(), "balance_to": way, "target": target,
        "second_person": second, "reason": "迁出",
    }  # fmt: skip


# --- stores --------------------------------------------------------------------------------


def _recruit(choice: Choice) -> Made:
    fresh = f"P{len(choice.books.stores) + 1}"
    code = choice.one_of((fresh, fresh, fresh, "P1", "P2"))
    new = stores.NewStore(
        code=code, name=f"超市{code}", kind="community_store",
        recruited_by=choice.outlet(), joined_on=choice.one_of((None, choice.day(3, 0, -1))),
    )  # fmt: skip
    return ADMINISTRATOR, {"stores": (new,)}


def _leave(choice: Choice) -> Made:
    return ADMINISTRATOR, {"store": choice.store(), "reason": "停业"}


def _publish(choice: Choice) -> Made:
    sku = f"S{len(choice.books.offers)}"
    new = stores.NewOffer(
        store=choice.store(), sku=choice.one_of((sku, sku, sku, "A", "B")), name=f"米{sku}",
        points=choice.points(), stock=choice.wish.back,
    )  # fmt: skip
    return ADMINISTRATOR, {"offers": (new,)}


def _restock(choice: Choice) -> Made:
    store, sku = choice.goods(choice.subjects.listed())
    quantity = choice.one_of((3, -1, 1, -9, 0))
    return "T1", {"store": store, "sku": sku, "quantity": quantity, "reason": "盘点"}


def _withdraw(choice: Choice) -> Made:
    store, sku = choice.goods(choice.subjects.listed())
    return ADMINISTRATOR, {"store": store, "sku": sku, "reason": "下架"}


# --- passbooks -----------------------------------------------------------------------------


def _print_stock(choice: Choice) -> Made:
    return ADMINISTRATOR, {"count": 1 + choice.wish.how}


def _allot(choice: Choice) -> Made:
    """From the head office to a branch, from there to a counter; or anywhere."""
    above = choice.subjects.above_counters()
    book = choice.book(choice.likely(above, choice.subjects.blank()))
    at_branches = choice.subjects.blank(BRANCH)
    target = choice.one_of(("B01S01", "B01S01", "B01S02") if at_branches else ("B01", "B01", "B02"))
    return ADMINISTRATOR, {"target": target, "first": book, "last": book}


def _issue(choice: Choice) -> Made:
    book = choice.book(choice.subjects.blank_at("B01S01")) if choice.is_rare(4) else None
    account = choice.account(0, choice.subjects.bookless())
    return "T1", {"account": account, "outlet": "B01S01", "passbook": book}


def _update(choice: Choice) -> Made:
    account = choice.account(0, choice.subjects.unprinted())
    return "T1", {"account": account, "lines_max": choice.one_of((500, 1, 2))}


def _renew(choice: Choice) -> Made:
    fields = {"account": choice.account(0, choice.subjects.book_holders()), "outlet": "B01S01"}
    return "T1", fields | {"damaged": choice.wish.how % 3 != 2}


def _report_loss(choice: Choice) -> Made:
    kind = choice.one_of(("oral", "written"))
    return "T1", {"account": choice.account(0, choice.subjects.book_holders()), "kind": kind}


def _lift_loss(choice: Choice) -> Made:
    return "T1", {"account": choice.account(0, choice.subjects.lost()), "reason": "找回"}


def _reissue(choice: Choice) -> Made:
    return "T1", {"account": choice.account(0, choice.subjects.reissuable()), "outlet": "B01S01"}


def _spoil(choice: Choice) -> Made:
    return ADMINISTRATOR, {"passbook": choice.book(choice.subjects.blank()), "reason": "污损"}


def _destroy(choice: Choice) -> Made:
    book = choice.book(choice.subjects.useless())
    which: Fields = {"passbooks": (book,)} if choice.wish.how % 2 else {"first": book, "last": book}
    second = ADMINISTRATOR if choice.is_rare(9) else SECOND_ADMINISTRATOR
    return ADMINISTRATOR, which | {"second_person": second, "reason": "销毁"}


# --- closings ------------------------------------------------------------------------------


def _announce(choice: Choice) -> Made:
    """A period that can be closed at an outlet, or any."""
    outlet = choice.one_of((None, None, "B01", "B02"), choice.wish.what)
    return _closing(choice, outlet, choice.subjects.over(outlet))


def _drain(choice: Choice) -> Made:
    return _going_on(choice, choice.subjects.announced())


def _close_books(choice: Choice) -> Made:
    """One that is under way, or all at once."""
    under_way = choice.subjects.unfinished()
    return _going_on(choice, under_way) if under_way else _announce(choice)


def _going_on(choice: Choice, begun: list[Closing]) -> Made:
    if not begun:
        return _closing(choice, None, [])
    one = choice.one_of(begun)
    label = Period.containing(one.last_on, one.kind).label
    return _closing(choice, choice.books.outlets[one.outlet_no].code, [label])


def _closing(choice: Choice, outlet: str | None, fit: list[str]) -> Made:
    """One of these periods, the longest first; now and then any, at any outlet."""
    kind = choice.one_of(_PERIODS)
    period = Period.containing(choice.today, kind)
    last_on = period.first_on - dt.timedelta(days=1)
    if kind == "day":
        last_on = choice.day(1, 1, 1, 2, 9, 0)
    any_label = Period.containing(last_on, kind).label
    labels = choice.likely(fit, [any_label])
    if labels is not fit:
        outlet = choice.one_of((outlet, choice.outlet()), choice.wish.what)
    return ADMINISTRATOR, {"period": choice.one_of(labels[::-1]), "outlet": outlet}


HOUSE_MAKERS: dict[type[Command], Maker] = {
    outlets.OpenOutlets: _open_outlets,
    outlets.RenameOutlet: _rename,
    outlets.MoveOutlet: _move_outlet,
    outlets.CloseOutlet: _close_outlet,
    outlets.ReopenOutlet: _reopen_outlet,
    outlets.AppointStaff: _appoint,
    outlets.EndRole: _end_role,
    outlets.AdoptPolicy: _adopt,
    customers.RegisterCustomers: _register,
    customers.MoveCustomer: _move,
    customers.FreezeAccount: _freeze,
    customers.UnfreezeAccount: _unfreeze,
    customers.MarkDormant: _mark_dormant,
    customers.WakeAccount: _wake,
    customers.CloseAccount: _close_account,
    stores.RecruitStores: _recruit,
    stores.LeaveAlliance: _leave,
    stores.PublishOffers: _publish,
    stores.Restock: _restock,
    stores.WithdrawOffer: _withdraw,
    passbooks.PrintStock: _print_stock,
    passbooks.AllotPassbooks: _allot,
    passbooks.IssuePassbook: _issue,
    passbooks.UpdatePassbook: _update,
    passbooks.RenewPassbook: _renew,
    passbooks.ReportLoss: _report_loss,
    passbooks.LiftLoss: _lift_loss,
    passbooks.ReissuePassbook: _reissue,
    passbooks.SpoilPassbook: _spoil,
    passbooks.DestroyPassbooks: _destroy,
    closings.AnnounceClosing: _announce,
    closings.DrainClosing: _drain,
    closings.CloseBooks: _close_books,
}
