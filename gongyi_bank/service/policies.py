"""规则: adopting a policy from a day on."""

from __future__ import annotations

from gongyi_bank.commands.outlets import AdoptPolicy
from gongyi_bank.errors import PolicyNotLater
from gongyi_bank.receipts.outlets import PolicyAdopted
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import policies as store
from gongyi_bank.store import serials
from gongyi_bank.store.outlets import lock_house


def adopt(visit: Visit, command: AdoptPolicy) -> PolicyAdopted:
    """Adopt a policy; the newest of its kind must begin on an earlier day."""
    lock_house(visit.tx)
    visit.enter(command)
    handled_at = visit.outlet_for(command.act, None)
    kind = command.policy.kind
    newest_on = visit.policies.newest_on(kind)
    if newest_on is not None and command.effective_on <= newest_on:
        raise PolicyNotLater(kind=kind, effective_on=command.effective_on, newest_on=newest_on)
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
    store.write_stamp(visit.tx, visit.voucher_id)
    return receipt
