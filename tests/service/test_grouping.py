"""A group of acts leaves the same books and gives the same answers as the acts one by one."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from gongyi_bank.bank import Counter
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.redemptions import Redeem, Reserve
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.service.grouping import Outcome, Wish, perform_together
from gongyi_bank.service.together import Apart
from gongyi_bank.store import tables
from gongyi_bank.values import Points, compose_account_no
from tests.district import District, at
from tests.service.test_redemptions import saver
from tests.service.test_statement_counts import statements
from tests.service.test_stores import a_shop, new_offer, new_store

NOBODY = compose_account_no(1003, 9_999_999)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}")
#: What every run makes anew.
_CHANGING = re.compile("voucher_id$|_hash$|^redemption_id$|^hold_id$|^part_of$")
_BOOKS = (
    "voucher", "account_line", "account_head", "internal_move", "hour_record", "redemption",
    "hold", "hold_event", "offer", "stock_move",
)  # fmt: skip


def books(connection: sa.Connection) -> dict[str, list[str]]:
    """Every row of the books, without ids and hashes."""
    found = {}
    for name in _BOOKS:
        table = getattr(tables, name)
        columns = [c for c in table.columns if not _CHANGING.search(c.name)]
        rows = connection.execute(sa.select(*columns)).all()
        found[name] = sorted(_ID.sub("…", repr(tuple(row))) for row in rows)
    return found


def told(answer: Any) -> Any:
    """An answer without the ids that every run makes anew."""
    if isinstance(answer, GongyiBankError):
        return answer
    return json.loads(_ID.sub("…", json.dumps(answer.to_json(), default=str)))


def alone(counter: Counter, wish: Wish) -> Any:
    try:
        return Counter(counter._tx, wish.staff, counter._shelf).execute(wish.command)
    except GongyiBankError as error:
        return error


def together(counter: Counter, wishes: list[Wish]) -> list[Any]:
    """The answers of a group: those that it leaves, or all if it refuses, are done alone."""
    try:
        outcomes = perform_together(counter._tx, counter._shelf, wishes)
    except Apart:
        return [alone(counter, wish) for wish in wishes]
    return [
        outcome.receipt or outcome.error or alone(counter, wish)
        for outcome, wish in zip(outcomes, wishes, strict=True)
    ]


def undone(district: District, run: Callable[[Counter], Any]) -> tuple[Any, Any]:
    """What the run returned and the books that it made, all of it rolled back again."""
    with district.bank.engine.connect() as connection, connection.begin() as attempt:
        with district.bank.within(connection) as counter:
            result = run(counter)
        made = books(connection)
        attempt.rollback()
    return result, made


def compare(district: District, wishes: list[Wish]) -> list[Any]:
    answers, grouped = undone(district, lambda counter: together(counter, wishes))
    singles, one_by_one = undone(district, lambda counter: [alone(counter, w) for w in wishes])
    assert grouped == one_by_one
    assert [told(answer) for answer in answers] == [told(answer) for answer in singles]
    return answers


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The first much more often than each of the others."""
    return st.sampled_from([usual] * (2 + 3 * len(others)) + [*others])


def keys_and_refs(act: str) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "idempotency_key": mostly(None, "K", f"K-{act}", "OLD"),
        "ref": mostly(None, "R", f"OLD-{act}"),
    }


def commands(accounts: list[int]) -> st.SearchStrategy[Command]:
    account = st.sampled_from([*accounts * 6, NOBODY])
    goods = {
        "account": account,
        "store": mostly("P1", "P2", "P9"),
        "sku": mostly("A", "B", "C", "X"),
        "quantity": mostly(1, 2, 99),
    }
    service = {
        "account": account,
        "category": mostly("sanitation", "nothing"),
        "started_at": st.sampled_from([at(f"10-0{day} 08:00") for day in range(4, 9)]),
        "ended_at": st.sampled_from([at(f"10-0{day} {hour}:00") for day in range(4, 9)
                                     for hour in ("09", "17")]),
        "outlet": mostly("B01S01", "B02S01"),
        "recorded_by": st.just("T1"),
        "checked_by": mostly("K1", "T3"),
    }  # fmt: skip
    day = mostly(None, dt.date(2022, 10, 14))
    return st.one_of(
        st.builds(Redeem, redeemed_on=day, **goods, **keys_and_refs("redeem")),
        st.builds(Reserve, **goods, **keys_and_refs("reserve")),
        st.builds(RecordHours, **service, **keys_and_refs("record")),
    )


