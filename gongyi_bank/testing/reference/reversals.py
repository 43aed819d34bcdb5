"""冲正 in the reference: lines taken back by new lines that cite them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gongyi_bank.commands.reversals import ReverseLine, ReverseVoucher
from gongyi_bank.errors import NothingToReverse, PoolClosed, UnknownLine, UnknownVoucher
from gongyi_bank.receipts.reversals import LineReversed, PartReversed, VoucherReversed
from gongyi_bank.rules import reversals as rules
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.ledger import Mark, internal_kind
from gongyi_bank.rules.pools import CLOSED
from gongyi_bank.rules.reversals import CitedLine, Movement, Part, Reversible
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.testing.reference.citing import cited, reversibles_of, terms_of
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import Entry, entry_of
from gongyi_bank.testing.reference.rows import Line
from gongyi_bank.values import Points


def reverse_line(visit: Visit, command: ReverseLine) -> LineReversed:
    """Reverse one line, with its mirror if it has one."""
    lines = _with_mirror(visit, command.account, command.line_no)
    _enter(visit, command)
    if not lines:
        raise UnknownLine(account=command.account, line_no=command.line_no)
    named = (command.account, command.line_no)
    asked = command.points.to_units(visit.bank.scale) if command.points else None
    run = _Run(visit, command, lines)
    run.admit(by_voucher=False)
    movements = rules.movements_of(run.reversibles)
    movement = next(m for m in movements if any(one.line.key == named for one in m.lines))
    parts = {part.line.key: run.shown(part) for part in run.reverse([movement], asked)}
    receipt = LineReversed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        part=parts.pop(named),
        mirror=next(iter(parts.values()), None),
    )
    run.book(receipt)
    return receipt


def reverse_voucher(visit: Visit, command: ReverseVoucher) -> VoucherReversed:
    """Reverse all that is left of a voucher's lines; expiries that it wrote on the way stand."""
    name = command.voucher.bytes
    found = sorted(line for line in _all_lines(visit) if line.voucher_id == name)
    lines = [line for line in found if line.kind != "expiry"] or found
    _enter(visit, command)
    if name not in visit.books.vouchers:
        raise UnknownVoucher(voucher=command.voucher)
    if not lines:
        raise NothingToReverse(voucher=command.voucher)
    run = _Run(visit, command, lines)
    run.admit(by_voucher=True)
    left = [one for one in run.reversibles if one.left]
    if not left:
        raise NothingToReverse(voucher=command.voucher)
    parts = run.reverse(rules.movements_of(left), None)
    receipt = VoucherReversed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        reversed_voucher_id=command.voucher,
        parts=tuple(run.shown(part) for part in sorted(parts, key=lambda part: part.line.key)),
    )
    run.book(receipt)
    return receipt


def _enter(visit: Visit, command: ReverseLine | ReverseVoucher) -> None:
    codes = [command.outlet] if command.outlet else []
    visit.enter(command, outlets_at=codes, people=[command.second_person])


def _all_lines(visit: Visit) -> Iterable[Line]:
    return (line for lines in visit.books.lines.values() for line in lines)


def _with_mirror(visit: Visit, account_no: int, line_no: int) -> list[Line]:
    """A line, and what its voucher wrote between the same two accounts; empty if there is none."""
    mine = visit.books.lines.get(account_no, ())
    line = next((line for line in mine if line.line_no == line_no), None)
    if line is None:
        return []
    if not cited(line).has_mirror:
        return [line]
    sides = {line.account_no, line.contra_no}
    return sorted(
        one
        for one in _all_lines(visit)
        if one.voucher_id == line.voucher_id and {one.account_no, one.contra_no} == sides
    )


