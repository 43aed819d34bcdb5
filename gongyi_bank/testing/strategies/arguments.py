"""Looking at what only strategies are given: a cast, and strategies for references.

As `gongyi_bank.testing.arguments`: when the strategy is made, not when the first example is drawn.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, currently_in_test_context, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing.arguments import require_kind, require_some
from gongyi_bank.testing.story_builder import Cast
from gongyi_bank.values import clean_code


def require_cast(cast: object) -> Cast:
    """A cast with somebody in it, and somewhere to be served. Raises InvalidValue."""
    reason = "a Cast is needed: story.cast, or SMALL_CAST"
    found = require_kind("cast", cast, Cast, reason)
    require_some("cast.accounts", found.accounts)
    require_some("cast.service_points", found.service_points)
    require_some("cast.categories", found.categories)
    return found


#: For one look at the plainest value of a strategy.
_PLAINEST = settings(
    max_examples=1, database=None, deadline=None, phases=[Phase.generate], derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def refs_of(field: str, given: SearchStrategy[str] | None) -> SearchStrategy[str | None]:
    """A strategy for references that may be left out; None always, if none is given.

    What it draws must be what the bank takes for one; its plainest value is looked at now, the
    others as they are drawn. Raises InvalidValue that names the argument.
    """
    if given is None:
        return st.none()
    if not isinstance(given, SearchStrategy):
        raise InvalidValue.of(field, given, "a strategy is needed, for example codes()")
    _look_at_plainest(field, given)
    return given.map(lambda value: _require_ref(field, value))


def _look_at_plainest(field: str, given: SearchStrategy[str]) -> None:
    is_empty = given.is_empty
    if not is_empty and not currently_in_test_context():  # Hypothesis does not like to be nested.
        try:
            _require_ref(field, find(given, lambda _: True, settings=_PLAINEST))
        except (NoSuchExample, Unsatisfiable):
            is_empty = True
    if is_empty:
        raise InvalidValue.of(field, given, "it draws nothing; take for example codes()")


def _require_ref(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue.of(field, value, "it must draw texts, as codes() does")
    return clean_code(value, field=field, length_max=100)
