"""转赠、捐赠与拨付 in the reference: points from one account to another, all or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
from gongyi_bank.rules.ledger import Leg, Mark, internal_kind, internal_no
from gongyi_bank.rules.pools import PoolFacts, require_pool
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.rules.transfers import GRANT, LINE_KINDS, Flow, Given, Lot, Side, TransferFacts
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import Entry, entry_of, lots_of
from gongyi_bank.testing.reference.rows import Line
from gongyi_bank.values import Points

TransferCommand = GiftPoints | DonatePoints | GrantFromPool | SendPoints
#: The kind of the lines that count towards each limit.
LIMITED = {
    rules.GIFT: "gift_out", rules.DONATION: "donation_out", rules.GRANT: "pool_grant_out",
    rules.GRANTEE: "pool_grant_in",
}  # fmt: skip


def gift(visit: Visit, command: GiftPoints) -> PointsGifted:
    """Give points to another customer, within the rules of the day."""
    run = _enter(
        visit,
        command,
        [command.account, command.target],
        outlet=command.outlet,
        payers=[command.account],
    )
    amount = command.points.to_units(visit.bank.scale)
    source, target = Side(command.account), Side(command.target)
    flow = rules.judge_leg(
        run.facts, source, target, amount, purpose=rules.GIFT, relation=command.relation
    )
    run.post([flow])
    head = run.entry.heads[command.account]
    line_no, balance = head.line_no, head.balance
    receipt = PointsGifted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        target=command.target,
        points=run.points(amount),
        line_no=line_no,
        balance=run.points(balance),
    )
    run.book(command, receipt)
    return receipt


def donate(visit: Visit, command: DonatePoints) -> PointsDonated:
    """Give points to a pool or to an organisation."""
    accounts = [command.account, *([command.organisation] if command.organisation else [])]
    codes = [command.pool] if command.pool else []
    run = _enter(visit, command, accounts, codes, outlet=command.outlet, payers=[command.account])
    amount = command.points.to_units(visit.bank.scale)
    target = Side(command.organisation, command.pool)
    flow = rules.judge_leg(run.facts, Side(command.account), target, amount, purpose=rules.DONATION)
    run.post([flow])
    head = run.entry.heads[command.account]
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
    run = _enter(
        visit, command, accounts, [command.pool], second=command.second_person,
        giving=[command.pool],
    )  # fmt: skip
    amounts = [part.points.to_units(visit.bank.scale) for part in command.grants]
    pairs = list(zip(accounts, amounts, strict=True))
    source = Side(pool=command.pool)
    flows = [rules.judge_leg(run.facts, source, Side(account), n) for account, n in pairs]
    run.post(flows)
    heads = run.entry.heads
    receipt = PoolGranted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        pool=command.pool,
        points=run.points(sum(amounts)),
        balance=run.points(heads[run.pools[command.pool].account_no].balance),
        grants=tuple(
            GrantPart(
                account=account,
                points=run.points(amount),
                line_no=heads[account].line_no,
                balance=run.points(heads[account].balance),
            )
            for account, amount in pairs
        ),
    )
    run.book(command, receipt, reason=command.reason)
    return receipt


def send(visit: Visit, command: SendPoints) -> PointsSent:
    """Many legs at once: each is judged by itself, each account's sides are netted."""
    legs = command.legs
    givers = [leg.source for leg in legs if leg.source is not None]
    takers = [leg.target for leg in legs if leg.target is not None]
    giving = sorted({leg.source_pool for leg in legs if leg.source_pool is not None})
    codes = [*giving, *(leg.target_pool for leg in legs if leg.target_pool is not None)]
    run = _enter(
        visit, command, [*givers, *takers], codes, outlet=command.outlet,
        second=command.second_person, giving=giving, payers=givers,
    )  # fmt: skip
    flows = [
        rules.judge_leg(
            run.facts,
            Side(leg.source, leg.source_pool),
            Side(leg.target, leg.target_pool),
            leg.points.to_units(visit.bank.scale),
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
    codes = {found.account_no: found.code for found in run.pools.values()}
    sides = []
    for number in dict.fromkeys(no for flow in flows for no in (flow.source_no, flow.target_no)):
        gave = sum(flow.amount for flow in flows if flow.source_no == number)
        took = sum(flow.amount for flow in flows if flow.target_no == number)
        head = run.entry.heads[number]
        sides.append(
            SideChanged(
                account=None if number in codes else number,
                pool=codes.get(number),
                points=run.points(took - gave),
                line_no=head.line_no,
                balance=run.points(head.balance),
            )
        )
    return tuple(sides)


# --- facts, and what is posted -------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """A transfer that may be judged."""

    visit: Visit
    outlet: OutletFacts
    second: StaffFacts | None
    #: The pools named, by code.
    pools: dict[str, PoolFacts]
    facts: TransferFacts
    entry: Entry
    #: Accounts of which lapsed holds were settled on the way.
    freed: set[int]

    def points(self, units: int) -> Points:
        """An amount for a receipt."""
        return Points.of_units(units, self.visit.bank.scale)

    def post(self, flows: Sequence[Flow]) -> None:
        """A line on either side of each flow, once for every date."""
        for flow in rules.decide_flows(self.facts, flows):
            leg = Leg(flow.source_no, flow.target_no, flow.amount)
            self.entry.post(leg, self._mark(flow.purpose, flow.expires_on))

    def post_netted(self, flows: Iterable[Flow]) -> None:
        """One line for each account, purpose and date, through transit; giving comes first."""
        transit_no = internal_no("transit", self.outlet.outlet_no)
        netted = rules.decide_flows(self.facts, rules.net_flows(flows))
        for giver, purpose in dict.fromkeys((flow.source_no, flow.purpose) for flow in netted):
            amount = sum(
                flow.amount for flow in netted if (flow.source_no, flow.purpose) == (giver, purpose)
            )
            self.entry.post(Leg(giver, transit_no, amount), self._mark(purpose, None))
        for taker in sorted({(flow.target_no, flow.purpose, flow.expires_on) for flow in netted}):
            amount = sum(
                flow.amount
                for flow in netted
                if (flow.target_no, flow.purpose, flow.expires_on) == taker
            )
            self.entry.post(Leg(transit_no, taker[0], amount), self._mark(taker[1], taker[2]))

    def _mark(self, purpose: str, expires_on: dt.date | None) -> Mark:
        visit = self.visit
        ruling = PointsExpiry if purpose == GRANT else TransferRules
        value_on, origin_on = visit.value_day(self.outlet, visit.today)
        given, received = LINE_KINDS[purpose]
        return Mark(
            given,
            value_on,
            self.outlet.outlet_no,
            visit.policies.in_force(ruling, visit.today)[0],
            expires_on,
            origin_on,
            target_kind=received,
        )

    def book(
        self, command: TransferCommand, receipt: AnyReceipt, *, reason: str | None = None
    ) -> None:
        """Write everything, with the holds that were found lapsed."""
        self.visit.expire_freed(self.entry, self.freed, self.outlet)
        self.visit.book(
            command, receipt, self.outlet, posting=self.entry, second=self.second, reason=reason
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
    """Prove who acts, and tell what the rules go by; `giving` are the pools that give."""
    books, numbers = visit.books, set(accounts)
    known = {code: books.pools[code] for code in codes if code in books.pools}
    places = {found.outlet_code for found in known.values()} | ({outlet} if outlet else set())
    visit.enter(command, outlets_at=places, people=[second] if second else [])
    handled_at, checker = _prove(visit, command.act, outlet, second, known, giving)
    for person in (visit.staff, checker):
        for account_no in sorted(numbers):
            if person is not None:
                require_not_own(command.act, person, account_no)
    freed = visit.free_lapsed(payers)
    entry = entry_of(visit, numbers | {found.account_no for found in known.values()})
    customers = [books.customers[no] for no in sorted(numbers) if no in books.customers]
    facts = TransferFacts(
        today=visit.today,
        scale=visit.bank.scale,
        policies=visit.policies,
        customers={one.account_no: (one.kind, one.state) for one in customers},
        frozen=books.frozen(numbers, visit.now),
        pools=known,
        heads=entry.heads,
        given={
            (no, purpose): _given(visit, no, purpose)
            for no in entry.heads.keys() & books.lines.keys()
            for purpose in LIMITED
        },
        lots={no: _lots(visit, no) for no in entry.heads if internal_kind(no) is None},
    )
    return _Run(visit, handled_at, checker, known, facts, entry, freed)


def _prove(
    visit: Visit,
    act: str,
    outlet: str | None,
    second: str | None,
    known: dict[str, PoolFacts],
    giving: Iterable[str],
) -> tuple[OutletFacts, StaffFacts | None]:
    """The outlet that handles it and the second person; both also for every pool that gives."""
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


def _given(visit: Visit, account_no: int, purpose: str) -> Given:
    """What an account gave or was granted this month and this year, less what came back."""
    kind, today = LIMITED[purpose], visit.today
    of_year = [
        (line, _kept(visit, line))
        for line in visit.books.lines[account_no]
        if line.kind == kind and line.value_on >= today.replace(month=1, day=1)
    ]
    of_month = [(line, n) for line, n in of_year if line.value_on >= today.replace(day=1)]
    return Given(
        points_month=sum(amount for _, amount in of_month),
        count_month=len({line.voucher_id for line, amount in of_month if amount > 0}),
        points_year=sum(amount for _, amount in of_year),
        count_year=len({line.voucher_id for line, amount in of_year if amount > 0}),
    )


def _kept(visit: Visit, line: Line) -> int:
    """What a line moved, less what of it a reversal brought back."""
    key = (line.account_no, line.line_no)
    parts = (part for part in visit.books.parts if (part.account_no, part.line_no) == key)
    back = (part.by_line_no for part in parts if part.by_line_no is not None)
    mine = visit.books.lines[line.account_no]
    return abs(line.amount) - sum(abs(mine[line_no - 1].amount) for line_no in back)


def _lots(visit: Visit, account_no: int) -> list[Lot]:
    """The points of an account by their numbers, as each credit brought them."""
    found, high = [], 0
    for lot in lots_of(visit.books.lines[account_no], visit.policies):
        low, high = high, high + lot.line.amount
        found.append(Lot(low, high, lot.until, lot.line.kind == LINE_KINDS[rules.GIFT][1]))
    return found


ACTS: Acts = {
    GiftPoints: gift,
    DonatePoints: donate,
    GrantFromPool: grant,
    SendPoints: send,
}
