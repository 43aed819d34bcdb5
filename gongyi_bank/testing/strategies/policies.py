"""Strategies for policies: every kind that a district may adopt, within its bounds.

Bounds are read from the models themselves, so a kind or a field that is added is drawn from its
first day on. The plainest policy is the one that ships.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import annotated_types
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.errors import InvalidValue
from gongyi_bank.policies import (
    POLICIES,
    HoldRules,
    OutletStars,
    Policy,
    PolicyT,
    Tariff,
    TariffRate,
)
from gongyi_bank.testing.arguments import require_codes
from gongyi_bank.testing.strategies.amounts import between, points
from gongyi_bank.values import Points

Fields = dict[str, Any]
T = TypeVar("T")
#: No tariff or limit is drawn above it; the models know no bound.
_POINTS_MAX = Points(10_000)


def policies(*kinds: type[PolicyT]) -> SearchStrategy[PolicyT]:
    """Policies of these kinds, or of every kind there is, within the bounds of their fields.

    Ready for `bank.policies.adopt(policy=…, effective_on=…)`; bounds themselves are drawn
    often. Shrinks to the first kind as it ships, so a failure shows only what matters. Raises
    InvalidValue.

    >>> policies(PointsExpiry, HourLimits)
    """
    chosen: tuple[type[Any], ...] = kinds or tuple(POLICIES.values())
    for kind in chosen:
        if kind not in POLICIES.values():
            raise InvalidValue.of("kinds", kind, f"a policy is one of {', '.join(POLICIES)}")
    return st.one_of(*[_policies_of(kind) for kind in chosen])


def tariffs(
    categories: Iterable[str] = ("service", "elder_care", "culture"),
    *,
    points_per_hour_max: Points | str | int = 100,
) -> SearchStrategy[Tariff]:
    """Tariffs that have the first of these categories, and some of the others.

    Rates have up to four decimals, as fine as any bank's. Shrinks to one category for nothing.
    Raises InvalidValue.
    """
    first, *others = require_codes("categories", categories)
    worth = between(0, points_per_hour_max, 4, ("min_value", "points_per_hour_max"))
    more = st.lists(st.sampled_from(others), unique=True) if others else st.just([])

    def rates(codes: list[str]) -> SearchStrategy[Tariff]:
        made = [
            st.builds(TariffRate, category=st.just(code), name=st.just(code), points_per_hour=worth)
            for code in (first, *codes)
        ]
        return st.tuples(*made).map(lambda found: Tariff(rates=found))

    return more.flatmap(rates)


def _policies_of(kind: type[PolicyT]) -> SearchStrategy[PolicyT]:
    if kind is Tariff:
        made: SearchStrategy[Any] = st.one_of(st.just(Tariff()), tariffs())
        return made
    shipped = {name: field.default for name, field in kind.model_fields.items()}
    changes = [
        st.tuples(st.just(name), _of_type(field.annotation, field.metadata))
        for name, field in kind.model_fields.items()
    ]
    agreed = _AGREED.get(kind, dict)
    # What is as it ships is not drawn: a policy among many can be left out if it is short.
    drawn = st.lists(st.one_of(*changes), max_size=len(changes))
    return drawn.map(lambda found: kind(**agreed(shipped | dict(found))))


# --- fields that must agree with each other ------------------------------------------------

_SHARES = ("five_star_permille", "four_star_permille", "three_star_permille", "two_star_permille")
_WEIGHTS = ("accounts", "minutes", "projects", "redeemed", "enterprises")


def _holds_in_order(found: Fields) -> Fields:
    hours, hours_max = sorted((found["hours"], found["hours_max"]))
    return {"hours": hours, "hours_max": hours_max}


def _stars_in_order(found: Fields) -> Fields:
    shares = sorted(found[name] for name in _SHARES)
    weights = {f"{name}_weight": found[f"{name}_weight"] for name in _WEIGHTS}
    if not any(weights.values()):
        weights["minutes_weight"] = 1
    return weights | dict(zip(_SHARES, shares, strict=True))


_AGREED: dict[type[Policy], Callable[[Fields], Fields]] = {
    HoldRules: _holds_in_order,
    OutletStars: _stars_in_order,
}


# --- one field -----------------------------------------------------------------------------


def _of_type(annotation: Any, metadata: Iterable[Any] = ()) -> SearchStrategy[Any]:
    bounds = list(metadata)
    while typing.get_origin(annotation) is typing.Annotated:
        annotation, *more = typing.get_args(annotation)
        bounds += more
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*[_of_type(part, bounds) for part in reversed(parts)])
    if origin is tuple:
        return _tuples(parts[0], bounds)
    if annotation is int:
        low, high = _least(bounds), _most(bounds)
        return st.one_of(st.sampled_from((low, high)), st.integers(low, high))
    plain = {bool: st.booleans(), type(None): st.none(), Points: points("0.01", _POINTS_MAX)}
    if annotation not in plain:
        raise NotImplementedError(f"no strategy for {annotation}: teach it to strategies/policies")
    return plain[annotation]


def _tuples(part: Any, bounds: list[Any]) -> SearchStrategy[tuple[Any, ...]]:
    """Words in any number, or numbers that rise."""
    elements = _of_type(part)
    if typing.get_origin(part) is Literal:
        return st.lists(elements, unique=True).map(tuple)
    least, most = _length(bounds)
    rising = st.lists(elements, unique=True, min_size=least, max_size=most)
    return rising.map(lambda found: tuple(sorted(found)))


def _bound(bounds: list[Any], kind: type[Any], name: str) -> Any:
    for bound in bounds:
        for part in (bound, *getattr(bound, "metadata", ())):
            if isinstance(part, kind):
                return getattr(part, name)
    raise NotImplementedError(f"a field without {name}: give the policy's field a bound")


def _least(bounds: list[Any]) -> int:
    least: int = _bound(bounds, annotated_types.Ge, "ge")
    return least


def _most(bounds: list[Any]) -> int:
    most: int = _bound(bounds, annotated_types.Le, "le")
    return most


def _length(bounds: list[Any]) -> tuple[int, int]:
    return (
        _bound(bounds, annotated_types.MinLen, "min_length"),
        _bound(bounds, annotated_types.MaxLen, "max_length"),
    )
