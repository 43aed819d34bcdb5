"""One case of every act of the core, for tests that hold for all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from gongyi_bank.commands import (
    closings,
    customers,
    holds,
    hours,
    outlets,
    points,
    pools,
    redemptions,
    refunds,
    reversals,
    transfers,
)
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.policies import HourLimits, PassbookRules, PointsExpiry
from gongyi_bank.values import Points
from tests.district import District, at

#: Who acts, the command (without its key), and a change that makes it another request.
Case = tuple[str, Command, dict[str, Any]]


def _open(_: District) -> Case:
    new = outlets.NewOutlet(code="B01S09", name="新所", parent="B01")
    other = outlets.NewOutlet(code="B01S08", name="新所", parent="B01")
    return "admin", outlets.OpenOutlets(outlets=(new,)), {"outlets": (other,)}


def _rename(_: District) -> Case:
    return "admin", outlets.RenameOutlet(outlet="B02S02", name="石桥"), {"name": "石桥所"}


def _move_outlet(_: District) -> Case:
    return "admin", outlets.MoveOutlet(outlet="B02S02", branch="B01"), {"branch": "B02"}


def _close_outlet(_: District) -> Case:
    return "admin", outlets.CloseOutlet(outlet="B02S02", reason="撤并"), {"reason": "搬迁"}


def _reopen(district: District) -> Case:
    district.bank.outlets.close(outlet="B02S02", reason="撤并")
    return "admin", outlets.ReopenOutlet(outlet="B02S02"), {"outlet": "B02S01"}


def _appoint(_: District) -> Case:
    new = outlets.Appointment(code="T9", role="teller", outlet="B02S02")
    other = outlets.Appointment(code="T9", role="teller", outlet="B02S01")
    return "admin", outlets.AppointStaff(appointments=(new,)), {"appointments": (other,)}


def _end(_: District) -> Case:
    command = outlets.EndRole(code="T3", role="teller", outlet="B02S01", reason="离任")
    return "admin", command, {"code": "T2"}


def _adopt(_: District) -> Case:
    # Both bodies are empty as far as they were explicitly set: the kind makes them differ.
    command = outlets.AdoptPolicy(policy=HourLimits(), effective_on=dt.date(2023, 1, 1))
    return "admin", command, {"policy": PassbookRules()}


def _register(_: District) -> Case:
    new = customers.NewCustomer(outlet="B01S01", name="李四", ref="C9")
    other = customers.NewCustomer(outlet="B01S01", name="李四", ref="C8")
    return "T1", customers.RegisterCustomers(customers=(new,)), {"customers": (other,)}


def _move_customer(district: District) -> Case:
    command = customers.MoveCustomer(account=district.customer(), outlet="B01S02")
    return "T2", command, {"outlet": "B01S01"}


def _freeze(district: District) -> Case:
    command = customers.FreezeAccount(account=district.customer(), reason="挂失")
    return "T1", command, {"reason": "核查"}


def _unfreeze(district: District) -> Case:
    account = district.customer()
    district.bank.accounts.freeze(account=account, reason="挂失")
    return "K1", customers.UnfreezeAccount(account=account, reason="找回"), {"reason": "核查"}


def _mark_dormant(district: District) -> Case:
    account = district.customer(registered_on=dt.date(2020, 1, 1))
    return "K1", customers.MarkDormant(account=account), {"account": district.customer()}


def _wake(district: District) -> Case:
    account = district.customer(registered_on=dt.date(2020, 1, 1))
    district.bank.accounts.mark_dormant(account=account)
    return "T1", customers.WakeAccount(account=account), {"account": district.customer()}


def _close_account(district: District) -> Case:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    command = customers.CloseAccount(
        account=account, balance_to="pool", reason="迁出", second_person="K1"
    )
    return "T1", command, {"balance_to": "nowhere"}


def _bring_forward(district: District) -> Case:
    row = points.OpeningRow(
        account=district.customer(), minutes=60, points=Points("1"), as_of=dt.date(2022, 9, 30)
    )
    other = points.OpeningRow(
        account=district.customer(), minutes=61, points=Points("1"), as_of=dt.date(2022, 9, 30)
    )
    return "admin", points.BringForward(rows=(row,)), {"rows": (other,)}


def _grant(district: District) -> Case:
    command = points.GrantPoints(
        account=district.customer(), points=Points("2.5"), reason="表彰",
        second_person="K1b", outlet="B01",
    )  # fmt: skip
    return "K1", command, {"points": Points("2.51")}


def _expire_due(district: District) -> Case:
    account, today = district.customer(), district.clock().date()
    expiry = PointsExpiry(mode="months", length=1)
    district.serve(account, "10-03 08:00")
    district.bank.policies.adopt(policy=expiry, effective_on=today)
    district.clock.advance(days=60)
    return "K1", points.ExpireDue(), {"count_max": 999}


def _record(district: District) -> Case:
    row = district.row(district.customer(), "10-03 08:00")
    fields = {
        name: getattr(row, name) for name in hours.RecordHours.model_fields if name in dir(row)
    }
    return "T1", hours.RecordHours(**fields), {"category": "culture"}


def _record_many(district: District) -> Case:
    account = district.customer()
    rows = tuple(district.row(account, f"10-0{day} 08:00") for day in (3, 4))
    return "T1", hours.RecordManyHours(rows=rows), {"rows": rows[:1]}


def _waiting(district: District) -> int:
    account = district.customer()
    assert district.serve(account, "10-03 08:00", 481).state == "waiting_branch"
    return account


def _approve(district: District) -> Case:
    return "K1b", hours.ApproveHours(account=_waiting(district), record_no=1), {"record_no": 2}


def _refuse(district: District) -> Case:
    command = hours.RefuseHours(account=_waiting(district), record_no=1, reason="不实")
    return "K1b", command, {"reason": "重复"}


def _credited(district: District) -> int:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    return account


def _void(district: District) -> Case:
    command = hours.VoidHours(
        account=_credited(district), record_no=1, reason="不实", second_person="K1b"
    )
    return "K1", command, {"second_person": "ADM2"}


def _correct(district: District) -> Case:
    command = hours.CorrectHours(
        account=_credited(district), record_no=1, reason="时间有误", category="sanitation",
        started_at=at("10-03 08:00"), ended_at=at("10-03 10:00"),
        recorded_by="T1", checked_by="K1",
    )  # fmt: skip
    return "K1", command, {"ended_at": at("10-03 10:01")}


def _held(district: District, points: str = "1.00") -> Any:
    account = district.customer()
    district.serve(account, "10-03 08:00", 120)
    if not len(district.bank.stores.offers()):
        store = NewStore(code="P1", name="幸福超市", kind="community_store", recruited_by="B01S01")
        district.bank.stores.recruit(stores=(store,))
        rice = NewOffer(store="P1", sku="A", name="大米", points=Points("0.50"), stock=9)
        district.bank.stores.publish_offers(offers=(rice,))
    return district.bank.holds.place(account=account, points=Points(points), store="P1")


def _place_hold(district: District) -> Case:
    account = _held(district).account
    command = holds.PlaceHold(account=account, points=Points("0.50"), store="P1", ref="R1")
    return "T1", command, {"points": Points("0.51")}


def _extend_hold(district: District) -> Case:
    held = _held(district)
    later = held.deadline_at + dt.timedelta(hours=1)
    command = holds.ExtendHold(hold=held.hold_id, deadline_at=later)
    return "T1", command, {"deadline_at": held.latest_at}


def _capture_hold(district: District) -> Case:
    command = holds.CaptureHold(hold=_held(district).hold_id, points=Points("0.50"))
    return "T1", command, {"points": Points("0.51")}


def _capture_holds(district: District) -> Case:
    parts = tuple(holds.HoldCapture(hold=_held(district).hold_id) for _ in range(2))
    return "T1", holds.CaptureHolds(captures=parts), {"captures": parts[:1]}


def _release_hold(district: District) -> Case:
    command = holds.ReleaseHold(hold=_held(district).hold_id, reason="改期")
    return "T1", command, {"reason": "不要了"}


def _release_holds(district: District) -> Case:
    names = tuple(_held(district).hold_id for _ in range(2))
    return "T1", holds.ReleaseHolds(holds=names, reason="改期"), {"holds": names[:1]}


def _lapse(district: District) -> Case:
    _held(district)
    _reserved(district)
    district.clock.advance(hours=72)
    return "T1", holds.LapseOverdue(), {"count_max": 7}


def _reserved(district: District) -> Any:
    account = _held(district).account
    return district.bank.redemptions.reserve(account=account, store="P1", sku="A", quantity=2)


def _capture_part(district: District) -> Case:
    command = redemptions.Capture(redemption=_reserved(district).redemption_id, quantity=1)
    return "T1", command, {"quantity": 2}


def _extend_reservation(district: District) -> Case:
    reserved = _reserved(district)
    later = reserved.deadline_at + dt.timedelta(hours=1)
    command = redemptions.Extend(redemption=reserved.redemption_id, deadline_at=later)
    return "T1", command, {"deadline_at": reserved.latest_at}


def _refund(district: District) -> Case:
    reserved = _reserved(district).redemption_id
    district.bank.redemptions.capture(redemption=reserved)
    command = refunds.RefundGoods(
        redemption=reserved, quantity=1, reason="破损", second_person="K1"
    )
    return "T1", command, {"quantity": 2}


def _reverse_line(district: District) -> Case:
    command = reversals.ReverseLine(
        account=_credited(district), line_no=1, points=Points("0.50"), reason="误记",
        second_person="K1b",
    )  # fmt: skip
    return "K1", command, {"points": Points("0.51")}


def _reverse_voucher(district: District) -> Case:
    rows = [district.row(district.customer(), "10-03 08:00") for _ in range(3)]
    booked = district.bank.hours.record_many(rows=rows).voucher_id
    assert booked is not None
    command = reversals.ReverseVoucher(voucher=booked, reason="误记", second_person="K1b")
    return "K1", command, {"value": "today"}


def _open_pool(_: District) -> Case:
    return "K1", pools.OpenPool(code="P1", name="爱心池", outlet="B01"), {"code": "P2"}


def _a_pool(district: District) -> None:
    district.acting("K1").pools.open(code="POOL", name="爱心池", outlet="B01")


def _close_pool(district: District) -> Case:
    _a_pool(district)
    return "K1", pools.ClosePool(pool="POOL", reason="撤并"), {"reason": "清理"}


def _gift(district: District) -> Case:
    command = transfers.GiftPoints(
        account=_credited(district), target=district.customer(), points=Points("0.50"),
        outlet="B01S01",
    )  # fmt: skip
    return "T1", command, {"points": Points("0.51")}


def _donate(district: District) -> Case:
    _a_pool(district)
    command = transfers.DonatePoints(
        account=_credited(district), pool="POOL", points=Points("0.50"), outlet="B01S01"
    )
    return "T1", command, {"points": Points("0.51")}


def _grant_from_pool(district: District) -> Case:
    _, donation, _ = _donate(district)
    district.acting("T1").execute(donation)
    part = transfers.PoolGrant(account=district.customer(), points=Points("0.25"))
    command = transfers.GrantFromPool(
        pool="POOL", grants=(part,), reason="慰问", second_person="K1b"
    )
    return "K1", command, {"reason": "救助"}


def _send(district: District) -> Case:
    _a_pool(district)
    giver, points = _credited(district), Points("0.50")
    legs = (
        transfers.TransferLeg(source=giver, target=district.customer(), points=points),
        transfers.TransferLeg(source=giver, target_pool="POOL", points=points),
    )
    return "T1", transfers.SendPoints(legs=legs, outlet="B01S01"), {"legs": legs[:1]}


def _announce(district: District) -> Case:
    district.clock.advance(days=2)
    return "admin", closings.AnnounceClosing(period="2022-10-15"), {"period": "2022-10-16"}


def _drain(district: District) -> Case:
    district.clock.advance(days=2)
    district.bank.closings.announce(period="2022-10-15")
    return "admin", closings.DrainClosing(period="2022-10-15"), {"period": "2022-10-16"}


def _close_books(district: District) -> Case:
    district.clock.advance(days=2)
    return "admin", closings.CloseBooks(period="2022-10-15"), {"period": "2022-10-16"}


ACTS: dict[str, Callable[[District], Case]] = {
    "accounts.close": _close_account,
    "accounts.freeze": _freeze,
    "accounts.mark_dormant": _mark_dormant,
    "accounts.unfreeze": _unfreeze,
    "accounts.wake": _wake,
    "closings.announce": _announce,
    "closings.close": _close_books,
    "closings.drain": _drain,
    "customers.move": _move_customer,
    "customers.register": _register,
    "holds.capture": _capture_hold,
    "holds.capture_many": _capture_holds,
    "holds.extend": _extend_hold,
    "holds.lapse_overdue": _lapse,
    "holds.place": _place_hold,
    "holds.release": _release_hold,
    "holds.release_many": _release_holds,
    "hours.approve": _approve,
    "hours.correct": _correct,
    "hours.record": _record,
    "hours.record_many": _record_many,
    "hours.refuse": _refuse,
    "hours.void": _void,
    "outlets.close": _close_outlet,
    "outlets.move": _move_outlet,
    "outlets.open": _open,
    "outlets.rename": _rename,
    "outlets.reopen": _reopen,
    "points.bring_forward": _bring_forward,
    "points.expire_due": _expire_due,
    "points.grant": _grant,
    "policies.adopt": _adopt,
    "pools.close": _close_pool,
    "pools.open": _open_pool,
    "redemptions.capture": _capture_part,
    "redemptions.extend": _extend_reservation,
    "redemptions.refund": _refund,
    "reversals.reverse_line": _reverse_line,
    "reversals.reverse_voucher": _reverse_voucher,
    "staff.appoint": _appoint,
    "staff.end": _end,
    "transfers.donate": _donate,
    "transfers.gift": _gift,
    "transfers.grant": _grant_from_pool,
    "transfers.send": _send,
}


def keyed(command: Command, **changes: Any) -> Command:
    """The command with the key K1 and these changes."""
    return command.model_copy(update={"idempotency_key": "K1"} | changes)
