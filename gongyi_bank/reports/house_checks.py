"""Checks of the house as a whole: the tree of outlets, stock, paired lines, serial counters.

Pure, over rows as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gongyi_bank.reports.faults import Fault
from gongyi_bank.rules.customers import opening_outlet_no
from gongyi_bank.rules.given import Month, Sum
from gongyi_bank.rules.ledger import OUTLET_KINDS, internal_kind, internal_no
from gongyi_bank.store.closings import SERIES as CLOSINGS
from gongyi_bank.store.house import AuditOffer, AuditOutlet
from gongyi_bank.store.outlets import GATE, StoredStay
from gongyi_bank.store.pools import AuditPool
from gongyi_bank.values import format_account_no


def check_outlets(outlets: Iterable[AuditOutlet]) -> list[Fault]:
    """One head office; every other outlet one tier below its parent, and open only under it."""
    by_no = {place.outlet_no: place for place in outlets}
    faults = []
    heads = [place.code for place in by_no.values() if place.tier == 1]
    if len(heads) != 1:
        faults.append(Fault("outlet_head", "总行", ", ".join(heads), "one head office"))
    for place in by_no.values():
        if place.parent_no is None:
            continue
        parent = by_no.get(place.parent_no)
        tier = parent.tier if parent else None
        if tier != place.tier - 1:
            faults.append(_outlet("outlet_tier", place, f"under tier {tier}", place.tier - 1))
        if parent is not None and place.state == "open" and parent.state != "open":
            faults.append(_outlet("outlet_open", place, "open", f"closed like {parent.code}"))
    return faults


def check_stays(outlets: Iterable[AuditOutlet], stays: Iterable[StoredStay]) -> list[Fault]:
    """Every outlet is where and as its newest stay says; they are numbered from 1, by days."""
    places = {place.outlet_no: place for place in outlets}
    by_no: dict[int, list[StoredStay]] = {number: [] for number in places}
    for stay in stays:
        by_no.setdefault(stay.outlet_no, []).append(stay)
    faults = []
    for number, own in by_no.items():
        place = places.get(number)
        where = f"网点 {place.code if place else number}"
        newest = (own[-1].parent_no, own[-1].state) if own else None
        stands = (place.parent_no, place.state) if place else None
        if stands is None or stands != newest:
            found = str(stands or "no outlet")
            faults.append(Fault("outlet_stay", where, found, f"as its newest stay says: {newest}"))
        numbers, days = [stay.stay_no for stay in own], [stay.since_on for stay in own]
        if numbers != list(range(1, len(own) + 1)) or days != sorted(days):
            found = ", ".join(f"{stay.stay_no} ({stay.since_on})" for stay in own)
            faults.append(Fault("outlet_stay", where, found, "one after the other, from 1"))
    return faults


def _outlet(kind: str, place: AuditOutlet, found: str, expected: object) -> Fault:
    return Fault(kind, f"网点 {place.code}", found, str(expected))


def check_offers(offers: Iterable[AuditOffer]) -> list[Fault]:
    """Stock is what its moves add up to; reserved is what reservations hold."""
    faults = []
    for offer in offers:
        where = f"商家 {offer.store_no} 兑换品 {offer.sku}"
        if offer.stock != offer.moved:
            faults.append(Fault("offer_stock", where, str(offer.stock), str(offer.moved)))
        if offer.reserved != offer.held:
            faults.append(Fault("offer_reserved", where, str(offer.reserved), str(offer.held)))
    return faults


def check_pairs(unpaired: Iterable[tuple[int, int, int]]) -> list[Fault]:
    """A line between two accounts has its mirror in the other one, under the same voucher."""
    return [
        Fault(
            "line_pair",
            f"账户 {format_account_no(account_no)} 第 {line_no} 行",
            "no mirror",
            f"a mirror in {format_account_no(other)}",
        )
        for account_no, line_no, other in unpaired
    ]


def check_transit(left: Iterable[tuple[int, bytes, int]]) -> list[Fault]:
    """What a many-legged transfer puts into transit, it takes out under the same voucher."""
    return [
        Fault("transit", f"凭证 {voucher_id.hex()}", str(amount), "0")
        for _, voucher_id, amount in left
    ]


def check_sides(uneven: Iterable[tuple[bytes, int, int]]) -> list[Fault]:
    """Of what one account gave another, a reversal takes as much of either side, and says of as
    much that it has expired."""
    return [
        Fault("part_sides", f"凭证 {voucher_id.hex()}", f"{amount}, {expired} expired", "0, 0")
        for voucher_id, amount, expired in uneven
    ]


def check_given(compared: Iterable[tuple[Month, Sum | None, Sum | None]]) -> Iterator[Fault]:
    """What limits go by is what the lines of the month add up to, less what came back."""
    for (account_no, month_on, kind), found, made in compared:
        if found != made:
            where = f"账户 {format_account_no(account_no)} {month_on} {kind}"
            yield Fault("given_sum", where, _shown(found), _shown(made))


def _shown(found: Sum | None) -> str:
    return "no sum" if found is None else f"{found.points} in {found.acts} acts"


def check_pools(pools: Iterable[AuditPool]) -> list[Fault]:
    """Every pool has its own account at its outlet, with a head, under the number that follows."""
    faults = []
    for pool in pools:
        found = (pool.account_no, pool.account_kind, pool.account_outlet_no, pool.head_no)
        account_no = internal_no("pool", pool.pool_no)
        expected = (account_no, "pool", pool.outlet_no, account_no)
        if found != expected:
            faults.append(Fault("pool", f"积分池 {pool.code}", str(found), str(expected)))
    return faults


def check_detached(detached: Iterable[tuple[int, int]]) -> list[Fault]:
    """A head says what its newest line says."""
    return [
        Fault(
            "head_line",
            f"账户 {format_account_no(account_no)}",
            "another head",
            f"what line {line_no} says, the last",
        )
        for account_no, line_no in detached
    ]


def check_accounts(
    accounts: Iterable[tuple[int, str, int, int | None]], outlets: Iterable[AuditOutlet]
) -> Iterator[Fault]:
    """Every account is what its number says, where it belongs; no outlet lacks one of its own."""
    lacking = {internal_no(kind, o.outlet_no) for o in outlets for kind in OUTLET_KINDS}
    for number, kind, outlet_no, recruited_by_no in accounts:
        named = internal_kind(number) or "customer"
        if named in OUTLET_KINDS:
            place = number - internal_no(named, 0)
        elif named == "customer":
            place = opening_outlet_no(number)
        else:  # A pool's outlet is told by the pool.
            place = outlet_no if named == "pool" else recruited_by_no or 0
        if (kind, outlet_no) != (named, place):
            where = f"账户 {format_account_no(number)}"
            yield Fault("account", where, f"{kind} of {outlet_no}", f"{named} of {place}")
        lacking.discard(number)
    for number in sorted(lacking):
        yield Fault("account", f"账户 {format_account_no(number)}", "no account", "one")


def check_counters(
    counters: Mapping[tuple[str, int], int],
    newest: Mapping[str, int],
    newest_accounts: Mapping[int, int],
) -> list[Fault]:
    """No counter lies behind a number that is in use; passbooks count without check digit.

    Of the outbox it is the last place given: a reader skips what gets one that it has passed.
    Those of closings and of their gate count nothing: their rows are locked, and must be there.
    """
    used = {(series, 0): number for series, number in newest.items()}
    used["passbook", 0] = newest["passbook"] // 10
    used |= {("account", outlet_no): serial for outlet_no, serial in newest_accounts.items()}
    locked = (CLOSINGS, GATE)
    used |= {(series, 0): 0 for series in locked}
    return [
        Fault(
            "serial_counter",
            f"{series} {owner_no}",
            str(counters.get(key, "no counter")),
            f">= {number}",
        )
        for key, number in sorted(used.items())
        for series, owner_no in [key]
        if counters.get(key, -1 if series in locked else 0) < number
    ]
