"""Client processes that race for the same customers and keys and are killed with SIGKILL."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa

from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.store.tables import voucher
from gongyi_bank.values import Points
from tests.district import District

CLIENTS = 4
#: Clients are killed when they have said this much together.
LINES_ENOUGH = 250
SECONDS_MAX = 60.0
#: What a client may be told besides ok: refusals that the rules explain.
EXPECTED = {"ok", "overlap", "insufficient_points", "out_of_stock"}


def test_killed_clients_leave_sound_books_and_every_acknowledged_act_once(
    district: District, tmp_path: Path
) -> None:
    accounts = [str(district.customer(name=f"客户{n}")) for n in range(5)]
    store = NewStore(
        code="P001", name="幸福超市", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    district.bank.stores.recruit(stores=(store,))
    offer = NewOffer(store="P001", sku="S1", name="毛巾", points=Points("0.40"), stock=60)
    district.bank.stores.publish_offers(offers=(offer,))

    logs = [(tmp_path / f"client-{number}.log").open("w") for number in range(CLIENTS)]
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.client", district.url, str(number), *accounts],
            stdout=log,
            cwd=Path(__file__).parents[2],
        )
        for number, log in enumerate(logs)
    ]
    give_up_at = time.monotonic() + SECONDS_MAX
    while _lines_in(logs) < LINES_ENOUGH and time.monotonic() < give_up_at:
        assert all(client.poll() is None for client in clients), "a client ended by itself"
        time.sleep(0.05)
    for client in clients:
        client.kill()
        client.wait()
    for log in logs:
        log.close()

    said = [line.split() for log in logs for line in Path(log.name).read_text().splitlines()]
    said = [words for words in said if len(words) == 2]
    assert {code for code, _ in said} <= EXPECTED
    acknowledged = {key for code, key in said if code == "ok"}
    assert len(acknowledged) >= 40, "too little happened to prove anything"
    with district.bank.engine.connect() as connection:
        keys = connection.scalars(
            sa.select(voucher.c.idempotency_key).where(voucher.c.idempotency_key.is_not(None))
        ).all()
    assert len(keys) == len(set(keys))
    assert acknowledged <= set(keys)
    # At most the last, unacknowledged act of each client is there besides.
    assert len(set(keys) - acknowledged) <= CLIENTS
    assert district.bank.verify().faults == ()


def _lines_in(logs: list[TextIO]) -> int:
    return sum(Path(log.name).read_text().count("\n") for log in logs)