def wishes_of(accounts: list[int]) -> st.SearchStrategy[list[Wish]]:
    staff = mostly("T1", "K1", "IMP", "CLERK", "T3", "AUD", "NONE")
    wish = st.builds(Wish, staff=staff, command=commands(accounts))
    # Where nobody named is known, nothing is done together.
    return st.lists(wish, max_size=12).filter(lambda found: {w.staff for w in found} - {"NONE"})


def prepared(district: District) -> list[int]:
    """Two savers, a shop with little stock, a clerk of it, and acts under keys and references."""
    a_shop(district, *(new_offer(sku=sku, stock=stock) for sku, stock in (("A", 12), ("B", 1))))
    district.bank.stores.publish_offers(offers=[new_offer(sku="C", stock=9, points=Points("3"))])
    clerk = Appointment(code="CLERK", role="store_clerk", outlet="B01S01", store="P1")
    importer = Appointment(code="IMP", role="service_account", outlet="H")
    district.bank.staff.appoint(appointments=[clerk, importer])
    stores = [new_store("P2", joined_on=dt.date(2022, 1, 1))]
    district.bank.stores.recruit(stores=stores)
    district.bank.stores.publish_offers(offers=[new_offer("P2", "A", stock=9)])
    district.bank.stores.leave(store="P2", reason="歇业")
    accounts = [saver(district, 300), saver(district, 300)]
    desk = district.bank.redemptions
    desk.redeem(account=accounts[0], store="P1", sku="A", ref="OLD-redeem")
    desk.reserve(account=accounts[0], store="P1", sku="A", ref="OLD-reserve")
    desk.redeem(account=accounts[1], store="P1", sku="A", idempotency_key="OLD")
    district.serve(accounts[1], "10-04 12:00", 30, ref="OLD-record")
    return accounts


def test_a_group_is_the_same_as_its_acts_one_by_one(district: District) -> None:
    accounts = prepared(district)

    @given(wishes_of(accounts))
    @settings(max_examples=60)
    def check(wishes: list[Wish]) -> None:
        compare(district, wishes)

    check()


@pytest.fixture
def expiring(engine_url: str) -> Iterator[District]:
    made = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    yield made
    made.close()


def test_the_same_holds_while_points_expire(expiring: District) -> None:
    accounts = prepared(expiring)
    for redemption in expiring.bank.redemptions.reserved().rows:
        expiring.bank.redemptions.release(redemption=redemption[0], reason="不要了")
    expiring.clock.advance(days=40)
    expiring.serve(accounts[0], "11-20 08:00", 60)

    @given(wishes_of(accounts))
    @settings(max_examples=30)
    def check(wishes: list[Wish]) -> None:
        compare(expiring, wishes)

    check()


def test_each_act_is_judged_by_who_does_it(district: District) -> None:
    account = prepared(district)[0]
    brought = Redeem(
        account=account, store="P2", sku="A", redeemed_on=dt.date(2022, 10, 14)
    )  # The store has left since: only who sends for others may bring it in.
    for staff in (["T1", "IMP"], ["IMP", "T1"]):
        answers = compare(district, [Wish(code, brought) for code in staff])
        codes = {code: getattr(a, "code", "ok") for code, a in zip(staff, answers, strict=True)}
        assert codes == {"IMP": "ok", "T1": "store_closed"}
    for staff in (["T1", "T1b"], ["T1b", "T1"]):
        answers = compare(district, [Wish(code, record(district, account)) for code in staff])
        codes = {code: getattr(a, "code", "ok") for code, a in zip(staff, answers, strict=True)}
        assert codes == {"T1": "ok", "T1b": "not_permitted"}


def test_a_waiting_record_between_does_not_revive_dead_points(expiring: District) -> None:
    a_shop(expiring)
    account = saver(expiring)
    expiring.clock.advance(days=40)
    waits = record(expiring, account, "10-05 08:00", 540)
    recorded, refused = compare(expiring, [Wish("T1", waits), *hot(account, 1)])
    assert recorded.state == "waiting_branch"
    assert refused.code == "insufficient_points"


def record(
    district: District, account: int, start: str = "10-05 08:00", minutes: int = 60
) -> RecordHours:
    """A record by T1, checked by K1."""
    row = district.row(account, start, minutes)
    names = RecordHours.model_fields.keys() - {"idempotency_key"}
    return RecordHours(**{name: getattr(row, name) for name in names})


def hot(account: int, count: int, **fields: Any) -> list[Wish]:
    """So many redemptions of one account."""
    command = {"account": account, "store": "P1", "sku": "A"} | fields
    return [Wish("T1", Redeem(**command)) for _ in range(count)]


