"""Two banks in one database, so that a question that forgets its own bank is answered wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gongyi_bank.policies import PointsExpiry
from tests.district import District
from tests.sqlite import SqliteFiles

MONTH = PointsExpiry(mode="months", length=1)


@pytest.fixture(scope="module")
def two_banks(sqlite_server: SqliteFiles) -> Iterator[tuple[District, District]]:
    """A bank and its neighbour, newly founded: points last a month in both.

    Customers of an outlet have the same numbers in both, one after the other.
    """
    with sqlite_server.database_with_tables() as url:
        neighbour = District(url, policies=(MONTH,), bank="隔壁")
        district = District(url, policies=(MONTH,))
        yield district, neighbour
        district.close()
        neighbour.close()
