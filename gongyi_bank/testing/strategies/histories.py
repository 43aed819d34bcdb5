"""Strategies for whole histories: commands that make sense on a founded district, day after day."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing.arguments import require_range, require_words
from gongyi_bank.testing.histories import Step
from gongyi_bank.testing.story_builder import SMALL_CAST, Cast
from gongyi_bank.testing.strategies.arguments import require_cast
from gongyi_bank.testing.strategies.history_acts import KINDS, label_of
from gongyi_bank.testing.strategies.history_draft import Draft, StepWish

#: A request that came before comes once more, with its key.
_AGAIN = "again"
#: What `histories` knows to let happen, the plainest first; "again" repeats a request.
HISTORY_ACTS = (*(act for act in KINDS if " " not in act), _AGAIN)
#: What a day is made of, and what much else needs to have happened before.
_OFTEN = (
    "hours.record", "redemptions.redeem", "redemptions.reserve", "holds.place",
    "transfers.gift", "passbooks.issue",
)  # fmt: skip
#: Minutes from one step to the next: mostly some, now and then days.
_PAUSES = (0, 1, 30, 600, 1440, 4320, 20 * 1440)
#: How many wishes there are of each act.
_WISHES = len(_PAUSES) * 10 * 10 * 10 * 500


def histories(
    cast: Cast = SMALL_CAST,
    *,
    acts: Iterable[str] | None = None,
    steps_min: int = 0,
    steps_max: int = 20,
) -> SearchStrategy[tuple[Step, ...]]:
    """What may happen in a district, from `cast.begins_at` on: to be lived with `play`.

    In it is what people come to a counter for, and what becomes of it: service recorded, approved,
    refused, corrected and voided, alone and in lists; goods redeemed, reserved, handed over and
    brought back; holds and what ends them; points granted, given, donated, sent and taken back;
    customers who register, move, are frozen, fall asleep and leave; passbooks given out, printed
    in, renewed, lost, found and replaced; stock, rules, sweeps after days or months, and closed
    days; and requests that come twice, with their keys.

    Not in it is what changes the cast itself, since every later step may name it: outlets, staff,
    stores and their lists of goods, pools. Nor taking over old books, which comes before a
    history; nor spoiling and destroying books, and the steps of a closing, which head office does
    by hand. `BankMachine` does those, too.

    `acts` chooses among `HISTORY_ACTS`. What a step is about happens before it, chosen or not: a
    capture has its hold. Whether the points suffice is the bank's to say, so refusals are part
    of it. There are at most `steps_max` steps, and fewer than `steps_min` only where what a step
    needs has no room any more. Shrinks to few and plain steps without pauses. Raises InvalidValue.

    >>> @given(histories(acts=["hours.record", "redemptions.redeem"]))
    """
    wanted = HISTORY_ACTS if acts is None else require_words("acts", acts, HISTORY_ACTS)
    least, most = require_range("steps", steps_min, steps_max, floor=0, ceiling=10_000)
    possible = _possible(wanted, require_cast(cast))
    often = [act for act in possible if act in _OFTEN]
    draws = st.tuples(st.sampled_from((*possible, *often, *often)), st.integers(0, _WISHES - 1))
    lists, begins_at = st.lists(draws, min_size=least, max_size=most), cast.begins_at
    # Not mapped: a failure then shows the steps, and not how they were drawn.
    return lists.flatmap(lambda drawn: st.just(_put_together(Draft(cast, begins_at), drawn, most)))


def _possible(wanted: Iterable[str], cast: Cast) -> tuple[str, ...]:
    """Those of the acts for which the cast has what they need. Raises InvalidValue."""
    found = [act for act in wanted if act == _AGAIN or KINDS[act].is_possible(cast)]
    if not set(found) - {_AGAIN}:
        raise InvalidValue.of("acts", tuple(wanted), "none of them can happen in this cast")
    return tuple(found)


def _put_together(draft: Draft, drawn: list[tuple[str, int]], most: int) -> tuple[Step, ...]:
    for act, number in drawn:
        reached = len(draft.steps), draft.now
        _add(draft, _wish(act, number))
        if len(draft.steps) > most:  # no room for it and for what it needs
            del draft.steps[reached[0] :], draft.acts[reached[0] :]
            draft.now = reached[1]
    return tuple(draft.steps)


def _wish(act: str, number: int) -> StepWish:
    """The wish with this number: one number for all of it, since a step of many draws can
    hardly be left out by a shrinker, which looks for short stretches."""
    number, units = divmod(number, 500)
    number, who = divmod(number, 10)
    number, what = divmod(number, 10)
    pause, back = divmod(number, 10)
    return StepWish(
        act=act, pause=_PAUSES[pause], who=who, what=what, units=units + 1, back=back
    )  # fmt: skip


def _add(draft: Draft, wish: StepWish) -> None:
    """A step, and before it what it needs and what has not happened yet."""
    draft.pass_minutes(wish.pause)
    if wish.act == _AGAIN:
        _repeat(draft, wish)
        return
    kind = KINDS[wish.act]
    if kind.about and draft.newest(0, kind.about) is None:
        first = StepWish(act=kind.about[0], who=wish.who, what=wish.what, units=wish.units)
        _add(draft, first)
    of = draft.newest(wish.back, kind.about) if kind.about else None
    draft.about = None if of is None else draft.steps[of]
    fields = kind.make(draft, wish)
    staff = fields.pop("staff", draft.cast.administrators[0])
    made: type[Command] = fields.pop("command")
    command = made(**fields, idempotency_key=f"step-{len(draft.steps)}")
    draft.steps.append(Step(at=draft.now, staff=staff, command=command, of=of))
    draft.acts.append(label_of(wish.act, command))


def _repeat(draft: Draft, wish: StepWish) -> None:
    """An earlier request, sent once more with its key; nothing if there is none."""
    if draft.steps:
        earlier = draft.steps[-1 - wish.back % len(draft.steps)]
        draft.steps.append(
            Step(at=draft.now, staff=earlier.staff, command=earlier.command, of=earlier.of)
        )
        draft.acts.append(_AGAIN)
