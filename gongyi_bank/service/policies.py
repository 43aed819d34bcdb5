"""规则: adopting a policy from a day on."""

from __future__ import annotations

from gongyi_bank.commands.outlets import AdoptPolicy
from gongyi_bank.errors import PolicyNotLater
from gongyi_bank.policies import HourLimits, Tariff
from gongyi_bank.receipts.outlets import PolicyAdopted
from gongyi_bank.rules import policies as rules
from gongyi_bank.rules.staff import require_permission
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import policies as store
from gongyi_bank.store import serials
from gongyi_bank.store.closings import ask_newest_moment
from gongyi_bank.store.hours import newest_service_on
from gongyi_bank.store.outlets import ask_lock_house, load_head_office

#: Policies that are looked up by the day of service, which may lie in the past.
_BY_SERVICE_DAY = (Tariff.kind, HourLimits.kind)


def adopt(visit: Visit, command: AdoptPolicy) -> PolicyAdopted:
    """Adopt a policy; the newest of its kind must begin on an earlier day."""
    visit.lock((), ask_lock_house())
    newest = ask_newest_moment()
    visit.enter(command, asks=[newest])
    # Days that others have decided on already are over, whatever this host's clock says.
    visit.go_by(newest.answer)
    handled_at = load_head_office(visit.tx)
    require_permission(visit.staff, command.act, handled_at)
    kind = command.policy.kind
    newest_on = visit.policies.newest_on(kind)
    if newest_on is not None and command.effective_on <= newest_on:
        raise PolicyNotLater(kind=kind, effective_on=command.effective_on, newest_on=newest_on)
    decided_on = newest_service_on(visit.tx) if kind in _BY_SERVICE_DAY else None
    rules.require_undecided(kind, command.effective_on, visit.today, decided_on)
    policy_id = serials.draw(visit.tx, "policy", 0, 1)
    body = command.policy.model_dump_json()
    row = (policy_id, kind, command.effective_on, body, visit.voucher_id)
    store.write_policies(visit.writes, [row])
    receipt = PolicyAdopted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        kind=kind,
        policy_id=policy_id,
        effective_on=command.effective_on,
    )
    visit.book(command, receipt, handled_at)
    return receipt
