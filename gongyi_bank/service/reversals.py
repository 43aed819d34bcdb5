"""冲正: lines taken back by new lines that cite them, singly or a whole voucher at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from gongyi_bank.commands.reversals import ReverseLine, ReverseVoucher
from gongyi_bank.errors import NothingToReverse, UnknownLine, UnknownVoucher
from gongyi_bank.policies import PointsExpiry, ReversalRules
from gongyi_bank.receipts.reversals import LineReversed, PartReversed, VoucherReversed
from gongyi_bank.rules import reversals as rules
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.given import after_reversing
from gongyi_bank.rules.ledger import Mark, Posting, internal_kind
from gongyi_bank.rules.pools import PoolFacts, require_open_pool
from gongyi_bank.rules.reversals import CitedLine, Part, Reversible, Terms
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.holds import NOTHING_LAPSED, Overdue
from gongyi_bank.store import given, hours, pools
from gongyi_bank.store import reversals as store
from gongyi_bank.store.outlets import ask_outlets_by_no
from gongyi_bank.store.transaction import Ask
from gongyi_bank.values import Points

ReversalCommand = ReverseLine | ReverseVoucher
_EXPIRY = "expiry"


def reverse_line(visit: Visit, command: ReverseLine) -> LineReversed:
    """Reverse one line, with its mirror if it has one."""
    lines = store.load_cited(visit.tx, command.account, command.line_no)
    run = _Run(visit, command, lines)
    if not lines:
        raise UnknownLine(account=command.account, line_no=command.line_no)
    named = (command.account, command.line_no)
    asked = command.points.to_units(visit.tx.bank.scale) if command.points else None
    run.admit(by_voucher=False)
    movements = rules.movements_of(run.reversibles)
    movement = next(m for m in movements if any(one.line.key == named for one in m.lines))
    parts = {part.line.key: part for part in run.reverse([movement], asked)}
    shown = {key: run.shown(part) for key, part in parts.items()}
    receipt = LineReversed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        part=shown.pop(named),
        mirror=next(iter(shown.values()), None),
    )
    run.book(receipt, parts.values())
    return receipt


def reverse_voucher(visit: Visit, command: ReverseVoucher) -> VoucherReversed:
    """Reverse all that is left of a voucher's lines; expiries that it wrote on the way stand."""
    found = store.load_of_voucher(visit.tx, command.voucher.bytes)
    lines = [line for line in found or () if line.kind != _EXPIRY] or list(found or ())
    run = _Run(visit, command, lines)
    if found is None:
        raise UnknownVoucher(voucher=command.voucher)
    if not lines:
        raise NothingToReverse(voucher=command.voucher)
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
    run.book(receipt, parts)
    return receipt


class _Run:
    """Lines that are locked, with what is known around them."""

    def __init__(self, visit: Visit, command: ReversalCommand, lines: Sequence[CitedLine]) -> None:
        self.visit = visit
        self.command = command
        self.lines = lines
        self.accounts = sorted({line.account_no for line in lines})
        visit.lock(self.accounts)
        # What a lapsed hold keeps is not spent, swept or not: it is there to be taken back.
        self._overdue = Overdue(visit, self.accounts)
        self._lapsed = NOTHING_LAPSED
        before, self._given = store.asks_before(lines), given.asks_given_then(lines)
        customers = hours.ask_customers(self.accounts)
        codes = [command.outlet] if command.outlet else []
        people = [command.second_person]
        pooled = [no for no in self.accounts if internal_kind(no) == "pool"]
        named = [pools.ask_pools_of(pooled)] if pooled else []
        places = ask_outlets_by_no(line.outlet_no for line in lines)
        asks: tuple[Ask[Any], ...] = (
            customers, *before, *self._given, *named, places, *self._overdue.asks
        )  # fmt: skip
        visit.enter(command, outlets_at=codes, people=people, asks=asks)
        self.reversibles: list[Reversible] = store.reversibles(lines, before)
        self.posting: Posting = visit.posting(visit.heads())
        self._pools: dict[int, PoolFacts] = named[0].answer if named else {}
        self._states = {no: facts.state for no, facts in customers.answer.items()}
        self.places = places.answer
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
        for line in self.lines:
            rules.require_reversible(line, by_voucher=by_voucher)
        for account_no in self.accounts:
            if internal_kind(account_no) is None:
                require_open(account_no, self._states.get(account_no))
        for _, pool in sorted(self._pools.items()):
            require_open_pool({pool.code: pool}, pool.code)

    def reverse(self, movements: Iterable[rules.Movement], wanted: int | None) -> list[Part]:
        """Carry the reversal out on the working copies."""
        self._lapsed = self._overdue.settle(self.posting)
        movements = list(movements)
        lines = [one for movement in movements for one in movement.lines]
        rules.note_expiries(self.posting, lines, self.outlet.outlet_no)
        codes = {account_no: pool.code for account_no, pool in self._pools.items()}
        terms = replace(terms_of(self.visit, self._mark_of), pools=codes)
        return rules.reverse(self.posting, movements, wanted, terms)

    def _mark_of(self, line: CitedLine) -> Mark:
        place = self.outlet if self.command.outlet else self.places[line.outlet_no]
        is_original = self.command.value == "original"
        day = line.value_on if is_original else self.visit.today
        # Both sides of a line between two customers get the same day.
        value_on, origin_on = self.visit.value_day(place, day, line.account_no, line.contra_no)
        if is_original and line.origin_on is not None:
            origin_on = line.origin_on  # it leaves the day that it was booked late for
        return Mark(rules.REVERSAL, value_on, place.outlet_no, line.policy_id, origin_on=origin_on)

    def shown(self, part: Part) -> PartReversed:
        """The part for a receipt."""
        head, scale = self.posting.heads[part.line.account_no], self.visit.tx.bank.scale
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

    def book(self, receipt: LineReversed | VoucherReversed, parts: Collection[Part]) -> None:
        """Write everything."""
        sums, kept = self._given
        given.write_sums(self.visit.writes, after_reversing(sums.answer, kept.answer, parts))
        cited = {str(UUID(bytes=part.line.voucher_id)) for part in parts}
        self._lapsed.write(self.visit, self.posting, self.outlet)
        self.visit.book(
            self.command, receipt, self.outlet, posting=self.posting, second=self.second,
            reason=self.command.reason, facts={"reversed": sorted(cited), **self._lapsed.facts},
        )  # fmt: skip


def terms_of(visit: Visit, mark_of: rules.MarkOf) -> Terms:
    """What the policies in force today say about reversals and refunds."""
    _, policy = visit.policies.in_force(ReversalRules, visit.today)
    until: dt.date = visit.policies.in_force(PointsExpiry, visit.today)[1].expires_on(visit.today)
    return Terms(policy.spent, policy.refund_validity, until, mark_of)
