"""星级与排行 in the reference: who served how long, and what savings branches have to show."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gongyi_bank.arguments import require_flag, require_list
from gongyi_bank.errors import InvalidValue, NotAVolunteer, UnknownCustomer, UnknownOutlet
from gongyi_bank.periods import Period, business_day
from gongyi_bank.policies import OutletStars, PeriodVolunteerStars, PolicyT, VolunteerStars
from gongyi_bank.rules import ratings as rules
from gongyi_bank.rules.outlets import SAVINGS_BRANCH
from gongyi_bank.rules.ratings import OutletIndicators, OutletStanding, ServedMinutes
from gongyi_bank.testing.reference.looking import Look
from gongyi_bank.testing.reference.rows import Stay
from gongyi_bank.testing.reference.summaries import closed_on, counted, counts, is_taken_back
from gongyi_bank.testing.reference.told import Told, tell
from gongyi_bank.values import Points, clean_code, mask_name, parse_account_no

_KINDS: Final = ("volunteer", "organisation", "household")
_SERVICE: Final = "service"


def _period(period: Period | str) -> Period:
    return period if isinstance(period, Period) else Period.parse(period)


def _require_top(top: int | None) -> None:
    if top is not None and (type(top) is not int or top < 1):
        raise InvalidValue.of("top", top, "a whole number from 1, or None for all")


def _policy(look: Look, kind: type[PolicyT], day: dt.date) -> tuple[PolicyT, Told]:
    """The policy in force on a day, and which version it is."""
    policy_id, policy = look.books.policy_book().in_force(kind, day)
    since = next(since for number, since, _ in look.books.policies if number == policy_id)
    version = tell("PolicyVersion", kind=kind.kind, policy_id=policy_id, effective_on=since)
    return policy, version


# --- volunteers ------------------------------------------------------------------------------


def volunteer_stars(look: Look, account: int | str) -> Told:
    """A volunteer's lifetime stars."""
    return explain(look, account)


def explain(look: Look, account: int | str, period: Period | str | None = None) -> Told:
    """Why a volunteer has these stars, for a period or by all verified minutes."""
    number = parse_account_no(account)
    whole = None if period is None else _period(period)
    customer = look.books.customers.get(number)
    if customer is None:
        raise UnknownCustomer(account=number)
    if customer.kind != rules.VOLUNTEER:
        raise NotAVolunteer(account=number, kind=customer.kind)
    if whole is None:
        scheme, version = _policy(
            look, VolunteerStars, business_day(look.moment_of(number), look.books.zone)
        )
        star_hours = scheme.hours
    else:
        rule, version = _policy(look, PeriodVolunteerStars, whole.last_on)
        star_hours = rule.hours_for(whole.kind)
    tallies = _tallies(look, number, whole)
    minutes = sum(one.minutes for one in tallies if one.state in ("credited", "taken_back"))
    return tell(
        "VolunteerRating",
        account=number,
        ref=customer.ref,
        period=whole,
        minutes=minutes,
        stars=rules.count_stars(minutes, star_hours),
        star_hours=star_hours,
        gap_minutes=rules.gap_minutes(minutes, star_hours),
        policy=version,
        tallies=tallies,
    )


