"""星级与排行: stars of volunteers and savings branches, lifetime and by month, quarter, year.

Read only. A period's ratings are by the policy in force on its last day; a lifetime star is
by the one in force today. What is corrected later changes the figures of its own period:
keeping a closed period's stars as they were is the business of a close.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from gongyi_bank.arguments import require_flag, require_list
from gongyi_bank.errors import InvalidValue, NotAVolunteer, UnknownCustomer, UnknownOutlet
from gongyi_bank.periods import Period, business_day
from gongyi_bank.policies import (
    OutletStars,
    PeriodVolunteerStars,
    PolicyBook,
    PolicyT,
    VolunteerStars,
)
from gongyi_bank.reports.standings import (
    Indicators,
    OutletLeague,
    OutletRating,
    PolicyVersion,
    VolunteerLeague,
    VolunteerRating,
    VolunteersByStars,
)
from gongyi_bank.rules import ratings as rules
from gongyi_bank.rules.ratings import OutletIndicators, OutletStanding, ServedMinutes
from gongyi_bank.store import ratings as store
from gongyi_bank.store.customers import load_names
from gongyi_bank.store.ledger import load_moment
from gongyi_bank.store.outlets import load_outlets
from gongyi_bank.store.policies import load_book, load_stamp
from gongyi_bank.store.ratings import SavingsBranch
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, clean_code, mask_name, parse_account_no

CUSTOMER_KINDS = ("volunteer", "organisation", "household")


def _period(period: Period | str) -> Period:
    return period if isinstance(period, Period) else Period.parse(period)


def _require_top(top: int | None) -> None:
    if top is not None and (type(top) is not int or top < 1):
        raise InvalidValue.of("top", top, "a whole number from 1, or None for all")


def _policy(tx: Transaction, kind: type[PolicyT], day: date) -> tuple[PolicyT, PolicyVersion]:
    book: PolicyBook = load_book(tx, load_stamp(tx))
    policy_id, policy = book.in_force(kind, day)
    days = {known_id: since for known_id, since, _ in book.history(kind.kind)}
    version = PolicyVersion(kind=kind.kind, policy_id=policy_id, effective_on=days[policy_id])
    return policy, version


def _today(tx: Transaction) -> date:
    return business_day(tx.clock(), tx.bank.zone)


# --- volunteers ----------------------------------------------------------------------------


def explain(
    tx: Transaction, account: int | str, period: Period | str | None = None
) -> VolunteerRating:
    """A volunteer's stars for a period, or by all verified minutes, with the records behind."""
    account_no = parse_account_no(account)
    whole = None if period is None else _period(period)
    served = _require_volunteer(tx, account_no)
    tallies = tuple(store.list_tallies(tx, account_no, whole))
    if whole is None:
        today = business_day(load_moment(tx, [account_no]), tx.bank.zone)
        scheme, version = _policy(tx, VolunteerStars, today)
        star_hours, minutes = scheme.hours, served.minutes
    else:
        rule, version = _policy(tx, PeriodVolunteerStars, whole.last_on)
        star_hours = rule.hours_for(whole.kind)
        minutes = sum(tally.minutes for tally in tallies if tally.counts)
    return VolunteerRating(
        account=account_no,
        ref=served.ref,
        period=whole,
        minutes=minutes,
        stars=rules.count_stars(minutes, star_hours),
        star_hours=star_hours,
        gap_minutes=rules.gap_minutes(minutes, star_hours),
        policy=version,
        tallies=tallies,
    )


def _require_volunteer(tx: Transaction, account_no: int) -> ServedMinutes:
    served = store.load_lifetime(tx, account_no)
    if served is None:
        raise UnknownCustomer(account=account_no)
    if served.kind != rules.VOLUNTEER:
        raise NotAVolunteer(account=account_no, kind=served.kind)
    return served


def volunteers_by_stars(tx: Transaction) -> VolunteersByStars:
    """How many volunteers have 0 to 5 lifetime stars; a closed account keeps its own."""
    policy, version = _policy(tx, VolunteerStars, _today(tx))
    total, reached = store.count_reached(tx, [hours * 60 for hours in policy.hours])
    return VolunteersByStars(counts=rules.distribute_stars(total, reached), policy=version)


