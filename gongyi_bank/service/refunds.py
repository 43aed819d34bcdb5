"""退货: goods back to the store, points back into the passbook by a line that cites the debit."""

from __future__ import annotations

from uuid import UUID

from gongyi_bank.commands.refunds import RefundGoods
from gongyi_bank.errors import UnknownRedemption
from gongyi_bank.receipts.refunds import GoodsRefunded
from gongyi_bank.rules import refunds as rules
from gongyi_bank.rules import reversals
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.ledger import Mark
from gongyi_bank.rules.refunds import Refundable
from gongyi_bank.rules.reversals import CitedLine
from gongyi_bank.rules.staff import (
    StaffFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.reversals import terms_of
from gongyi_bank.store import hours, stores
from gongyi_bank.store import refunds as store
from gongyi_bank.store.reversals import asks_reversible, reversible
from gongyi_bank.values import Points


def refund(visit: Visit, command: RefundGoods) -> GoodsRefunded:
    """Take pieces back and credit what they cost, less what is past its date by now."""
    name = command.redemption
    ask = store.ask_refundable(name.bytes)
    seen = visit.tx.look(ask)
    if seen is None:
        raise UnknownRedemption(redemption=name)
    number = seen.account_no
    offers = stores.ask_offers([seen.key])
    visit.lock([number], offers, outlets_at=[seen.outlet_code])
    customers = hours.ask_customers([number])
    cited = asks_reversible(number, seen.line_no or 0)
    visit.enter(
        command, outlets_at=[seen.outlet_code], people=[command.second_person],
        asks=(ask, customers, offers, *cited),
    )  # fmt: skip
    found = ask.answer
    assert found is not None
    second = _admit(visit, command, found)
    rules.require_given_out(found, name)
    require_open(number, customers.answer[number].state)
    pieces, points = rules.decide_refund(found, command.quantity, name)
    posting = visit.posting(visit.heads())
    if found.line_no != seen.line_no:  # captured while we waited for the lock
        cited = asks_reversible(number, found.line_no or 0)
        visit.tx.gather(*cited)
    line = reversible(cited)
    if found.cites_from is not None:
        line.cites_from = found.cites_from
    part = line.cut(points, visit.tx.bank.scale)
    outlet = visit.outlets[found.outlet_code]

    def mark_of(_: CitedLine) -> Mark:
        return Mark(reversals.REFUND, visit.today, outlet.outlet_no)

    reversals.give_back(posting, part, terms_of(visit, mark_of), reversals.REFUND)
    offer = offers.answer[found.key]
    if command.restock:
        offer.take_in(pieces)
    stores.write_stock(visit.writes, [offer], visit.voucher_id)
    store.write_refund(
        visit.writes, found, visit.today, (pieces, points), part.by_line_no,
        restocked=command.restock, voucher_id=visit.voucher_id,
    )  # fmt: skip
    scale = visit.tx.bank.scale
    receipt = GoodsRefunded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=number,
        redemption_id=UUID(bytes=found.redemption_id),
        quantity=pieces,
        left=found.quantity - found.returned - pieces,
        points=Points.of_units(points, scale),
        expired=Points.of_units(part.expired, scale),
        line_no=part.by_line_no,
        balance=Points.of_units(posting.heads[number].balance, scale),
    )
    visit.book(command, receipt, outlet, posting=posting, second=second, reason=command.reason)
    return receipt


def _admit(visit: Visit, command: RefundGoods, found: Refundable) -> StaffFacts:
    """The second person; a store may leave and its outlet close, what it gave is still taken."""
    outlet, code = visit.outlets[found.outlet_code], command.second_person
    require_permission(visit.staff, command.act, outlet, found.store_no)
    named = visit.people.get(code)
    second = require_second_person(command.act, visit.staff, named, code, outlet)
    for person in (visit.staff, second):
        require_not_own(command.act, person, found.account_no)
    return second