class _Run:
    """Lines that are to be reversed, with what is known around them."""

    def __init__(
        self, visit: Visit, command: ReverseLine | ReverseVoucher, lines: Sequence[Line]
    ) -> None:
        self.visit = visit
        self.command = command
        self.accounts = sorted({line.account_no for line in lines})
        self.reversibles: list[Reversible] = reversibles_of(visit.books, lines)
        # What a lapsed hold keeps is not spent: it is there to be taken back.
        self.freed = visit.free_lapsed(self.accounts)
        self.entry: Entry = entry_of(visit, self.accounts)
        numbers = sorted({line.outlet_no for line in lines})
        self.places = {number: visit.books.outlets[number] for number in numbers}
        self.outlet: OutletFacts
        self.second: StaffFacts

    def admit(self, *, by_voucher: bool) -> None:
        """Who may, and what can be reversed at all; raises the first refusal that applies."""
        visit, command = self.visit, self.command
        for place in self.places.values():
            require_permission(visit.staff, command.act, place)
        if command.outlet is not None:
            self.outlet = visit.outlet_for(command.act, command.outlet)
        else:
            self.outlet = visit.handled_at(command.act, self.places.values())
            visit.outlets |= {place.code: place for place in self.places.values()}
        code = command.second_person
        named = visit.people.get(code)
        for place in (self.outlet, *self.places.values()):
            self.second = require_second_person(command.act, visit.staff, named, code, place)
        for person in (visit.staff, self.second):
            for account_no in self.accounts:
                require_not_own(command.act, person, account_no)
        for one in self.reversibles:
            rules.require_reversible(one.line, by_voucher=by_voucher)
        self._require_open()

    def _require_open(self) -> None:
        """Closed accounts and pools are not posted to any more."""
        books = self.visit.books
        for account_no in self.accounts:
            if internal_kind(account_no) is None:
                require_open(account_no, books.states([account_no]).get(account_no))
        for pool in sorted(books.pools.values(), key=lambda pool: pool.account_no):
            if pool.account_no in self.accounts and pool.state == CLOSED:
                raise PoolClosed(pool=pool.code)

    def reverse(self, movements: Sequence[Movement], wanted: int | None) -> list[Part]:
        """Carry the reversal out."""
        lines = [one for movement in movements for one in movement.lines]
        rules.note_expiries(self.entry, lines, self.outlet.outlet_no)
        codes = {pool.account_no: pool.code for pool in self.visit.books.pools.values()}
        terms = replace(terms_of(self.visit, self._mark_of), pools=codes)
        return rules.reverse(self.entry, movements, wanted, terms)

    def _mark_of(self, line: CitedLine) -> Mark:
        place = self.outlet if self.command.outlet else self.places[line.outlet_no]
        is_original = self.command.value == "original"
        day = line.value_on if is_original else self.visit.today
        value_on, origin_on = self.visit.value_day(place, day, line.account_no, line.contra_no)
        if is_original:
            origin_on = line.origin_on or origin_on
        return Mark(rules.REVERSAL, value_on, place.outlet_no, line.policy_id, origin_on=origin_on)

    def shown(self, part: Part) -> PartReversed:
        """The part for a receipt."""
        head, scale = self.entry.heads[part.line.account_no], self.visit.bank.scale
        return PartReversed(
            account=part.line.account_no,
            line_no=part.line.line_no,
            points=Points.of_units(part.amount, scale),
            moved=Points.of_units(part.moved, scale),
            expired=Points.of_units(part.expired, scale),
            by_line_no=part.by_line_no,
            balance=Points.of_units(head.balance, scale),
            debt=Points.of_units(head.debt, scale),
        )

    def book(self, receipt: LineReversed | VoucherReversed) -> None:
        """Write everything."""
        self.visit.expire_freed(self.entry, self.freed, self.outlet)
        self.visit.book(
            self.command, receipt, self.outlet, posting=self.entry, second=self.second,
            reason=self.command.reason,
        )  # fmt: skip


ACTS: Acts = {
    ReverseLine: reverse_line,
    ReverseVoucher: reverse_voucher,
}
