"""A server that is shut down in order, as for a restart that was planned: nobody is misled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import RetryTransaction
from gongyi_bank.store.tables import account_head
from gongyi_bank.values import Points
from tests import mariadb
from tests.district import District
from tests.faults.servers import Server, running_server
from tests.mysqld import MariadbMissing
from tests.waiting import SECONDS_MAX, wait_for_lock


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_an_act_that_a_shutdown_meets_is_to_be_tried_again_and_then_goes_through(
    engine: str,
) -> None:
    """MySQL says 1053 to it, where MariaDB and PostgreSQL drop the connection."""
    try:
        with running_server(engine) as server:
            server.make_database()
            district = District(server.url())
            bank, account = district.bank, district.customer()
            row: dict[str, Any] = {
                "account": account, "points": Points(1), "reason": "x", "second_person": "K1b",
                "outlet": "B01", "idempotency_key": "K1",
            }  # fmt: skip
            assert isinstance(_met_by_a_shutdown(server, district, row), RetryTransaction)
            server.start()
            district.acting("K1").points.grant(**row)
            assert bank.reports.balance(account) == Points(1)
            assert bank.verify().is_clean
            district.close()
    except MariadbMissing:
        pytest.skip(mariadb.ABSENT)


def _met_by_a_shutdown(
    server: Server, district: District, row: dict[str, Any]
) -> BaseException | None:
    """What a grant is told that waits for its account while the server is shut down."""
    bank = district.bank

    def grant() -> None:
        with bank.begin(staff="K1") as counter:  # which never tries again by itself
            counter.points.grant(**row)

    head = sa.select(account_head.c.line_no).where(
        account_head.c.bank_id == 1, account_head.c.account_no == row["account"]
    )
    with ThreadPoolExecutor(1) as pool, bank.engine.connect() as holder:
        holder.execute(head.with_for_update()).all()
        future = pool.submit(grant)
        wait_for_lock(bank, future)
        server.shut_down()
        holder.invalidate()
        return future.exception(SECONDS_MAX)
