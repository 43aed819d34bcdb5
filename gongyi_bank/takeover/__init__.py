"""接管: taking over a district's books from CSV files, through the bank's own desks.

from gongyi_bank.takeover import take_over_story
report = take_over_story(bank, "story")      # bank opened for an administrator
print(report)                                # what was taken over, refused and why
"""

from __future__ import annotations

from gongyi_bank.takeover.chunks import Office
from gongyi_bank.takeover.figures import figures, write_indicators
from gongyi_bank.takeover.report import (
    MonthReport,
    Progress,
    RowProblem,
    StepReport,
    TakeoverReport,
)
from gongyi_bank.takeover.steps import (
    customers,
    offers,
    opening,
    outlets,
    redemptions,
    services,
    stores,
    tariff,
)
from gongyi_bank.takeover.story import (
    Story,
    bank_name,
    found_for_story,
    open_story,
    take_over_story,
)

__all__ = [
    "MonthReport",
    "Office",
    "Progress",
    "RowProblem",
    "StepReport",
    "Story",
    "TakeoverReport",
    "bank_name",
    "customers",
    "figures",
    "found_for_story",
    "offers",
    "open_story",
    "opening",
    "outlets",
    "redemptions",
    "services",
    "stores",
    "take_over_story",
    "tariff",
    "write_indicators",
]
