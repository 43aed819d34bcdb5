"""Ratings as people see them: frozen results that show themselves as tables.

Nothing is read or decided here. Names are personal: they are shown masked, and only where
they were asked for; an account number and the sender's reference say who is meant.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gongyi_bank import display
from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.periods import Period
from gongyi_bank.reports.words import RECORD_STATES
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.ratings import OutletIndicators, OutletStanding, VolunteerStanding
from gongyi_bank.store.ratings import RecordTally
from gongyi_bank.values import format_account_no, format_minutes

_BAR_WIDTH = 16
_KINDS = {"service": "服务", "opening": "期初"}
_INDICATORS = (
    Column("registered_accounts", "注册账户", "Accounts", "right"),
    Column("service_minutes", "服务分钟", "Minutes", "right"),
    Column("projects", "项目总数", "Projects", "right"),
    Column("points_redeemed", "兑换总额", "Redeemed", "right"),
    Column("enterprises", "吸纳企业", "Enterprises", "right"),
)
_INDICATOR_WORDS = {one.title_zh: (one.title_zh, one.title_en) for one in _INDICATORS}
_OUTLET = Column("outlet_code", "储蓄所", "Savings branch")
_OUTLET_NAME = Column("outlet_name", "名称", "Name")
_RANK = Column("rank", "名次", "Rank", "right")
_STARS = Column("stars", "星级", "Stars")
_CHART = Column("chart", "", "")


def score_text(score: int) -> Decimal:
    """A score out of 100 (with weights that sum to 100): 83250 is 83.250."""
    return Decimal(score).scaleb(-3)


def _measures(row: OutletIndicators) -> tuple[Any, ...]:
    return tuple(getattr(row, column.key) for column in _INDICATORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """Which version of a rule decided."""

    kind: str
    policy_id: int
    #: In force from this day on.
    effective_on: dt.date

    def __str__(self) -> str:
        since = "" if self.effective_on == EARLIEST else f"，自 {self.effective_on} 起施行"
        return f"依据规则 {self.kind} 第 {self.policy_id} 号{since}"

    def in_english(self) -> str:
        """The same in English."""
        since = "" if self.effective_on == EARLIEST else f", in force from {self.effective_on}"
        return f"by the policy {self.kind}, no. {self.policy_id}{since}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerRating(Shown):
    """志愿者星级: one volunteer's stars, lifetime or for a period, and why."""

    account: int
    ref: str | None
    #: None: by all verified minutes there are, the hours taken over included.
    period: Period | None
    #: What the stars go by.
    minutes: int
    stars: int
    #: Hours for one star, two stars and so on; reaching one is enough.
    star_hours: tuple[int, ...]
    #: Minutes to the next star; None where there is none above.
    gap_minutes: int | None
    policy: PolicyVersion
    #: Records that count and records that do not, by what was decided on them.
    tallies: tuple[RecordTally, ...] = ()

    @property
    def excluded(self) -> tuple[RecordTally, ...]:
        """The records that do not count: waiting, refused, voided."""
        return tuple(tally for tally in self.tallies if not tally.counts)

    def to_table(self) -> Table:
        """One row per star, with what is missing to it."""
        rows = []
        for star, hours in enumerate(self.star_hours, start=1):
            missing = max(hours * 60 - self.minutes, 0)
            gap = format_minutes(missing) if missing else None
            rows.append((display.stars(star), hours, not missing, gap))
        scheme = f"{self.period} 服务时长" if self.period else "累计服务时长"
        scheme_en = f"service in {self.period}" if self.period else "service to date"
        who = format_account_no(self.account) + (f"（{self.ref}）" if self.ref else "")
        return Table(
            title=f"{who} {display.stars(self.stars)} {scheme} {format_minutes(self.minutes)}",
            title_en=f"{who.replace('（', ' (').replace('）', ')')} {display.stars(self.stars)} "
            f"{scheme_en}: {format_minutes(self.minutes, 'en')}",
            columns=(
                _STARS,
                Column("hours", "需小时数", "Hours", "right"),
                Column("reached", "达到", "Reached", "center"),
                Column("gap", "尚差", "Gap", "right"),
            ),
            rows=tuple(rows),
            notes=(*map(_tally_note, self.tallies), str(self.policy)),
            notes_en=(*map(_tally_note_en, self.tallies), self.policy.in_english()),
        )


