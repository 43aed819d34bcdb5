"""What a report of the bank says, told by the reference: its fields under the bank's own names.

The bank's reports live on a floor that does not enter this room. So there is no table of what is
told here, and nothing to print; everything that can be compared is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """A report by its name, and its fields: `told.balance`, `told.lines[0].amount`."""

    report: str
    said: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.said[name]
        except KeyError:
            raise AttributeError(f"{self.report} has no {name}") from None


def tell(report: str, /, **said: Any) -> Told:
    """What a report says."""
    return Told(report, said)
