"""Seeds that once found something; they stay, and every run of the tests lives them again.

What a seed finds also becomes the smallest example that shows it, in `test_found.py`. A seed's
history changes when the harness asks for other things; the example does not.
"""

from __future__ import annotations

#: Seed and number of acts: what it found.
FOUND: dict[tuple[int, int], str] = {
    (1, 300): "a block in a caller's transaction that an earlier block had lost raised"
    " SQLAlchemy's PendingRollbackError instead of RetryTransaction",
    (1, 100): "a driver's error that came while rows were fetched left as it was",
}
