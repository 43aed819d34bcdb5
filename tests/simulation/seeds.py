"""Seeds that once found something; they stay, and every run of the tests lives them again.

What a seed finds also becomes the smallest example that shows it, in `test_found.py`. A seed's
history changes when the harness or the library asks for other things; the example does not.
"""

from __future__ import annotations

#: Seed and number of acts: what it found.
FOUND: dict[tuple[int, int], str] = {
    (42, 250): "a closing that was only announced closed the month for handles that had looked at"
    " the closings since then, and for no others",
    (
        1020,
        500,
    ): "the refund of goods that had been reserved went by the numbers of its line, not by"
    " the points that the reservation was placed on (tests/regressions)",
}
