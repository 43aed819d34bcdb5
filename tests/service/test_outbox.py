"""The outbox: every voucher, at least once, in an order that no overlap of transactions breaks."""

from __future__ import annotations

import itertools
import os
import random
import threading
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.errors import InvalidValue
from gongyi_bank.service.grouping import Wish, perform_together
from gongyi_bank.store import outbox as store
from tests.district import District
from tests.service.test_statement_counts import statements


def numbers(bank: Bank, consumer: str = "sms", **limits: Any) -> list[int]:
    return [voucher.outbox_no for voucher in bank.outbox.read(consumer, **limits)]


def drain(bank: Bank, consumer: str, size: int = 7) -> list[bytes]:
    """Everything the consumer has not had, page by page, acknowledged as it comes."""
    got = []
    while page := bank.outbox.read(consumer, count_max=size):
        got += [voucher.voucher_id.bytes for voucher in page]
        bank.outbox.acknowledge(consumer, page[-1].outbox_no)
    return got


def service(district: District, account: int, start: str) -> RecordHours:
    row = district.row(account, start, 60)
    fields = {name: getattr(row, name) for name in RecordHours.model_fields if hasattr(row, name)}
    return RecordHours(**fields)


def all_vouchers(bank: Bank) -> set[bytes]:
    with bank.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT voucher_id FROM gb_voucher").all()
    return {bytes(row[0]) for row in rows}


def test_vouchers_come_in_order_until_they_are_acknowledged(district: District) -> None:
    bank = district.bank
    account = district.customer()
    seen = numbers(bank)
    assert seen == list(range(1, len(seen) + 1))
    assert numbers(bank) == seen
    assert bank.outbox.acknowledge("sms", seen[-1]) == seen[-1]
    assert numbers(bank) == []
    district.serve(account, "10-03 08:00", 60)
    (served,) = bank.outbox.read("sms")
    assert (served.outbox_no, served.act, served.outlet) == (seen[-1] + 1, "hours.record", "B01S01")
    assert served.body["receipt"]["account"] == account
    assert numbers(bank, "reports")[: len(seen)] == seen


def test_a_page_is_as_long_as_asked_and_an_old_acknowledgement_does_no_harm(
    district: District,
) -> None:
    bank = district.bank
    assert numbers(bank, count_max=2) == [1, 2]
    bank.outbox.acknowledge("sms", 2)
    assert numbers(bank, count_max=1) == [3]
    assert bank.outbox.acknowledge("sms", 1) == 2 == bank.outbox.position("sms")
    assert bank.outbox.position("nobody-yet") == 0


@pytest.mark.parametrize("count_max", [0, -1, 10_001, True, "7"])
def test_a_page_of_another_size_is_refused(sqlite_district: District, count_max: Any) -> None:
    with pytest.raises(InvalidValue):
        sqlite_district.bank.outbox.read("sms", count_max=count_max)


@pytest.mark.parametrize("through", [-1, 10**9, "1", None])
def test_what_was_never_handed_out_cannot_be_acknowledged(
    sqlite_district: District, through: Any
) -> None:
    sqlite_district.bank.outbox.read("sms")
    with pytest.raises(InvalidValue):
        sqlite_district.bank.outbox.acknowledge("sms", through)


def test_reading_takes_part_in_the_callers_transaction(district: District) -> None:
    bank = district.bank
    with bank.simulate() as counter:
        (first, *_) = counter.outbox.read("sms")
        counter.outbox.acknowledge("sms", first.outbox_no)
        assert counter.outbox.position("sms") == 1
    assert bank.outbox.position("sms") == 0
    assert numbers(bank)[0] == 1


def test_what_commits_late_is_not_skipped(postgresql_tables_url: str) -> None:
    """The voucher that began first and has the smallest id commits last."""
    district = District(postgresql_tables_url)
    bank, account, other = district.bank, district.customer(), district.customer()
    drain(bank, "sms")
    with bank.begin() as counter:
        late = counter.execute(service(district, account, "10-03 08:00")).voucher_id
        early = bank.execute(service(district, other, "10-03 08:00")).voucher_id
        assert drain(bank, "sms") == [early.bytes]
    assert drain(bank, "sms") == [late.bytes]
    district.close()


