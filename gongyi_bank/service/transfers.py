"""转赠、捐赠、拨付: points from one account with a floor to another, all or nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gongyi_bank.commands.transfers import DonatePoints, GiftPoints, GrantFromPool, SendPoints
from gongyi_bank.policies import PointsExpiry, TransferRules
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.receipts.transfers import (
    GrantPart,
    PointsDonated,
    PointsGifted,
    PointsSent,
    PoolGranted,
    SideChanged,
)
from gongyi_bank.rules import transfers as rules
from gongyi_bank.rules.given import Sums, after_giving, given_by
from gongyi_bank.rules.ledger import Leg, Mark, Posting, internal_no
from gongyi_bank.rules.pools import PoolFacts, require_pool
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.rules.transfers import GRANT, LINE_KINDS, Flow, Side, TransferFacts
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.holds import Overdue, Settled
from gongyi_bank.store import customers, given, passbooks, pools
from gongyi_bank.store import transfers as store
from gongyi_bank.store.transaction import Ask
from gongyi_bank.values import Points

TransferCommand = GiftPoints | DonatePoints | GrantFromPool | SendPoints


def gift(visit: Visit, command: GiftPoints) -> PointsGifted:
    """Give points to another customer, within the rules of the day."""
    accounts = [command.account, command.target]
    run = _enter(visit, command, accounts, outlet=command.outlet, payers=accounts[:1])
    amount = command.points.to_units(visit.tx.bank.scale)
    flow = rules.judge_leg(
        run.facts,
        Side(command.account),
        Side(command.target),
        amount,
        purpose=rules.GIFT,
        relation=command.relation,
    )
    run.post([flow])
    head = run.posting.heads[command.account]
    receipt = PointsGifted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        target=command.target,
        points=run.points(amount),
        line_no=head.line_no,
        balance=run.points(head.balance),
    )
    run.book(command, receipt)
    return receipt


def donate(visit: Visit, command: DonatePoints) -> PointsDonated:
    """Give points to a pool or to an organisation."""
    accounts = [command.account, *([command.organisation] if command.organisation else [])]
    codes = [command.pool] if command.pool else []
    run = _enter(visit, command, accounts, codes, outlet=command.outlet, payers=accounts[:1])
    amount = command.points.to_units(visit.tx.bank.scale)
    target = Side(command.organisation, command.pool)
    flow = rules.judge_leg(run.facts, Side(command.account), target, amount, purpose=rules.DONATION)
    run.post([flow])
    head = run.posting.heads[command.account]
    receipt = PointsDonated(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        pool=command.pool,
        organisation=command.organisation,
        points=run.points(amount),
        line_no=head.line_no,
        balance=run.points(head.balance),
    )
    run.book(command, receipt)
    return receipt


def grant(visit: Visit, command: GrantFromPool) -> PoolGranted:
    """Grant points of a pool to customers, to all of them or to none; two people agree."""
    accounts = [part.account for part in command.grants]
    pool = [command.pool]
    run = _enter(visit, command, accounts, pool, second=command.second_person, giving=pool)
    scale = visit.tx.bank.scale
    amounts = [part.points.to_units(scale) for part in command.grants]
    source = Side(pool=command.pool)
    flows = [
        rules.judge_leg(run.facts, source, Side(account), amount)
        for account, amount in zip(accounts, amounts, strict=True)
    ]
    run.post(flows)
    heads = run.posting.heads
    parts = tuple(
        GrantPart(
            account=account,
            points=run.points(amount),
            line_no=heads[account].line_no,
            balance=run.points(heads[account].balance),
        )
        for account, amount in zip(accounts, amounts, strict=True)
    )
    receipt = PoolGranted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        pool=command.pool,
        points=run.points(sum(amounts)),
        balance=run.points(heads[run.known[command.pool].account_no].balance),
        grants=parts,
    )
    run.book(command, receipt, reason=command.reason)
    return receipt


def send(visit: Visit, command: SendPoints) -> PointsSent:
    """Many legs at once: each is judged by itself, each account's sides are netted."""
    legs = command.legs
    accounts = [no for leg in legs for no in (leg.source, leg.target) if no is not None]
    codes = [c for leg in legs for c in (leg.source_pool, leg.target_pool) if c is not None]
    giving = sorted({leg.source_pool for leg in legs if leg.source_pool is not None})
    run = _enter(
        visit, command, accounts, codes,
        outlet=command.outlet, second=command.second_person, giving=giving,
        payers=[leg.source for leg in legs if leg.source is not None],
    )  # fmt: skip
    scale = visit.tx.bank.scale
    flows = [
        rules.judge_leg(
            run.facts,
            Side(leg.source, leg.source_pool),
            Side(leg.target, leg.target_pool),
            leg.points.to_units(scale),
            relation=leg.relation,
        )
        for leg in legs
    ]
    run.post_netted(flows)
    receipt = PointsSent(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        sides=_sides(run, flows),
    )
    run.book(command, receipt, reason=command.reason)
    return receipt


