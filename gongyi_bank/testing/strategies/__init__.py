"""Hypothesis strategies for tests of services that keep points: import them from here.

>>> from gongyi_bank.testing import strategies as gb
>>> @given(gb.histories())

All of them look at their arguments when they are made and say which one is wrong
(`InvalidValue`). All of them shrink to the plainest example there is.
"""

from __future__ import annotations

from gongyi_bank.testing.strategies.amounts import bad_amounts, points
from gongyi_bank.testing.strategies.histories import HISTORY_ACTS, histories
from gongyi_bank.testing.strategies.house import (
    account_numbers,
    codes,
    outlet_trees,
    passbook_numbers,
)
from gongyi_bank.testing.strategies.people import (
    customers,
    identity_numbers,
    names,
    phone_numbers,
    wrong_identity_numbers,
)
from gongyi_bank.testing.strategies.policies import policies, tariffs
from gongyi_bank.testing.strategies.services import (
    SERVICE_COLUMNS,
    SERVICE_FAULTS,
    BadRow,
    bad_service_cells,
    bad_service_rows,
    csv_text,
    service_cells,
    service_rows,
)
from gongyi_bank.testing.strategies.stores import (
    offers,
    redemption_requests,
    redemption_rows,
    stores,
)

__all__ = [
    "BadRow",
    "HISTORY_ACTS",
    "SERVICE_COLUMNS",
    "SERVICE_FAULTS",
    "account_numbers",
    "bad_amounts",
    "bad_service_cells",
    "bad_service_rows",
    "codes",
    "csv_text",
    "customers",
    "histories",
    "identity_numbers",
    "names",
    "offers",
    "outlet_trees",
    "passbook_numbers",
    "phone_numbers",
    "points",
    "policies",
    "redemption_requests",
    "redemption_rows",
    "service_cells",
    "service_rows",
    "stores",
    "tariffs",
    "wrong_identity_numbers",
]