def test_within_a_moment_the_order_is_that_of_the_acts_the_founding_and_groups_included(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    """Also where chance gives lower bytes every time, and a clock stands still."""
    falling = itertools.chain(range(250, 0, -1), itertools.repeat(0))
    monkeypatch.setattr(os, "urandom", lambda count: bytes([next(falling)]) * count)
    district = District(sqlite_url)
    account = district.customer()
    for hour in (8, 10):
        pair = [service(district, account, f"10-03 {hour + n:02d}:00") for n in (0, 1)]
        with district.bank.begin() as counter:
            perform_together(counter._tx, counter._shelf, [Wish("T1", one) for one in pair])
    found, *_, first, second, third, fourth = district.bank.outbox.read("sms")
    assert found.act == "bank.found"
    served = [voucher.body["receipt"]["line_no"] for voucher in (first, second, third, fourth)]
    assert served == [1, 2, 3, 4]
    district.close()


def test_no_voucher_is_skipped_or_doubled_while_tellers_and_readers_overlap(
    district: District,
) -> None:
    bank = district.bank
    accounts = [district.customer() for _ in range(4)]
    got: dict[str, list[bytes]] = {"sms": [], "reports": []}
    done = threading.Event()

    def serve(number: int) -> None:
        chance = random.Random(number)
        for day in range(1, 13):
            with bank.begin() as counter:
                for hour in range(chance.randint(1, 3)):
                    start = f"10-{day:02d} {8 + hour:02d}:00"
                    counter.execute(service(district, accounts[number], start))

    def listen(consumer: str) -> None:
        while not done.is_set():
            got[consumer] += drain(bank, consumer, size=3)

    tellers = [threading.Thread(target=serve, args=(n,)) for n in range(4)]
    readers = [threading.Thread(target=listen, args=(name,)) for name in got]
    for thread in (*tellers, *readers):
        thread.start()
    for thread in tellers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    for consumer, had in got.items():
        had += drain(bank, consumer)
        assert len(had) == len(set(had))
        assert set(had) == all_vouchers(bank)
    assert got["sms"] == got["reports"]


def test_numbering_costs_the_same_number_of_statements_however_many_wait(
    district: District,
) -> None:
    bank = district.bank
    bank.outbox.read("sms")
    counts = []
    for size in (1, 20):
        for _ in range(size):
            district.customer()
        with statements(bank) as seen:
            bank.keep(lambda tx: store.number_vouchers(tx, 100))
        counts.append(len(seen))
    assert counts[0] == counts[1]


#: What somebody, or a half restored backup, may do to the counter of places.
LOST = {
    "gone": "DELETE FROM gb_serial_counter WHERE series = 'outbox'",
    "behind": "UPDATE gb_serial_counter SET last_no = last_no - 2 WHERE series = 'outbox'",
}
AHEAD = "UPDATE gb_serial_counter SET last_no = last_no + 5 WHERE series = 'outbox'"


def change(bank: Bank, statement: str) -> None:
    with bank.engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1


@pytest.mark.parametrize("how", LOST)
def test_a_lost_counter_is_a_fault_until_places_are_given_again_and_none_twice(
    district: District, how: str
) -> None:
    """A consumer that is further than a place given twice would never see its voucher."""
    bank = district.bank
    had = drain(bank, "sms")
    change(bank, LOST[how])
    (fault,) = bank.verify().faults
    found = "no counter" if how == "gone" else str(len(had) - 2)
    assert (fault.kind, fault.where) == ("serial_counter", "outbox 0")
    assert (fault.found, fault.expected) == (found, f">= {len(had)}")
    made = {district.customer() for _ in range(3)}
    new = bank.outbox.read("sms")
    assert [voucher.outbox_no for voucher in new] == [len(had) + n for n in (1, 2, 3)]
    assert {voucher.body["receipt"]["accounts"][0] for voucher in new} == made
    assert numbers(bank, "reports", count_max=1000) == list(range(1, len(had) + 4))
    assert bank.verify().is_clean


def test_a_counter_that_is_ahead_leaves_a_gap_and_nobody_behind(district: District) -> None:
    bank = district.bank
    had = drain(bank, "sms")
    change(bank, AHEAD)
    assert bank.verify().is_clean
    district.customer()
    assert numbers(bank) == [len(had) + 6]
    assert set(had) < set(drain(bank, "reports")) == all_vouchers(bank)


def test_before_anything_was_read_there_is_no_counter_to_miss(district: District) -> None:
    assert district.bank.verify().is_clean
    with district.bank.engine.connect() as connection:
        asked = "SELECT count(*) FROM gb_serial_counter WHERE series = 'outbox'"
        assert connection.exec_driver_sql(asked).scalar() == 0
