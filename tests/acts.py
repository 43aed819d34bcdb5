"""One case of every act of the core, for tests that hold for all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from gongyi_bank.commands import customers, hours, outlets, points
from gongyi_bank.commands.base import Command
from gongyi_bank.policies import HourLimits, PassbookRules
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


ACTS: dict[str, Callable[[District], Case]] = {
    "accounts.close": _close_account,
    "accounts.freeze": _freeze,
    "accounts.mark_dormant": _mark_dormant,
    "accounts.unfreeze": _unfreeze,
    "accounts.wake": _wake,
    "customers.move": _move_customer,
    "customers.register": _register,
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
    "points.grant": _grant,
    "policies.adopt": _adopt,
    "staff.appoint": _appoint,
    "staff.end": _end,
}


def keyed(command: Command, **changes: Any) -> Command:
    """The command with the key K1 and these changes."""
    return command.model_copy(update={"idempotency_key": "K1"} | changes)
