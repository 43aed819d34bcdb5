"""Several questions as one statement of plain SQL, whose rows say first which of them they answer.

For engines whose JSON would not give the answers back as they are: SQLite's knows no bytes,
MariaDB's is cut off at a limit that is the session's.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from gongyi_bank.store.engines.base import Fusion
from gongyi_bank.store.writing import Row

#: Values of one kind may stand in one column of a UNION, since its type is common to them.
KindOf = Callable[[Any], Hashable]
#: How a column of a question is named to the UNION: its name and its type.
Cell = Callable[[str, Any], str]


def _as_it_is(name: str, _: Any) -> str:
    return name


def united(
    selects: Sequence[tuple[str, int, Sequence[Any]]],
    converters: Callable[[Sequence[Any]], list[tuple[int, Any]]],
    *,
    kind_of: KindOf,
    cell: Cell = _as_it_is,
) -> Fusion:
    """The selects with UNION ALL between them; their parameters are given one after the other.

    None of them may count on its ORDER BY: whoever asks several things sorts the answers.
    """
    all_places = _places([types for _, _, types in selects], kind_of)
    width = 1 + max(max(places) for places in all_places)
    named, parts = [], []
    for number, ((select, _, types), places) in enumerate(zip(selects, all_places, strict=True)):
        names = [f"c{i}" for i in range(len(types))]
        named.append(f"q{number}({', '.join(names)}) AS ({select})")
        cells = [str(number), *["NULL"] * (width - 1)]
        for name, kind, place in zip(names, types, places, strict=True):
            cells[place] = cell(name, kind)
        parts.append(f"SELECT {', '.join(cells)} FROM q{number}")  # noqa: S608
    sql = f"WITH {', '.join(named)} {' UNION ALL '.join(parts)}"
    picks = [_pick(places) for places in all_places]

    def split(rows: Sequence[Row]) -> list[list[Row]]:
        found: list[list[Row]] = [[] for _ in picks]
        for row in rows:
            number = row[0]
            found[number].append(picks[number](row))
        return found

    return Fusion(sql, split, [converters(types) for _, _, types in selects])


def _places(all_types: Sequence[Sequence[Any]], kind_of: KindOf) -> list[list[int]]:
    """For each question where its columns stand in a row, which the question's number leads."""
    known: dict[tuple[Hashable, int], int] = {}
    found = []
    for types in all_types:
        used: Counter[Hashable] = Counter()
        places = []
        for kind in map(kind_of, types):
            places.append(known.setdefault((kind, used[kind]), len(known) + 1))
            used[kind] += 1
        found.append(places)
    return found


def _pick(places: Sequence[int]) -> Callable[[Row], Row]:
    """What takes a question's own values out of a row."""
    if len(places) == 1:
        (only,) = places
        return lambda row: (row[only],)
    return operator.itemgetter(*places)