def _tally_note(tally: RecordTally) -> str:
    verdict = "" if tally.counts else "，不计入"
    what = f"{_KINDS.get(tally.kind, tally.kind)}记录 {tally.records} 条"
    state = RECORD_STATES.get(tally.state, (tally.state,))[0]
    return f"{what}，{format_minutes(tally.minutes)}：{state}{verdict}"


def _tally_note_en(tally: RecordTally) -> str:
    verdict = "" if tally.counts else ", not counted"
    state = RECORD_STATES.get(tally.state, (tally.state, tally.state))[1]
    time = format_minutes(tally.minutes, "en")
    return f"{tally.records} {tally.kind} records, {time}: {state}{verdict}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolunteersByStars(Shown, Mapping[int, int]):
    """How many volunteers have 0, 1 … 5 stars; reads like a dict with the keys 0 to 5."""

    #: Beginning with those without a star.
    counts: tuple[int, ...]
    policy: PolicyVersion

    def __getitem__(self, stars: int) -> int:
        if stars not in range(len(self.counts)):
            raise KeyError(stars)
        return self.counts[stars]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.counts)))

    def __len__(self) -> int:
        return len(self.counts)

    def to_table(self) -> Table:
        """One row per number of stars, the most first."""
        return Table(
            title="志愿者星级分布",
            title_en="Volunteers by stars",
            columns=(_STARS, Column("volunteers", "人数", "Volunteers", "right"), _CHART),
            rows=tuple(
                (display.stars(star), self[star], _bar(self[star], max(self.counts)))
                for star in reversed(self)
            ),
            notes=(f"共 {sum(self.counts)} 名志愿者", str(self.policy)),
            notes_en=(f"{sum(self.counts)} volunteers in all", self.policy.in_english()),
        )

    def __reversed__(self) -> Iterator[int]:
        return reversed(range(len(self.counts)))

    def to_plain_table(self) -> Table:
        """Stars and counts as numbers."""
        columns = (_STARS, Column("volunteers", "人数", "Volunteers", "right"))
        return Table(
            title="志愿者星级分布",
            title_en="Volunteers by stars",
            columns=columns,
            rows=tuple(self.items()),
        )