def volunteer_league(
    tx: Transaction,
    period: Period | str,
    *,
    top: int | None = None,
    kinds: Iterable[str] = (rules.VOLUNTEER,),
    names: bool = False,
) -> VolunteerLeague:
    """Everyone of these kinds who served in the period, ranked by credited minutes."""
    whole, wanted = _period(period), tuple(require_list(kinds, field="kinds"))
    _require_top(top)
    require_flag(names, field="names")
    for kind in wanted:
        if kind not in CUSTOMER_KINDS:
            raise InvalidValue.of("kinds", kind, f"it is one of {', '.join(CUSTOMER_KINDS)}")
    policy, version = _policy(tx, PeriodVolunteerStars, whole.last_on)
    star_hours = policy.hours_for(whole.kind)
    league = rules.rank_volunteers(store.list_served(tx, whole, wanted), star_hours)
    shown = league[:top]
    if names:
        known = load_names(tx, [one.account for one in shown])
        shown = tuple(replace(one, name=mask_name(known.get(one.account, ""))) for one in shown)
    return VolunteerLeague(period=whole, standings=shown, served=len(league), policy=version)


# --- savings branches ----------------------------------------------------------------------


def indicators(
    tx: Transaction, period: Period | str, outlets: Iterable[str] | None = None
) -> Indicators:
    """The five indicators of all savings branches, or of those at and below some outlets.

    Accounts and stores are counted as they stand at the end of the period's last day, the
    other three within it. Customers who moved, and savings branches, count where they were
    on that day. A savings branch that was opened later is in it only with what it took over.
    """
    whole = _period(period)
    branches = store.list_savings_branches(tx, whole)
    if outlets is not None:
        branches = _chosen(tx, branches, outlets)
    return Indicators(period=whole, rows=_count(tx, whole, branches))


def _chosen(
    tx: Transaction, branches: list[SavingsBranch], codes: Iterable[str]
) -> list[SavingsBranch]:
    given = [codes] if isinstance(codes, str) else require_list(codes, field="outlets")
    wanted = [clean_code(code, field="outlets") for code in given]
    found = load_outlets(tx, wanted)
    for code in wanted:
        if code not in found:
            raise UnknownOutlet(outlet=code)
    numbers = {outlet.outlet_no for outlet in found.values()}
    if any(outlet.tier == 1 for outlet in found.values()):
        return branches
    return [one for one in branches if {one.outlet_no, one.parent_no} & numbers]


def _count(
    tx: Transaction, period: Period, branches: list[SavingsBranch]
) -> tuple[OutletIndicators, ...]:
    counted = store.count_indicators(tx, period, [one.outlet_no for one in branches])
    figures = (
        counted.registered, counted.minutes, counted.projects, counted.redeemed,
        counted.enterprises,
    )  # fmt: skip
    scale = tx.bank.scale
    return tuple(
        OutletIndicators(
            outlet_code=one.code,
            outlet_name=one.name,
            registered_accounts=counted.registered.get(one.outlet_no, 0),
            service_minutes=counted.minutes.get(one.outlet_no, 0),
            projects=counted.projects.get(one.outlet_no, 0),
            points_redeemed=Points.of_units(counted.redeemed.get(one.outlet_no, 0), scale),
            enterprises=counted.enterprises.get(one.outlet_no, 0),
        )
        for one in branches
        if one.opened_on <= period.last_on or any(found.get(one.outlet_no) for found in figures)
    )


def _ranked(
    tx: Transaction, period: Period
) -> tuple[tuple[OutletStanding, ...], OutletStars, PolicyVersion]:
    policy, version = _policy(tx, OutletStars, period.last_on)
    return rules.rank_outlets(indicators(tx, period).rows, policy), policy, version


def outlet_league(tx: Transaction, period: Period | str, *, top: int | None = None) -> OutletLeague:
    """All savings branches, ranked by the weighted score of their five indicators."""
    whole = _period(period)
    _require_top(top)
    league, policy, version = _ranked(tx, whole)
    return OutletLeague(
        period=whole,
        standings=league[:top],
        outlets=len(league),
        score_max=rules.SCORE_MAX * sum(policy.weights),
        policy=version,
    )


def explain_outlet(tx: Transaction, code: str, period: Period | str) -> OutletRating:
    """A savings branch's stars for a period: its figures against the best, quotas and gap."""
    whole, code = _period(period), clean_code(code, field="code")
    league, policy, version = _ranked(tx, whole)
    standing = next((one for one in league if one.indicators.outlet_code == code), None)
    if standing is None:
        raise UnknownOutlet(outlet=code)
    return OutletRating(
        period=whole,
        standing=standing,
        best=_best(league),
        weights=policy.weights,
        outlets=len(league),
        quotas=tuple(
            (stars, rules.star_quota(permille, len(league))) for stars, permille in policy.permilles
        ),
        score_needed=rules.score_needed(standing, league, policy),
        policy=version,
    )


def _best(league: tuple[OutletStanding, ...]) -> tuple[Any, ...]:
    rows = [one.indicators for one in league]
    return (
        max(row.registered_accounts for row in rows),
        max(row.service_minutes for row in rows),
        max(row.projects for row in rows),
        max((row.points_redeemed for row in rows), key=Points.to_decimal),
        max(row.enterprises for row in rows),
    )