def _sides(run: _Run, flows: Sequence[Flow]) -> tuple[SideChanged, ...]:
    """What became of every account, in the order in which the legs name it."""
    codes = {found.account_no: found.code for found in run.known.values()}
    named = dict.fromkeys(no for flow in flows for no in (flow.source_no, flow.target_no))
    moved = dict.fromkeys(named, 0)
    for flow in flows:
        moved[flow.source_no] -= flow.amount
        moved[flow.target_no] += flow.amount
    heads = run.posting.heads
    return tuple(
        SideChanged(
            account=None if number in codes else number,
            pool=codes.get(number),
            points=run.points(moved[number]),
            line_no=heads[number].line_no,
            balance=run.points(heads[number].balance),
        )
        for number in named
    )


@dataclass(slots=True)
class _Run:
    """A transfer whose heads are locked, people proved and facts read."""

    visit: Visit
    outlet: OutletFacts
    second: StaffFacts | None
    #: The pools named, by code.
    known: dict[str, PoolFacts]
    facts: TransferFacts
    posting: Posting
    lapsed: Settled
    #: What the accounts gave and were granted before, by the month.
    sums: Sums

    def book(
        self,
        command: TransferCommand,
        receipt: AnyReceipt,
        *,
        reason: str | None = None,
    ) -> None:
        """Write everything, with the holds that were found lapsed."""
        self.lapsed.write(self.visit, self.posting, self.outlet)
        given.write_sums(self.visit.writes, after_giving(self.sums, self.posting.lines))
        self.visit.book(
            command, receipt, self.outlet, posting=self.posting, second=self.second,
            reason=reason, facts=self.lapsed.facts,
        )  # fmt: skip

    def points(self, units: int) -> Points:
        """An amount for a receipt."""
        return Points.of_units(units, self.visit.tx.bank.scale)

    def post(self, flows: Sequence[Flow]) -> None:
        """A line on either side of each flow, once for every date."""
        for flow in self._decided(flows):
            leg = Leg(flow.source_no, flow.target_no, flow.amount)
            self.posting.post(leg, self._mark(flow.purpose, flow.expires_on))

    def post_netted(self, flows: Iterable[Flow]) -> None:
        """One line for each account, purpose and date, through transit; giving comes first."""
        transit_no = internal_no("transit", self.outlet.outlet_no)
        out: dict[tuple[int, str], int] = {}
        received: dict[tuple[int, str, dt.date], int] = {}
        for flow in self._decided(rules.net_flows(flows)):
            giver, taker = (
                (flow.source_no, flow.purpose),
                (flow.target_no, flow.purpose, flow.expires_on),
            )
            out[giver] = out.get(giver, 0) + flow.amount
            received[taker] = received.get(taker, 0) + flow.amount
        for (account_no, purpose), amount in out.items():
            self.posting.post(Leg(account_no, transit_no, amount), self._mark(purpose, None))
        for (account_no, purpose, expires_on), amount in sorted(received.items()):
            leg = Leg(transit_no, account_no, amount)
            self.posting.post(leg, self._mark(purpose, expires_on))

    def _decided(self, flows: Sequence[Flow]) -> list[Flow]:
        """The flows by date; where dates matter, the lots of as many points as are given."""
        facts, terms = self.facts, self.visit.expiry_terms
        amounts: Counter[int] = Counter()
        for flow in flows:
            amounts[flow.source_no] += flow.amount
        wanted = [
            head
            for number in sorted(amounts)
            if rules.needs_lots(head := facts.heads[number], facts.rules, terms)
        ]
        if wanted:
            facts.lots = store.load_lots(self.visit.tx, wanted, terms, amounts)
        return rules.decide_flows(facts, flows)

    def _mark(self, purpose: str, expires_on: dt.date | None) -> Mark:
        visit = self.visit
        ruling = PointsExpiry if purpose == GRANT else TransferRules
        value_on, origin_on = visit.value_day(self.outlet, visit.today)
        kind, received_as = LINE_KINDS[purpose]
        return Mark(
            kind,
            value_on,
            self.outlet.outlet_no,
            visit.policies.in_force(ruling, visit.today)[0],
            expires_on,
            origin_on,
            target_kind=received_as,
        )


