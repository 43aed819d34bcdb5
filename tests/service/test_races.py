"""Two callers at once, on both engines: one truth, whoever comes first."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.errors import (
    CodeTaken,
    GongyiBankError,
    OutletClosed,
    OutletNotEmpty,
    PolicyTooLate,
    RecordNotWaiting,
    ServiceOverlap,
)
from gongyi_bank.values import Points
from tests.acts import ACTS, keyed
from tests.books import books, counts
from tests.district import District
from tests.racing import at_once

THREADS = 8


def kinds(results: list[Any]) -> dict[str, int]:
    return dict(Counter(type(result).__name__ for result in results))


def check_books(district: District) -> None:
    """Lines and records are gap-free and agree with the heads, whatever was raced."""
    found = books(district.bank)
    for head in found["gb_account_head"]:
        number = head["account_no"]
        lines = [x for x in found["gb_account_line"] if x["account_no"] == number]
        records = [x for x in found["gb_hour_record"] if x["account_no"] == number]
        assert [x["line_no"] for x in lines] == list(range(1, head["line_no"] + 1))
        assert [x["record_no"] for x in records] == list(range(1, head["record_no"] + 1))
        assert sum(x["amount"] for x in lines) == head["credited"] - head["debited"]
        minutes = sum(x["minutes"] for x in records if x["state"] == "credited")
        assert minutes == head["verified_minutes"]


@pytest.mark.parametrize("act", ACTS)
def test_the_same_key_at_once_is_one_voucher_and_one_receipt(district: District, act: str) -> None:
    staff, command, _ = ACTS[act](district)
    before = counts(district.bank)["gb_voucher"]
    bank = district.acting(staff)
    results = at_once(*[lambda: bank.execute(keyed(command))] * THREADS)
    assert kinds(results) == {command.receipt.__name__: THREADS}
    assert all(result == results[0] for result in results)
    assert counts(district.bank)["gb_voucher"] == before + 1
    check_books(district)


def test_the_same_key_at_once_on_a_drained_closing_is_one_voucher_and_one_receipt(
    district: District,
) -> None:
    district.clock.advance(days=5)
    for number, period in enumerate(("2022-10-15", "2022-10-16", "2022-10-17", "2022-10-18")):
        district.bank.closings.announce(period=period)
        district.bank.closings.drain(period=period)
        close = lambda p=period, n=number: district.bank.closings.close(  # noqa: E731
            period=p, idempotency_key=f"C{n}"
        )
        results = at_once(*[close] * THREADS)
        assert kinds(results) == {"BooksClosed": THREADS}
        assert all(result == results[0] for result in results)


def test_of_two_requests_for_one_code_at_once_only_the_same_one_has_the_receipt(
    district: District,
) -> None:
    keeper = district.acting("K1").pools
    for number in range(3):
        wish = {"code": f"P{number}", "name": "爱心池", "outlet": "B01"}
        results = at_once(
            *[lambda w=wish, k=key: keeper.open(**w, idempotency_key=k)
              for key in (f"A{number}", f"B{number}") for _ in range(4)]
        )  # fmt: skip
        assert kinds(results) == {"PoolOpened": 4, CodeTaken.__name__: 4}


def test_a_registration_sent_twice_at_once_is_not_told_that_it_is_known(
    district: District,
) -> None:
    new = NewCustomer(
        outlet="B01S01", name="张三", document_kind="passport", document_no="E12345678"
    )
    teller = district.acting("T1").customers
    for number in range(5):
        person = new.model_copy(update={"document_no": f"E1234567{number}"})
        results = at_once(
            *[lambda p=person, n=number: teller.register(customers=[p], idempotency_key=f"R{n}")]
            * THREADS
        )
        assert kinds(results) == {"CustomersRegistered": THREADS}
        assert all(result == results[0] for result in results)


def test_of_overlapping_services_at_once_one_wins(district: District) -> None:
    account = district.customer()
    starts = [f"10-03 08:{minute:02d}" for minute in range(THREADS)]
    results = at_once(*[lambda s=start: district.serve(account, s) for start in starts])
    assert kinds(results) == {"HoursRecorded": 1, ServiceOverlap.__name__: THREADS - 1}
    check_books(district)


def test_the_daily_limit_holds_for_services_at_once(district: District) -> None:
    account = district.customer()
    starts = [f"10-03 {hour:02d}:00" for hour in range(THREADS)]
    long = [lambda s=start: district.serve(account, s, 60) for start in starts]
    results = at_once(*long, lambda: district.serve(account, "10-03 08:00", 1))
    states = Counter(result.state for result in results)
    assert states == {"credited": 8, "waiting_branch": 1}
    check_books(district)


def test_the_same_reference_at_once_is_one_record(district: District) -> None:
    account = district.customer()
    results = at_once(*[lambda: district.serve(account, "10-03 08:00", ref="R")] * THREADS)
    assert all(result == results[0] for result in results)
    assert counts(district.bank)["gb_hour_record"] == 1


def test_one_reference_for_two_customers_at_once_is_one_record(district: District) -> None:
    accounts = [district.customer() for _ in range(4)]
    results = at_once(
        *[lambda a=account: district.serve(a, "10-03 08:00", ref="R") for account in accounts]
    )
    assert kinds(results) == {"HoursRecorded": 1, "IdempotencyConflict": 3}
    assert counts(district.bank)["gb_hour_record"] == 1


def test_approving_and_refusing_at_once_decides_once(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 481)
    keeper = district.acting("K1b").hours
    approve = [lambda: keeper.approve(account=account, record_no=1)] * 4
    refuse = [lambda: keeper.refuse(account=account, record_no=1, reason="x")] * 4
    results = at_once(*approve, *refuse)
    assert kinds(results) == {"HoursDecided": 1, RecordNotWaiting.__name__: THREADS - 1}
    check_books(district)


def test_voiding_at_once_takes_the_points_back_once(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.serve(account, "10-03 09:00")
    keeper = district.acting("K1").hours
    wish = {"account": account, "record_no": 1, "reason": "x", "second_person": "K1b"}
    results = at_once(*[lambda: keeper.void(**wish)] * THREADS)
    assert kinds(results) == {"HoursDecided": 1, "RecordNotCredited": THREADS - 1}
    assert books(district.bank)["gb_account_head"][0]["debited"] == 100
    check_books(district)


@pytest.mark.parametrize("same", ["document", "ref"])
def test_the_same_person_registered_at_once_has_one_account(district: District, same: str) -> None:
    fields: dict[str, Any] = {"ref": "C1"}
    if same == "document":
        fields = {"document_kind": "passport", "document_no": "E12345678"}
    teller = district.acting("T1").customers

    def register() -> Any:
        return teller.register(customers=[NewCustomer(outlet="B01S01", name="张三", **fields)])

    results = at_once(*[register] * THREADS)
    if same == "document":
        assert kinds(results) == {"CustomersRegistered": 1, "AlreadyRegistered": THREADS - 1}
    else:
        assert len({result.accounts for result in results}) == 1
    assert counts(district.bank)["gb_customer"] == counts(district.bank)["gb_person"] == 1


def test_strangers_registered_at_once_have_different_numbers(district: District) -> None:
    teller = district.acting("T1").customers

    def register(number: int) -> Any:
        new = [NewCustomer(outlet="B01S01", name=f"客{number}{i}") for i in range(3)]
        return teller.register(customers=new)

    results = at_once(*[lambda n=number: register(n) for number in range(THREADS)])
    numbers = [account for result in results for account in result.accounts]
    assert len(set(numbers)) == len(numbers) == 3 * THREADS


def test_an_outlet_closes_or_takes_a_customer_but_not_both(district: District) -> None:
    teller = district.acting("admin").customers
    for round_no in range(4):
        code = f"B02S0{round_no + 3}"
        district.bank.outlets.open(outlets=[NewOutlet(code=code, name="所", parent="B02")])
        results = at_once(
            lambda c=code: district.bank.outlets.close(outlet=c, reason="撤并"),
            *[
                lambda c=code: teller.register(customers=[NewCustomer(outlet=c, name="张三")])
                for _ in range(3)
            ],
        )
        closed, *registered = results
        if isinstance(closed, OutletNotEmpty):
            assert any(not isinstance(result, GongyiBankError) for result in registered)
        else:
            assert kinds(registered) == {OutletClosed.__name__: 3}


def test_a_code_is_given_once(district: District) -> None:
    new = [NewOutlet(code="B01S07", name="所", parent="B01")]
    results = at_once(*[lambda: district.bank.outlets.open(outlets=new)] * 4)
    assert kinds(results) == {"OutletsOpened": 1, CodeTaken.__name__: 3}


def test_a_balance_is_paid_out_once(district: District) -> None:
    account, target = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    teller = district.acting("T1").accounts

    def close() -> Any:
        return teller.close(
            account=account, balance_to="account", target=target, reason="x", second_person="K1"
        )

    results = at_once(*[close] * 4)
    assert kinds(results) == {"AccountClosedOut": 1, "AccountClosed": 3}
    assert books(district.bank)["gb_account_head"][1]["credited"] == 100
    check_books(district)


def test_two_accounts_paid_into_each_other_at_once_do_not_wait_in_a_circle(
    district: District,
) -> None:
    teller = district.acting("T1").accounts
    for day in range(1, 4):
        one, other = district.customer(), district.customer()
        for account in (one, other):
            district.serve(account, f"10-{day:02d} 08:00")
        results = at_once(
            lambda a=one, b=other: teller.close(
                account=a, balance_to="account", target=b, reason="x", second_person="K1"
            ),
            lambda a=other, b=one: teller.close(
                account=a, balance_to="account", target=b, reason="x", second_person="K1"
            ),
        )
        assert kinds(results) == {"AccountClosedOut": 1, "AccountClosed": 1}
    check_books(district)


def test_lists_that_share_customers_in_other_orders_all_arrive(district: District) -> None:
    accounts = [district.customer() for _ in range(10)]

    def send(number: int) -> Any:
        order = accounts if number % 2 else accounts[::-1]
        rows = [district.row(a, f"10-{number + 1:02d} 08:00") for a in order]
        return district.bank.hours.record_many(rows=rows)

    results = at_once(*[lambda n=number: send(n) for number in range(6)])
    assert [result.count("credited") for result in results] == [10] * 6
    check_books(district)


def test_a_policy_adopted_while_others_record_is_followed_by_all_who_come_after(
    district: District,
) -> None:
    from tests.service.test_gate import DEARER

    account = district.customer()
    other = Bank.open(district.url, staff="admin", clock=district.clock, unsafe_settings="allow")
    adopt = lambda: other.policies.adopt(policy=DEARER, effective_on=dt.date(2022, 10, 4))  # noqa: E731
    serve = [
        lambda h=hour: district.serve(account, f"10-05 {h:02d}:00").points for hour in range(6)
    ]
    adopted, *points = at_once(adopt, *serve)
    assert set(points) <= {Points(1), Points(2)}
    # It came too late where a service of that day was decided on before.
    came_too_late = isinstance(adopted, PolicyTooLate)
    expected = Points(1) if came_too_late else Points(2)
    assert district.serve(account, "10-05 07:00").points == expected
    other.close()
    check_books(district)


def test_an_outlet_cannot_close_under_a_record_that_will_wait(district: District) -> None:
    account = district.customer()
    place = {"account": account, "category": "sanitation", "outlet": "B02S02"}
    people = {"recorded_by": "K2", "checked_by": "admin"}
    start = dt.datetime(2022, 10, 3, tzinfo=dt.UTC)
    span = {"started_at": start, "ended_at": start + dt.timedelta(hours=10)}
    with ThreadPoolExecutor(1) as pool:
        with district.bank.begin(staff="K2") as counter:
            receipt = counter.hours.record(**place, **people, **span)
            assert receipt.state.startswith("waiting")
            closing = pool.submit(district.bank.outlets.close, outlet="B02S02", reason="撤并")
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.5)
        assert isinstance(closing.exception(), OutletNotEmpty)


def test_an_outlet_cannot_close_under_a_correction_that_will_wait(district: District) -> None:
    account = district.customer()
    start = dt.datetime(2022, 10, 3, tzinfo=dt.UTC)
    given = {"recorded_by": "K2", "checked_by": "admin", "category": "sanitation"}
    short = {"started_at": start, "ended_at": start + dt.timedelta(hours=1)}
    long = {"started_at": start, "ended_at": start + dt.timedelta(hours=10)}
    hours = district.acting("K2").hours
    record_no = hours.record(account=account, outlet="B02S02", **given, **short).record_no
    with ThreadPoolExecutor(1) as pool:
        with district.bank.begin(staff="K2") as counter:
            receipt = counter.hours.correct(
                account=account, record_no=record_no, reason="时间有误", **given, **long
            )
            assert receipt.state.startswith("waiting")
            closing = pool.submit(district.bank.outlets.close, outlet="B02S02", reason="撤并")
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.5)
        assert isinstance(closing.exception(), OutletNotEmpty)