def _tallies(look: Look, number: int, span: Period | None) -> tuple[Told, ...]:
    """An account's records by what was decided on them: what counts first."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in look.books.records.get(number, ()):
        state, sign = one.state, 1
        if span is not None:
            is_taken = is_taken_back(one, span)
            is_of_it = span.first_on <= one.value_on <= span.last_on
            if one.kind != _SERVICE or not (is_taken or is_of_it):
                continue
            if is_taken:
                state, sign = "taken_back", -1
            elif counts(one, span):
                state = "credited"
        found.setdefault((one.kind, state), []).append(sign * one.minutes)
    ordered = sorted(found, key=lambda key: (key[1] != "credited", *key))
    return tuple(
        tell("RecordTally", kind=kind, state=state, records=len(minutes), minutes=sum(minutes))
        for kind, state in ordered
        for minutes in [found[kind, state]]
    )


def volunteers_by_stars(look: Look) -> Told:
    """How many volunteers have 0 to 5 lifetime stars."""
    scheme, version = _policy(look, VolunteerStars, business_day(look.now, look.books.zone))
    have = Counter(
        rules.count_stars(_verified(look, number), scheme.hours)
        for number, one in look.books.customers.items()
        if one.kind == rules.VOLUNTEER
    )
    counts_ = tuple(have[stars] for stars in range(rules.STARS_MAX + 1))
    return tell("VolunteersByStars", counts=counts_, policy=version)


def _verified(look: Look, number: int) -> int:
    records = look.books.records.get(number, ())
    return sum(one.minutes for one in records if one.state == "credited")


def volunteer_league(
    look: Look,
    period: Period | str,
    *,
    top: int | None = None,
    kinds: Iterable[str] = (rules.VOLUNTEER,),
    names: bool = False,
) -> Told:
    """Who gave the most credited minutes in a period."""
    whole, wanted = _period(period), tuple(require_list(kinds, field="kinds"))
    _require_top(top)
    require_flag(names, field="names")
    for kind in wanted:
        if kind not in _KINDS:
            raise InvalidValue.of("kinds", kind, f"it is one of {', '.join(_KINDS)}")
    policy, version = _policy(look, PeriodVolunteerStars, whole.last_on)
    star_hours = policy.hours_for(whole.kind)
    minutes: Counter[int] = Counter()
    for record, sign in counted(look, whole):
        if record.kind == _SERVICE:
            minutes[record.account_no] += sign * record.minutes
    customers = look.books.customers
    served = (
        ServedMinutes(account=number, ref=customers[number].ref, kind=customers[number].kind,
                      minutes=total)
        for number, total in minutes.items()
        if total and customers[number].kind in wanted
    )  # fmt: skip
    league = rules.rank_volunteers(served, star_hours)
    shown = league[:top]
    if names:
        shown = tuple(replace(one, name=mask_name(customers[one.account].name)) for one in shown)
    return tell(
        "VolunteerLeague", period=whole, standings=shown, served=len(league), policy=version
    )


# --- savings branches ------------------------------------------------------------------------


def indicators(look: Look, period: Period | str, outlets: Iterable[str] | None = None) -> Told:
    """The five indicators of all savings branches, or of those at and below some outlets."""
    whole = _period(period)
    rows = _rows(look, whole)
    if outlets is not None:
        above = {number: look.books.parent_then(number, whole.last_on)
                 for number in look.books.outlets}  # fmt: skip
        chosen = _chosen(look, outlets)
        top_no = look.books.head_office.outlet_no
        rows = {no: row for no, row in rows.items() if chosen & {no, above[no], top_no}}
    return tell("Indicators", period=whole, rows=tuple(rows.values()))


def _chosen(look: Look, codes: Iterable[str]) -> set[int | None]:
    given = [codes] if isinstance(codes, str) else require_list(codes, field="outlets")
    wanted = [clean_code(code, field="outlets") for code in given]
    found = {code: look.books.outlet(code) for code in wanted}
    for code, outlet in found.items():
        if outlet is None:
            raise UnknownOutlet(outlet=code)
    return {outlet.outlet_no for outlet in found.values() if outlet is not None}


def _rows(look: Look, span: Period) -> dict[int, OutletIndicators]:
    """The figures of every savings branch that was there in the period, by code."""
    found = {}
    for outlet in sorted(look.books.outlets.values(), key=lambda one: one.code):
        stays = [one for one in look.books.stays if one.outlet_no == outlet.outlet_no]
        if outlet.tier == SAVINGS_BRANCH and _was_open(stays, span):
            row = _row(look, outlet.outlet_no, span)
            if stays[0].since_on <= span.last_on or any(row.measures):
                found[outlet.outlet_no] = row
    return found


def _was_open(stays: list[Stay], span: Period) -> bool:
    """Open at the end of a period, or closed no earlier than in it."""
    stay = ([one for one in stays if one.since_on <= span.last_on] or stays[:1])[-1]
    return stay.is_open or stay.since_on >= span.first_on


def _row(look: Look, here: int, span: Period) -> OutletIndicators:
    books, last_on = look.books, span.last_on
    homes = {number: _home(look, number, last_on) for number in books.customers}
    registered = [
        one.account_no
        for one in books.customers.values()
        if homes[one.account_no] == here and one.registered_on <= last_on
        if (gone_on := closed_on(one)) is None or gone_on > last_on
    ]
    services = [(one, sign) for one, sign in counted(look, span)
                if one.outlet_no == here and one.kind == _SERVICE]  # fmt: skip
    given = (one for one in books.redemptions.values() if one.state in ("redeemed", "captured"))
    taken = [(one.account_no, one.points) for one in given if _is_in(one.redeemed_on, span)]
    taken += [(one.account_no, -one.points) for one in books.refunds
              if _is_in(one.refunded_on, span)]  # fmt: skip
    recruited = [one for one in books.stores.values()
                 if one.outlet_no == here and one.is_member_on(last_on)]  # fmt: skip
    return OutletIndicators(
        outlet_code=books.outlets[here].code,
        outlet_name=books.outlets[here].name,
        registered_accounts=len(registered),
        service_minutes=sum(sign * one.minutes for one, sign in services),
        projects=len({one.project for one, sign in services if sign > 0} - {None}),
        points_redeemed=look.points(sum(n for number, n in taken if homes[number] == here)),
        enterprises=len(recruited),
    )


def _is_in(day: dt.date, span: Period) -> bool:
    return span.first_on <= day <= span.last_on


def _home(look: Look, number: int, day: dt.date) -> int | None:
    """Where a customer was registered on a day."""
    begun = [outlet for since_on, outlet in look.books.customers[number].stays if since_on <= day]
    return begun[-1] if begun else None


def _ranked(look: Look, span: Period) -> tuple[tuple[OutletStanding, ...], OutletStars, Told]:
    policy, version = _policy(look, OutletStars, span.last_on)
    return rules.rank_outlets(list(_rows(look, span).values()), policy), policy, version


def outlet_league(look: Look, period: Period | str, *, top: int | None = None) -> Told:
    """Savings branches by the weighted score of their five indicators."""
    whole = _period(period)
    _require_top(top)
    league, policy, version = _ranked(look, whole)
    return tell(
        "OutletLeague",
        period=whole,
        standings=league[:top],
        outlets=len(league),
        score_max=rules.SCORE_MAX * sum(policy.weights),
        policy=version,
    )


def explain_outlet(look: Look, code: str, period: Period | str) -> Told:
    """Why a savings branch has these stars. Raises UnknownOutlet."""
    whole, code = _period(period), clean_code(code, field="code")
    league, policy, version = _ranked(look, whole)
    standing = next((one for one in league if one.indicators.outlet_code == code), None)
    if standing is None:
        raise UnknownOutlet(outlet=code)
    columns = zip(*(_figures(one.indicators) for one in league), strict=True)
    return tell(
        "OutletRating",
        period=whole,
        standing=standing,
        best=tuple(max(column) for column in columns),
        weights=policy.weights,
        outlets=len(league),
        quotas=tuple(
            (stars, rules.star_quota(permille, len(league))) for stars, permille in policy.permilles
        ),
        score_needed=rules.score_needed(standing, league, policy),
        policy=version,
    )


def _figures(row: OutletIndicators) -> tuple[int | Points, ...]:
    return (
        row.registered_accounts, row.service_minutes, row.projects, row.points_redeemed,
        row.enterprises,
    )  # fmt: skip