def test_a_lapsed_hold_takes_its_group_apart_before_anything_is_written(
    district: District,
) -> None:
    a_shop(district, new_offer(stock=50))
    account = saver(district)
    district.bank.redemptions.reserve(account=account, store="P1", sku="A")
    district.clock.advance(days=30)
    with pytest.raises(Apart), district.bank.begin() as counter:
        perform_together(counter._tx, counter._shelf, hot(account, 2))
    with district.bank.engine.connect() as connection:
        assert books(connection)["account_line"] == books(connection)["account_line"][:1]


def test_the_last_pieces_go_to_those_who_came_first(district: District) -> None:
    a_shop(district, new_offer(stock=2))
    accounts = [saver(district) for _ in range(4)]
    wishes = [Wish("T1", Redeem(account=a, store="P1", sku="A")) for a in accounts]
    answers = compare(district, wishes)
    codes = [getattr(answer, "code", "ok") for answer in answers]
    assert codes == ["ok", "ok", "out_of_stock", "out_of_stock"]


def test_a_key_twice_in_a_group_is_a_replay_and_another_request_a_conflict(
    district: District,
) -> None:
    a_shop(district)
    account = saver(district)
    wishes = hot(account, 2, idempotency_key="K") + hot(account, 1, idempotency_key="K", quantity=2)
    with district.bank.begin() as counter:
        first, again, other = perform_together(counter._tx, counter._shelf, wishes)
    assert first.receipt == again.receipt
    assert other.error is not None
    assert other.error.code == "idempotency_conflict"
    assert district.bank.redemptions.redeem(
        account=account, store="P1", sku="A", idempotency_key="K"
    ) == first.receipt  # fmt: skip


def test_a_key_of_an_act_that_is_left_alone_is_not_claimed_by_a_later_one(
    district: District,
) -> None:
    account = prepared(district)[0]
    sent_before = hot(account, 1, idempotency_key="K", ref="OLD-redeem")
    wishes = [*hot(account, 1), *sent_before, *hot(account, 1, idempotency_key="K")]
    new, replay, claimed = compare(district, [*wishes, *hot(account, 1)])[:3]
    assert replay.line_no < new.line_no < claimed.line_no
    # Two that were sent before leave the key unclaimed, and so the group is one.
    with district.bank.begin() as counter:
        outcomes = perform_together(counter._tx, counter._shelf, [*sent_before * 2, wishes[0]])
    assert [outcome.is_written for outcome in outcomes] == [False, False, True]


def test_a_committed_group_stands_the_audit_and_has_a_voucher_for_each_act(
    district: District,
) -> None:
    a_shop(district, new_offer(stock=50))
    accounts = [saver(district) for _ in range(3)]
    before = voucher_count(district)
    wishes: list[Wish] = []
    for number, account in enumerate(accounts * 3):
        wishes += hot(account, 1)
        row = district.row(account, f"10-0{4 + number // 3} 08:00")
        fields = {
            name: getattr(row, name) for name in RecordHours.model_fields if hasattr(row, name)
        }
        wishes.append(Wish("T1", RecordHours(**fields)))
    wishes.insert(5, Wish("T1", Reserve(account=accounts[0], store="P1", sku="A")))
    with district.bank.begin() as counter:
        outcomes = perform_together(counter._tx, counter._shelf, wishes)
    assert all(outcome.is_written for outcome in outcomes)
    ids = [receipt_id(outcome) for outcome in outcomes]
    assert ids == sorted(set(ids))
    assert voucher_count(district) == before + len(wishes)
    assert district.bank.verify().faults == ()


def receipt_id(outcome: Outcome) -> str:
    assert outcome.receipt is not None
    return str(outcome.receipt.voucher_id)


def voucher_count(district: District) -> int:
    with district.bank.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tables.voucher)) or 0


def test_a_group_of_fifty_costs_as_many_statements_as_one_of_two(district: District) -> None:
    a_shop(district, new_offer(stock=500, points=Points("0.01")))
    account = saver(district, 480)
    days = (f"10-{day:02d} {hour:02d}:00" for day in range(4, 15) for hour in range(8, 16))
    records = [Wish("T1", record(district, account, start, 1)) for start in days]

    def cost(wishes: list[Wish]) -> int:
        with district.bank.begin() as counter, statements(district.bank) as said:
            outcomes = perform_together(counter._tx, counter._shelf, wishes)
            assert all(outcome.is_written for outcome in outcomes)
        return len(said)

    cost(hot(account, 2))
    redeeming = cost(hot(account, 2)), cost(hot(account, 50))
    recording = cost(records[:2]), cost(records[2:52])
    assert redeeming[0] == redeeming[1]
    assert recording[0] == recording[1]
    if district.bank.engine.dialect.name == "postgresql":
        assert (redeeming[0], recording[0]) == (4, 3)
