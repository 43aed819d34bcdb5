"""What could never be right: refused at the door by name, nothing written, nothing broken."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Counter
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.holds import HoldCapture
from gongyi_bank.commands.hours import RecordManyHours, ServiceRow
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.commands.transfers import PoolGrant, TransferLeg
from gongyi_bank.errors import GongyiBankError, InvalidValue
from gongyi_bank.policies import HourLimits, PointsExpiry, Policy, Tariff, TariffRate
from gongyi_bank.values import Points, compose_account_no
from tests.acts import ACTS
from tests.books import counts, everything
from tests.district import District, at

NAN, INFINITE, HUGE, GIANT = float("nan"), float("inf"), 10**30, 10**5000
LONG, SQL = "长" * 10_000, "x'; DROP TABLE gb_voucher; --"
#: No text at all, or text that cannot be printed.
NO_TEXT = [1, 1.5, NAN, True, b"x", ["x"], {"x": GIANT}, "", "  ", "a\x00b", "a\nb", "\x7f",
           "\ud800", "\udfff", "\u202e钱", LONG]  # fmt: skip
NO_CODE = [*NO_TEXT, "a b", SQL, "a,b", "é́" * 50]
NO_WHOLE = [1.0, 1.5, NAN, INFINITE, True, "1", b"1", [1], Decimal(1), HUGE, GIANT, -1]
NO_ACCOUNT = [1.0, NAN, True, "x", "", "\ud800", b"1", [1], HUGE, GIANT, -GIANT, -1, 0, 12,
              SQL, "١٢٣٤٥٦٧٨٩٠١٢", compose_account_no(1003, 1) + 1]  # fmt: skip
NO_MOMENT = [1, NAN, True, "x", b"x", dt.date(2022, 10, 3), dt.datetime(2022, 10, 3),  # noqa: DTZ001
             dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC),
             dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14)))]  # fmt: skip
NO_DAY = [1, 1.5, True, "x", "2022-10-03", at("10-03 08:00"), NAN, b"x"]
NO_AMOUNT = [1.5, NAN, INFINITE, True, "x", "", "1e5", "NaN", "-0.01", b"1", Decimal("NaN"), HUGE,
             GIANT, "1.00001", "１", SQL, LONG, "\ud800", [1]]  # fmt: skip
NO_CHOICE = [1, 1.5, True, "else", "", LONG, "\ud800", b"x", SQL]
NO_ID = [1, 1.5, NAN, True, "", "x", str(UUID(int=1)), b"x" * 16, [UUID(int=1)], GIANT, "\ud800",
         SQL, LONG]  # fmt: skip
NO_FLAG = [None, 0, 1, 1.0, NAN, "", "true", b"x", [True], GIANT, "\ud800"]
NO_PERIOD = [1, 2022, 1.5, NAN, True, None, b"2022", "", " ", "x", "2022-13", "2022Q5",
             "2022-02-30", "２０２２", "0000", "2022-10-3", dt.date(2022, 10, 3), [2022], GIANT,
             "\ud800", SQL, LONG]  # fmt: skip
NO_LIST = [None, 5, NAN, "x", {}, {"x": 1}, [], [None], [1.5], [[]], ["\ud800"]]

#: Bad values of every field of every command of the core, and of the parts in their lists.
BAD: dict[str, list[Any]] = {
    "account": NO_ACCOUNT,
    "appointments": NO_LIST,
    "as_of": NO_DAY,
    "balance_to": NO_CHOICE,
    "birth_on": NO_DAY,
    "branch": NO_CODE,
    "captures": NO_LIST,
    "category": NO_CODE,
    "checked_by": NO_CODE,
    "client_rating": [*NO_WHOLE, 0, 6],
    "code": NO_CODE,
    "count_max": [*NO_WHOLE, 10**9],
    "customer_ref": NO_CODE,
    "customers": NO_LIST,
    "deadline_at": NO_MOMENT,
    "document_kind": NO_CHOICE,
    "document_no": [*NO_TEXT, "110101199001011234", "x"],
    "effective_on": NO_DAY,
    "ended_at": NO_MOMENT,
    "grants": NO_LIST,
    "hold": NO_ID,
    "holds": [*NO_LIST, [str(UUID(int=1))]],
    "hours": [*NO_WHOLE, 0, 24 * 365 + 1],
    "idempotency_key": NO_CODE,
    "kind": NO_CHOICE,
    "legs": NO_LIST,
    "line_no": [*NO_WHOLE, 0],
    "minutes": [*NO_WHOLE, 10**9],
    "name": NO_TEXT,
    "organisation": NO_ACCOUNT,
    "outlet": NO_CODE,
    "outlets": NO_LIST,
    "own_account": NO_ACCOUNT,
    "parent": NO_CODE,
    "period": NO_PERIOD,
    "phone": NO_TEXT,
    "points": NO_AMOUNT,
    "policy": [
        None,
        1,
        "tariff",
        {},
        Policy(),
        TariffRate(category="x", name="x", points_per_hour=Points(1)),
    ],
    "pool": NO_CODE,
    "project": NO_CODE,
    "quantity": [*NO_WHOLE, 0, 1_000_001],
    "reason": [*NO_TEXT, "电话 13812345678"],
    "record_no": [*NO_WHOLE, 0],
    "recorded_by": NO_CODE,
    "redeemed_on": NO_DAY,
    "redemption": NO_ID,
    "ref": NO_CODE,
    "registered_on": NO_DAY,
    "relation": NO_CHOICE,
    "restock": NO_FLAG,
    "role": NO_CHOICE,
    "rows": NO_LIST,
    "second_person": NO_CODE,
    "setting": NO_CHOICE,
    "sku": NO_CODE,
    "source": NO_ACCOUNT,
    "source_pool": NO_CODE,
    "started_at": NO_MOMENT,
    "store": NO_CODE,
    "target": NO_ACCOUNT,
    "target_pool": NO_CODE,
    "value": NO_CHOICE,
    "value_on": NO_DAY,
    "voucher": NO_ID,
}
#: Right in form, but of nothing that is in the books.
UNKNOWN: dict[str, Any] = {
    "account": compose_account_no(1003, 9_999_999),
    "branch": "B99",
    "category": "nothing",
    "checked_by": "NOBODY",
    "code": "NOBODY",
    "grants": (PoolGrant(account=compose_account_no(1003, 9_999_999), points=Points(1)),),
    "hold": UUID(int=1),
    "holds": (UUID(int=1),),
    "outlet": "B99𠮷",
    "pool": "NOTHING",
    "recorded_by": "NOBODY",
    "redemption": UUID(int=1),
    "second_person": "NOBODY",
    "store": "NOTHING",
    "target": compose_account_no(1003, 9_999_999),
    "voucher": UUID(int=1),
}
#: Where such a value is no mistake: a category that is not used, the code of something new.
ALLOWED = {("hours.correct", "category"), ("pools.open", "code")}


def refuse(make: Any, fields: dict[str, Any], field: str, value: object) -> InvalidValue:
    """The refusal of one bad value: ours, and naming the field and the value."""
    with pytest.raises(InvalidValue) as caught:
        make(**fields | {field: value})
    error = caught.value
    assert field in str(error.facts["field"]), (field, error.facts)
    assert error.facts["value"]
    text = str(error)
    text.encode()
    assert len(text) < 1_000
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    return error


def wrong_fields(names: Any) -> Iterator[tuple[str, object]]:
    for field in names:
        for value in BAD[field]:
            yield field, value


def fields_of(command: Any) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.model_fields_set}


@pytest.mark.parametrize("act", ACTS)
def test_every_field_of_every_command_refuses_what_could_never_be_right(
    sqlite_district: District, act: str
) -> None:
    _, command, _ = ACTS[act](sqlite_district)
    make, fields = type(command), fields_of(command)
    for field, value in wrong_fields(make.model_fields):
        refuse(make, fields, field, value)
    for field, known in make.model_fields.items():
        if known.is_required():
            refuse(make, fields, field, None)
            left = {name: kept for name, kept in fields.items() if name != field}
            with pytest.raises(InvalidValue) as caught:
                make(**left)
            assert caught.value.facts["field"] == field
    with pytest.raises(InvalidValue) as caught:
        make(**fields, surplus=1)
    assert caught.value.facts["field"] == "surplus"


ACCOUNT = compose_account_no(1003, 1)
PARTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "outlet": (NewOutlet, {"code": "B", "name": "x", "parent": "H"}),
    "appointment": (Appointment, {"code": "T", "role": "teller", "outlet": "B01"}),
    "customer": (
        NewCustomer,
        {
            "outlet": "B",
            "name": "x",
            "document_kind": "resident_id",
            "document_no": "99000219900307105X",
        },
    ),
    "service row": (
        ServiceRow,
        {
            "account": ACCOUNT,
            "category": "x",
            "started_at": at("10-03 08:00"),
            "ended_at": at("10-03 09:00"),
            "outlet": "B",
            "recorded_by": "T",
            "checked_by": "K",
        },
    ),
    "redemption row": (RedemptionRow, {"account": ACCOUNT, "store": "P1", "sku": "A"}),
    "capture": (HoldCapture, {"hold": UUID(int=1)}),
    "grant": (PoolGrant, {"account": ACCOUNT, "points": Points(1)}),
    "leg": (TransferLeg, {"source": ACCOUNT, "target_pool": "P1", "points": Points(1)}),
    "opening row": (
        OpeningRow,
        {"account": ACCOUNT, "minutes": 1, "points": Points(1), "as_of": dt.date(2022, 9, 30)},
    ),
}


def names_of(make: Any) -> list[str]:
    if dataclasses.is_dataclass(make):
        return [field.name for field in dataclasses.fields(make)]
    return list(make.model_fields)


@pytest.mark.parametrize("part", PARTS)
def test_every_field_of_every_part_refuses_what_could_never_be_right(part: str) -> None:
    make, fields = PARTS[part]
    if part == "customer":
        fields = fields | {"document_no": _resident_id()}
    make(**fields)
    for field, value in wrong_fields(names_of(make)):
        given = dict(fields)
        if field == "customer_ref":
            given["account"] = None
        refuse(make, given, field, value)


def _resident_id() -> str:
    body = "99000219900307105"
    weighed = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(body))
    return body + "10X98765432"[weighed % 11]


def test_a_row_names_its_customer_once() -> None:
    _, fields = PARTS["service row"]
    for given in ({"account": None}, {"customer_ref": "C"}):
        with pytest.raises(InvalidValue) as caught:
            ServiceRow(**fields | given)
        assert caught.value.facts["field"] == "account"


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (Tariff, "rates", 1.5),
        (Tariff, "rates", ({"category": "x"},)),
        (HourLimits, "daily_minutes_free", 0),
        (HourLimits, "daily_minutes_free", 480.0),
        (HourLimits, "record_minutes_max", 10_081),
        (PointsExpiry, "mode", "weeks"),
        (PointsExpiry, "length", HUGE),
    ],
)
def test_a_policy_refuses_what_could_never_be_right(make: Any, field: str, value: Any) -> None:
    refuse(make, {}, field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("points_per_hour", Points(-1)), ("points_per_hour", 1.5), ("category", "a b"),
     ("category", LONG), ("name", "")],
)  # fmt: skip
def test_a_rate_takes_nothing_away_and_names_a_usable_category(field: str, value: Any) -> None:
    rate = {"category": "x", "name": "x", "points_per_hour": Points(1)}
    refuse(TariffRate, rate, field, value)


def test_a_category_named_twice_is_refused() -> None:
    rate = TariffRate(category="x", name="x", points_per_hour=Points(1))
    with pytest.raises(InvalidValue):
        Tariff(rates=(rate, rate))


#: Arguments that are lists, of what is no command.
LISTED: dict[str, Callable[[Counter, Any], object]] = {
    "accounts": lambda counter, given: counter.lock(accounts=given),
    "stores": lambda counter, given: counter.lock(stores=given),
    "pools": lambda counter, given: counter.lock(pools=given),
    "commands": lambda counter, given: counter.execute_many(given),
    "kinds": lambda counter, given: counter.ratings.volunteer_league("2022-10", kinds=given),
    "outlets": lambda counter, given: counter.ratings.indicators("2022-10", outlets=given),
}


@pytest.mark.parametrize("field", LISTED)
def test_what_is_no_list_is_refused_where_one_is_needed(
    sqlite_district: District, field: str
) -> None:
    with sqlite_district.bank.begin() as counter:
        for given in (5, 1.5, True, b"P01", "P01", None):
            if field == "outlets" and (given is None or isinstance(given, str)):
                continue  # all of them, or the one
            with pytest.raises(InvalidValue) as caught:
                LISTED[field](counter, given)
            assert caught.value.facts["field"] == field
            assert "a list is needed" in caught.value.facts["reason"]
            assert "须为列表" in caught.value.message("zh")
        LISTED[field](counter, ())


# --- what only the books can tell ----------------------------------------------------------


@pytest.mark.parametrize("act", ACTS)
def test_what_is_not_in_the_books_is_refused_and_the_callers_transaction_goes_on(
    district: District, act: str
) -> None:
    staff, command, _ = ACTS[act](district)
    fields = fields_of(command)
    before = everything(district.bank)
    with district.bank.engine.connect() as connection, connection.begin() as caller:
        for field in sorted(set(UNKNOWN) & set(fields)):
            if (act, field) in ALLOWED:
                continue
            wrong = type(command)(**fields | {field: UNKNOWN[field]})
            with district.bank.within(connection, staff=staff) as counter:
                with pytest.raises(GongyiBankError) as caught:
                    counter.execute(wrong)
                assert not caught.value.retryable
            assert connection.scalar(sa.select(sa.literal(1))) == 1
        assert counts(connection) == {name: len(rows) for name, rows in before.items()}
        with district.bank.within(connection, staff=staff) as counter:
            counter.execute(command)
        caller.rollback()
    assert everything(district.bank) == before


def test_a_flag_of_a_reading_is_true_or_false(sqlite_district: District) -> None:
    """Whoever says `names="no"` does not want to see names."""
    account, bank = sqlite_district.customer(), sqlite_district.bank
    readings: list[Callable[[Any], Any]] = [
        lambda flag: bank.staff.roles(ended=flag),
        lambda flag: bank.passbooks.page(account, show_name=flag),
        lambda flag: bank.reports.ledger_book("B01", names=flag),
        lambda flag: bank.ratings.volunteer_league("2022-10", names=flag),
    ]
    for read in readings:
        for value in NO_FLAG:
            with pytest.raises(InvalidValue):
                read(value)


def test_bad_rows_of_a_list_are_refused_one_by_one(district: District) -> None:
    account = district.customer()
    good = district.row(account, "10-03 08:00")
    wrong = [
        dataclasses.replace(good, **{field: UNKNOWN[field]})
        for field in ("account", "category", "outlet", "recorded_by", "checked_by")
    ]
    done = district.bank.hours.record_many(rows=[*wrong, good])
    assert [row.outcome for row in done.outcomes] == ["refused"] * 5 + ["credited"]
    assert len({type(row.error) for row in done.refused}) == 4


def test_a_list_has_at_most_ten_thousand_rows() -> None:
    make, fields = PARTS["service row"]
    row = make(**fields)
    assert len(RecordManyHours(rows=(row,) * 10_000).rows) == 10_000
    refuse(RecordManyHours, {}, "rows", (row,) * 10_001)


@pytest.mark.parametrize("text", ["𠮷野家", "x'; DROP TABLE gb_voucher; --", "100% %s %(a)s :b ?"])
def test_odd_text_that_may_stand_in_the_books_stands_there_unchanged(
    district: District, text: str
) -> None:
    account = district.customer(name=text)
    district.bank.outlets.rename(outlet="B01", name=text)
    district.acting("T1").accounts.freeze(account=account, reason=text, idempotency_key="𠮷1")
    with district.bank.engine.connect() as connection:
        read = [
            connection.exec_driver_sql(query).scalar_one()
            for query in (
                "SELECT name FROM gb_person",
                "SELECT name FROM gb_outlet WHERE code = 'B01'",
                "SELECT reason FROM gb_voucher WHERE act = 'accounts.freeze'",
            )
        ]
    assert read == [text] * 3


# --- nothing personal gets out -------------------------------------------------------------

CANARY = {"name": "金丝雀鸣", "phone": "13987654321", "document_no": _resident_id()}


def test_personal_data_appear_in_no_error_receipt_voucher_or_log(
    district: District, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    district.bank.engine.echo = True
    said: list[str] = []

    def attempt(**fields: Any) -> None:
        for wrap in (
            lambda: district.bank.customers.register(customers=[fields]),
            lambda: district.bank.customers.register(customers=[NewCustomer(**fields)]),
            lambda: district.bank.customers.register(customers=fields),
            lambda: district.bank.customers.register(customers=[fields] * 10_001),
        ):
            try:
                said.append(repr(wrap()))
            except GongyiBankError as error:
                said.extend([str(error), repr(error), repr(error.facts), repr(error.__context__)])

    good = {"outlet": "B01S01", "document_kind": "resident_id", **CANARY}
    new = NewCustomer(**good)
    said += [repr(new), str(new)]
    attempt(**good)
    attempt(**good)  # known already
    for field in (*good, "birth_on", "kind", "ref", "registered_on", "surplus"):
        for value in (1.5, None, LONG, "\ud800", dt.date.max, {**CANARY}):
            attempt(**good | {field: value})
    attempt(**{name: value for name, value in good.items() if name != "document_kind"})
    attempt(**good | {"document_no": CANARY["document_no"][:-1] + "0"})
    attempt(**good | {"name": CANARY["name"] * 100})
    attempt(**good | {"phone": CANARY["phone"] + "\x00"})
    outside = {t: r for t, r in everything(district.bank).items() if t != "gb_person"}
    said += [repr(outside), caplog.text, *capsys.readouterr()]
    everywhere = "\n".join(said)
    for secret in (*CANARY.values(), CANARY["phone"][3:], CANARY["document_no"][6:14]):
        assert secret not in everywhere
        assert ascii(secret)[1:-1] not in everywhere


def test_the_digest_of_a_registration_says_nothing_about_the_person() -> None:
    from gongyi_bank.commands.customers import RegisterCustomers

    first = RegisterCustomers(customers=[NewCustomer(outlet="B", name="甲", ref="C")])
    other = RegisterCustomers(customers=[NewCustomer(outlet="B", name="乙", ref="C")])
    third = RegisterCustomers(customers=[NewCustomer(outlet="B", name="甲", ref="D")])
    assert first.request_digest() == other.request_digest() != third.request_digest()
