"""How often the lines of an account are cited, in a few bytes for each line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_PAGE: Final = 4096
#: More is not told from this.
_MOST: Final = 255


class Citations:
    """Counts by line number: a byte for each, wherever on the number line they are."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, line_no: int) -> None:
        """Count one more."""
        page, place = divmod(line_no, _PAGE)
        counts = self._pages.setdefault(page, bytearray())
        if not counts:
            counts.extend(bytes(_PAGE))
        counts[place] = min(_MOST, counts[place] + 1)

    def __getitem__(self, line_no: int) -> int:
        page, place = divmod(line_no, _PAGE)
        counts = self._pages.get(page)
        return counts[place] if counts else 0

    def repeated(self) -> Iterator[tuple[int, int]]:
        """(line, times) of those that were counted more than once, in order."""
        for page, counts in sorted(self._pages.items()):
            if max(counts) > 1:
                for place, times in enumerate(counts):
                    if times > 1:
                        yield page * _PAGE + place, times
