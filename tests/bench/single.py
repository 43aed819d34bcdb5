"""Single acts: one credit, one redemption; also on a disk, and with a millisecond of network."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from tests.bench.delay import delayed
from tests.bench.figures import Figure, Side, compare, shown, take_turns
from tests.bench.stand import Stand, where
from tests.bench.workload import Workload, by_hand_of

TITLE = "Single acts"
#: The issue's aim is for PostgreSQL; SQLite is measured beside it.
AIMS = {"PostgreSQL": 0.6, "SQLite": None}
AGAINST = {"PostgreSQL": "psycopg, as many round trips", "SQLite": "sqlite3"}
MILLISECOND = 0.001


def measure(stand: Stand) -> Iterator[Figure]:
    """On every engine and size, then over a slow network."""
    for engine in AIMS:
        for lines in stand.sizes:
            with stand.bank(engine, stand.customers(8000), lines) as load:
                rounds = stand.rounds(300)
                yield from acts(load, load.bank, load.hand, engine, rounds, where(engine, lines))
                if engine == "PostgreSQL" and lines == stand.sizes[-1]:
                    yield statements(load)
                    yield from on_disk(stand, load)
                    yield from far_away(stand, load)


def acts(
    load: Workload, bank: Bank, hand: object, engine: str, rounds: int, place: str
) -> Iterator[Figure]:
    """A credit and a redemption."""
    teller, accounts = bank.acting_as("T1"), itertools.cycle(load.accounts)
    outlet_no = load.frame.places["B01S01"]

    def make() -> dict[str, object]:
        return load.services(1)[0]

    credits_ = compare(
        Side(lambda given: teller.hours.record(**given), make),
        Side(lambda given: hand.credit([given], load.frame, "hours.record"), make),  # type: ignore[attr-defined]
        rounds,
    )
    yield credits_.faster("single credit", place, AGAINST[engine], AIMS[engine])

    def redeem_by_hand(account: int) -> None:
        hand.redeem(account, 1, "S0", outlet_no, load.frame)  # type: ignore[attr-defined]

    _give_everybody_points(load)
    redeemed = compare(
        Side(lambda given: bank.redemptions.redeem(account=given, store="P001", sku="S0"),
             lambda: next(accounts)),
        Side(redeem_by_hand, lambda: next(accounts)),
        rounds,
    )  # fmt: skip
    yield redeemed.faster("single redemption", place, AGAINST[engine], AIMS[engine])


def _give_everybody_points(load: Workload) -> None:
    for _ in range(0, len(load.accounts), 4000):
        load.hand.credit(load.services(4000), load.frame)


def statements(load: Workload) -> Figure:
    """Round trips of a credit and of a redemption, besides BEGIN and COMMIT."""
    seen: list[str] = []

    def note(_: object, __: object, sql: str, *rest: object) -> None:
        seen.append(sql)

    counts = []
    sa.event.listen(load.bank.engine, "before_cursor_execute", note)
    try:
        load.teller.hours.record(**load.services(1)[0])
        counts.append(len(seen))
        load.bank.redemptions.redeem(account=load.accounts[0], store="P001", sku="S0")
        counts.append(len(seen) - counts[0])
    finally:
        sa.event.remove(load.bank.engine, "before_cursor_execute", note)
    found = f"{counts[0]} for a credit, {counts[1]} for a redemption"
    aim = "≤ 3 besides BEGIN and COMMIT"
    return Figure("statements of a single act", "PostgreSQL", found, aim=aim,
                  is_met=max(counts) <= 3)  # fmt: skip


def on_disk(stand: Stand, load: Workload) -> Iterator[Figure]:
    """The same acts with the settings that a bank is opened with: COMMIT waits for the disk."""
    place = f"{where('PostgreSQL', load.lines)}, fsync on"
    with stand.server.durable():
        rounds = stand.rounds(150)
        yield from acts(load, load.bank, load.hand, "PostgreSQL", rounds, place)


def far_away(stand: Stand, load: Workload) -> Iterator[Figure]:
    """The same acts through a proxy that holds every packet for a millisecond."""
    with delayed(load.url, MILLISECOND) as url:
        bank = Bank.open(url, staff="admin", clock=load.district.clock, unsafe_settings="allow")
        hand = by_hand_of(url)
        try:
            near, far = take_turns(
                (Side(lambda _: load.hand.connection.execute("SELECT 1")),
                 Side(lambda _: hand.connection.execute("SELECT 1"))),
                stand.rounds(50),
            )  # fmt: skip
            added = statistics.median(far) - statistics.median(near)
            stand.notes.append(
                f"The proxy for “1 ms each way” added {shown(added)} to a round trip,"
                " measured with SELECT 1."
            )
            place = f"{where('PostgreSQL', load.lines)}, 1 ms each way"
            yield from acts(load, bank, hand, "PostgreSQL", stand.rounds(60), place)
        finally:
            hand.close()
            bank.close()