def _enter(
    visit: Visit,
    command: TransferCommand,
    accounts: Iterable[int],
    codes: Iterable[str] = (),
    *,
    outlet: str | None = None,
    second: str | None = None,
    giving: Iterable[str] = (),
    payers: Iterable[int] = (),
) -> _Run:
    """Lock every head, customers before pools, and read what the rules go by.

    `giving` are the pools that give; without an `outlet` theirs handles it. What `payers` hold
    no more is given free first, as for a redemption.
    """
    tx, numbers, names = visit.tx, set(accounts), set(codes)
    seen = pools.load_pools(tx, names) if names else {}
    locked = numbers | {found.account_no for found in seen.values()}
    places = {found.outlet_code for found in seen.values()} | ({outlet} if outlet else set())
    visit.lock(locked, outlets_at=places)
    overdue = Overdue(visit, payers)
    holders = customers.ask_stored(numbers)
    frozen, sums = passbooks.ask_frozen(numbers, visit.now), given.ask_given(locked, visit.today)
    again = [pools.ask_pools(names)] if names else []
    people = [second] if second else []
    asks: tuple[Ask[Any], ...] = (holders, frozen, sums, *again, *overdue.asks)
    visit.enter(command, outlets_at=places, people=people, asks=asks)
    known = again[0].answer if again else {}
    if known.keys() != seen.keys():
        visit.look_again()  # Opened meanwhile: its head is not locked.
    handled_at, checker = _prove(visit, command.act, outlet, second, known, giving)
    for person in (visit.staff, checker):
        for account_no in sorted(numbers):
            if person is not None:
                require_not_own(command.act, person, account_no)
    posting = visit.posting(visit.heads())
    lapsed = overdue.settle(posting)
    facts = TransferFacts(
        today=visit.today,
        scale=tx.bank.scale,
        policies=visit.policies,
        customers={no: (stored.kind, stored.state) for no, stored in holders.answer.items()},
        frozen=frozen.answer,
        pools=known,
        heads=posting.heads,
        given=given_by(sums.answer, visit.today),
        lots={},
    )
    return _Run(visit, handled_at, checker, known, facts, posting, lapsed, sums.answer)


def _prove(
    visit: Visit,
    act: str,
    outlet: str | None,
    second: str | None,
    known: dict[str, PoolFacts],
    giving: Iterable[str],
) -> tuple[OutletFacts, StaffFacts | None]:
    """The outlet that handles it and the second person.

    A pool's points are its outlet's: who grants them must be allowed to there, and who agrees
    must serve there, wherever the act is handled.
    """
    visit.require_role(act)
    sources = [require_pool(known, code) for code in giving]
    handled_at = visit.outlet_for(act, outlet or sources[0].outlet_code)
    places = [visit.outlets[source.outlet_code] for source in sources]
    for place in places:
        require_permission(visit.staff, "transfers.grant", place)
    checker = None
    for place in (*places, handled_at) if second else ():
        named = visit.people.get(second or "")
        checker = require_second_person(act, visit.staff, named, second or "", place)
    return handled_at, checker