def _bar(value: int, maximum: int) -> str:
    return display.bar(value, maximum, _BAR_WIDTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators(Shown):
    """五项指标: what each savings branch did in a period, by code."""

    period: Period
    rows: tuple[OutletIndicators, ...]

    def to_table(self) -> Table:
        """One row per savings branch."""
        return Table(
            title=f"储蓄所五项指标 {self.period}",
            title_en=f"Five indicators of the savings branches, {self.period}",
            columns=(_OUTLET, _OUTLET_NAME, *_INDICATORS),
            rows=tuple((row.outlet_code, row.outlet_name, *_measures(row)) for row in self.rows),
        )

    def to_csv(self) -> str:
        """The code and the five figures of every savings branch as CSV, with a header."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(column.key for column in (_OUTLET, *_INDICATORS))
        writer.writerows((row.outlet_code, *_measures(row)) for row in self.rows)
        return text.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerLeague(Shown):
    """志愿者排行: who gave how many minutes in a period; equal minutes share a rank."""

    period: Period
    #: The most minutes first.
    standings: tuple[VolunteerStanding, ...]
    #: How many served in the period, also where only the top is shown.
    served: int
    policy: PolicyVersion

    def _table(self, with_pictures: bool) -> Table:
        named = any(one.name is not None for one in self.standings)
        most = max((one.minutes for one in self.standings), default=0)
        rows = []
        for one in self.standings:
            name = (one.name,) if named else ()
            row = (one.rank, format_account_no(one.account), one.ref, *name, one.minutes)
            if with_pictures:
                rows.append((*row, _bar(one.minutes, most), display.stars(one.stars)))
            else:
                rows.append((*row, one.stars))
        return Table(
            title=f"志愿者排行 {self.period}",
            title_en=f"Volunteer league {self.period}",
            columns=(
                _RANK,
                Column("account", "账号", "Account"),
                Column("ref", "编号", "Reference"),
                *([Column("name", "姓名", "Name")] if named else []),
                Column("minutes", "服务分钟", "Minutes", "right"),
                *([_CHART] if with_pictures else []),
                _STARS,
            ),
            rows=tuple(rows),
            notes=(f"期内共 {self.served} 名参加服务", str(self.policy)),
            notes_en=(f"{self.served} served in the period", self.policy.in_english()),
        )

    def to_table(self) -> Table:
        """One row per volunteer, with a bar and stars."""
        return self._table(with_pictures=True)

    def to_plain_table(self) -> Table:
        """The same with the stars as a number."""
        return self._table(with_pictures=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletLeague(Shown):
    """储蓄所排行: savings branches by their weighted score; equal scores share a rank."""

    period: Period
    #: The highest score first.
    standings: tuple[OutletStanding, ...]
    #: How many savings branches were compared, also where only the top is shown.
    outlets: int
    #: A branch that is the best in everything has this score.
    score_max: int
    policy: PolicyVersion

    def _table(self, with_pictures: bool) -> Table:
        rows = []
        for one in self.standings:
            facts = one.indicators
            row = (
                one.rank, facts.outlet_code, facts.outlet_name, *_measures(facts),
                score_text(one.score),
            )  # fmt: skip
            if with_pictures:
                row += (_bar(one.score, self.score_max), display.stars(one.stars))
            else:
                row += (one.stars,)
            rows.append(row)
        score = Column("score", "得分", "Score", "right")
        chart = [_CHART] if with_pictures else []
        return Table(
            title=f"储蓄所排行 {self.period}",
            title_en=f"Savings branch league {self.period}",
            columns=(_RANK, _OUTLET, _OUTLET_NAME, *_INDICATORS, score, *chart, _STARS),
            rows=tuple(rows),
            notes=(
                f"共 {self.outlets} 个储蓄所参评；满分 {score_text(self.score_max)}；"
                "各项按最高者折算，并列者同星",
                str(self.policy),
            ),
            notes_en=(
                f"{self.outlets} savings branches compared; full score "
                f"{score_text(self.score_max)}; each figure by the highest, equals share stars",
                self.policy.in_english(),
            ),
        )

    def to_table(self) -> Table:
        """One row per savings branch, with a bar and stars."""
        return self._table(with_pictures=True)

    def to_plain_table(self) -> Table:
        """The same with the stars as a number."""
        return self._table(with_pictures=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletRating(Shown):
    """储蓄所星级: one savings branch's stars for a period, and why."""

    period: Period
    standing: OutletStanding
    #: The best figures of any branch, in the order of the indicators.
    best: tuple[Any, ...]
    weights: tuple[int, ...]
    #: How many branches were compared.
    outlets: int
    #: (stars, how many branches may have at least so many), the most stars first.
    quotas: tuple[tuple[int, int], ...]
    #: The least score for one star more while the others stay as they are; None without one.
    score_needed: int | None
    policy: PolicyVersion

    @property
    def gap(self) -> int | None:
        """The score missing to the next star, in the unit of `standing.score`."""
        return None if self.score_needed is None else self.score_needed - self.standing.score

    def to_table(self) -> Table:
        """One row per indicator: own figure, the best one, score and weight."""
        one = self.standing
        figures = zip(
            _INDICATORS, _measures(one.indicators), self.best, one.scores, self.weights, strict=True
        )
        quotas = "，".join(f"{stars} 星 {quota} 个" for stars, quota in self.quotas)
        gap = (
            f"其他储蓄所不变时，再得 {score_text(self.gap)} 分可升一星"
            if self.gap is not None
            else "没有更高的星级可评"
        )
        quotas_en = ", ".join(f"{stars} stars {quota}" for stars, quota in self.quotas)
        gap_en = (
            f"with {score_text(self.gap)} more, the others unchanged, one star more"
            if self.gap is not None
            else "there is no higher star to reach"
        )
        place = f"{one.indicators.outlet_code} {one.indicators.outlet_name} {self.period}"
        return Table(
            title=(
                f"{place} {display.stars(one.stars)} 第 {one.rank} 名，得分 {score_text(one.score)}"
            ),
            title_en=(
                f"{place} {display.stars(one.stars)} rank {one.rank}, score {score_text(one.score)}"
            ),
            columns=(
                Column("indicator", "指标", "Indicator", words=_INDICATOR_WORDS),
                Column("figure", "本所", "Own", "right"),
                Column("best", "最高", "Best", "right"),
                Column("score", "千分比", "Thousandths", "right"),
                Column("weight", "权重", "Weight", "right"),
            ),
            rows=tuple(
                (column.title_zh, own, top, score, weight)
                for column, own, top, score, weight in figures
            ),
            notes=(f"共 {self.outlets} 个参评，累计名额：{quotas}", gap, str(self.policy)),
            notes_en=(
                f"{self.outlets} compared; at most, counted from above: {quotas_en}",
                gap_en,
                self.policy.in_english(),
            ),
        )
