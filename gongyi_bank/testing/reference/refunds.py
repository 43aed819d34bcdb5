"""退货 in the reference: goods back to the store, points back into the passbook."""

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
from gongyi_bank.rules.staff import require_not_own, require_permission, require_second_person
from gongyi_bank.testing.reference.citing import reversibles_of, terms_of
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import entry_of
from gongyi_bank.testing.reference.rows import Refund
from gongyi_bank.values import Points


def refund(visit: Visit, command: RefundGoods) -> GoodsRefunded:
    """Take pieces back and credit what they cost, less what is past its date by now."""
    books, name, code = visit.books, command.redemption, command.second_person
    found = _refundable(visit, command)
    number = found.account_no
    visit.enter(command, outlets_at=[found.outlet_code], people=[code])
    outlet = visit.outlets[found.outlet_code]
    require_permission(visit.staff, command.act, outlet, found.store_no)
    named = visit.people.get(code)
    second = require_second_person(command.act, visit.staff, named, code, outlet)
    for person in (visit.staff, second):
        require_not_own(command.act, person, number)
    rules.require_given_out(found, name)
    require_open(number, books.customers[number].state)
    pieces, points = rules.decide_refund(found, command.quantity, name)
    entry = entry_of(visit, [number])
    assert found.line_no is not None
    (cited,) = reversibles_of(books, [books.lines[number][found.line_no - 1]])
    if found.cites_from is not None:
        cited.cites_from = found.cites_from
    part = cited.cut(points, visit.bank.scale)
    mark = Mark(reversals.REFUND, visit.today, outlet.outlet_no)
    reversals.give_back(entry, part, terms_of(visit, lambda _: mark), reversals.REFUND)
    books.refunds += (
        Refund(
            redemption_id=found.redemption_id,
            part_no=found.parts + 1,
            account_no=number,
            refunded_on=visit.today,
            quantity=pieces,
            points=points,
            refund_line_no=part.by_line_no,
            restocked=command.restock,
            voucher_id=visit.voucher_id,
        ),
    )
    scale = visit.bank.scale
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
        balance=Points.of_units(entry.heads[number].balance, scale),
    )
    visit.book(command, receipt, outlet, posting=entry, second=second, reason=command.reason)
    return receipt


def _refundable(visit: Visit, command: RefundGoods) -> Refundable:
    """The redemption with what came back of it before. Raises UnknownRedemption."""
    books = visit.books
    found = books.redemptions.get(command.redemption.bytes)
    if found is None:
        raise UnknownRedemption(redemption=command.redemption)
    before = [one for one in books.refunds if one.redemption_id == found.redemption_id]
    return Refundable(
        redemption_id=found.redemption_id,
        account_no=found.account_no,
        store_no=found.store_no,
        outlet_code=books.store_of_no(found.store_no).outlet_code,
        sku=found.sku,
        quantity=found.quantity,
        points=found.points,
        state=found.state,
        line_no=found.line_no,
        cites_from=found.cites_from,
        parts=len(before),
        returned=sum(one.quantity for one in before),
    )


ACTS: Acts = {RefundGoods: refund}
