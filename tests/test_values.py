"""Points, printed numbers, texts and the byte form: what is exact, and what is refused."""

from __future__ import annotations

import copy
import pickle
from datetime import date
from decimal import Decimal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank import values
from gongyi_bank.errors import InvalidAmount, InvalidNumber, InvalidText
from gongyi_bank.values import Points

UNITS = st.integers(-(10**8), 10**8)
POINTS = st.builds(Points.of_units, UNITS, st.integers(0, 4))
DIGITS = "0123456789"


class Slip(pydantic.BaseModel):
    points: Points
    most: values.PositivePoints | None = None


# --- points


@pytest.mark.parametrize(
    ("given_value", "shown"),
    [
        ("12.50", "12.50"),
        ("-0.05", "-0.05"),
        (5, "5"),
        (Decimal("1.5"), "1.5"),
        (Decimal("1E+2"), "100"),
        (Decimal("5.000000"), "5.0000"),
        (Decimal("-0.00"), "0.00"),
        ("100000000", "100000000"),
        (Points("3.10"), "3.10"),
    ],
)
def test_points_keep_the_decimals_they_were_written_with(given_value, shown):
    assert str(Points(given_value)) == shown
    assert repr(Points(given_value)) == f"Points('{shown}')"


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        True,
        None,
        b"1",
        "",
        " 1",
        "1\n",
        "+1",
        ".5",
        "1.",
        "1,000",
        "1e2",
        "NaN",
        "Infinity",
        "１２",
        "١٢",
        "1.00000",
        "100000000.0001",
        "1000000000",
        10**8 + 1,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("0.00001"),
        Decimal("1E+1000000"),
        Decimal("1E-1000000"),
        Decimal("1." + "0" * 40 + "1"),
    ],
)
def test_points_refuse_what_is_not_an_exact_amount(value):
    with pytest.raises(InvalidAmount):
        Points(value)


def test_a_refused_amount_names_the_field():
    with pytest.raises(InvalidAmount) as caught:
        Points(0.1, field="price")
    assert caught.value.facts["field"] == "price"


@given(UNITS, st.integers(0, 4))
def test_points_go_through_units_text_decimals_and_pickle_unchanged(units, scale):
    points = Points.of_units(units, scale)
    assert points.to_units(scale) == units
    assert Points(str(points)) == points == Points(points.to_decimal())
    assert str(Points(str(points))) == str(points)
    for again in (pickle.loads(pickle.dumps(points)), copy.deepcopy(points), Points(points)):
        assert (again.units, again.scale) == (units, scale)


@given(POINTS, POINTS)
def test_points_calculate_and_compare_as_the_exact_numbers_they_are(one, other):
    a, b = one.to_decimal(), other.to_decimal()
    assert (one + other).to_decimal() == a + b
    assert (one - other).to_decimal() == a - b
    assert (-one).to_decimal() == -a
    assert abs(one).to_decimal() == abs(a)
    assert (one * 3).to_decimal() == (3 * one).to_decimal() == a * 3
    assert bool(one) == bool(a)
    for mine, theirs in ((one, other), (one, b)):
        assert (mine < theirs) == (a < b)
        assert (mine <= theirs) == (a <= b)
        assert (mine > theirs) == (a > b)
        assert (mine >= theirs) == (a >= b)
        assert (mine == theirs) == (a == b)
        assert (mine != theirs) == (a != b)
    assert sum([one, other]) == one + other


@given(UNITS, st.integers(0, 4), st.integers(0, 4))
def test_equality_and_hash_do_not_see_the_scale(units, scale, finer):
    finer = max(scale, finer)
    one = Points.of_units(units, scale)
    other = Points.of_units(one.to_units(finer), finer)
    assert one == other
    assert hash(one) == hash(other) == hash(one.to_decimal())


def test_points_compare_with_whole_numbers_but_not_with_floats():
    assert Points("5.00") == 5
    assert Points("5.01") > 5
    assert Points(1) != True  # noqa: E712
    assert Points(1) != 1.0
    assert Points(1) != "1"
    with pytest.raises(TypeError):
        Points(1) < 1.5  # noqa: B015


def test_points_are_only_added_to_points_and_multiplied_by_whole_numbers():
    for act in (
        lambda: Points(1) + 1,
        lambda: 1 + Points(1),
        lambda: Points(1) - 1,
        lambda: Points(1) * 1.5,
        lambda: Points(1) * True,
        lambda: Points(1) * Points(1),
    ):
        with pytest.raises(TypeError):
            act()


def test_points_cannot_be_changed():
    points = Points(1)
    for act in (
        lambda: setattr(points, "units", 2),
        lambda: setattr(points, "other", 2),
        lambda: delattr(points, "units"),
    ):
        with pytest.raises(AttributeError):
            act()
    assert points == 1


def test_points_finer_than_the_scale_have_no_units_there():
    assert Points("1.50").to_units(1) == 15
    assert Points("-1.50").to_units(1) == -15
    with pytest.raises(InvalidAmount):
        Points("1.55").to_units(1)
    for scale in (-1, 5, True, 1.0):
        with pytest.raises(InvalidAmount):
            Points("1.55").to_units(scale)


@pytest.mark.parametrize(("units", "scale"), [(1.0, 2), ("1", 2), (True, 2), (1, 5), (1, -1)])
def test_units_are_whole_numbers_at_a_scale_of_0_to_4(units, scale):
    with pytest.raises(InvalidAmount):
        Points.of_units(units, scale)


def test_points_follow_format_specs():
    assert f"{Points('1234.50')}" == "1234.50"
    assert f"{Points('1234.50'):>10}" == "   1234.50"
    assert f"{Points('1234.50'):,.1f}" == "1,234.5"
    assert f"{Points('5.00'):>6s}" == "  5.00"


def test_models_read_points_from_text_numbers_and_points_and_write_text():
    assert Slip(points="1.50").points == Points("1.50")
    assert Slip(points=Decimal(2)).points == 2
    assert Slip.model_validate_json('{"points": 3}').points == 3
    slip = Slip(points=Points("5.00"), most="0.01")
    assert slip.model_dump_json() == '{"points":"5.00","most":"0.01"}'
    assert slip.model_dump()["points"] == Points(5)
    assert Slip.model_validate_json(slip.model_dump_json()) == slip


@pytest.mark.parametrize("wrong", [{"points": 1.5}, {"points": "x"}, {"points": 1, "most": 0}])
def test_models_refuse_wrong_points_with_the_place_and_our_code(wrong):
    with pytest.raises(pydantic.ValidationError) as caught:
        Slip(**wrong)
    (error,) = caught.value.errors()
    assert error["type"] == "invalid_amount"
    assert error["loc"] == (list(wrong)[-1],)


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_json_schema_of_points_is_a_string_with_a_pattern(mode):
    shown = Slip.model_json_schema(mode=mode)["properties"]["points"]
    assert shown["type"] == "string"
    assert shown["pattern"] == r"^(-?[0-9]{1,13})(\.([0-9]{1,4}))?$"


class Account(pydantic.BaseModel):
    balance: values.PointsSum


def test_sums_are_not_bounded_and_come_back_from_json():
    large = Points(values.POINTS_MAX) + Points("0.01")
    assert Points.of_sum(str(large)) == large
    account = Account(balance=large)
    assert Account.model_validate_json(account.model_dump_json()) == account
    assert Account.model_json_schema()["properties"]["balance"]["type"] == "string"


@pytest.mark.parametrize("wrong", ["", "1e3", "1.23456", "9" * 31, 1.5, None])
def test_what_no_receipt_shows_is_no_sum(wrong):
    with pytest.raises(InvalidAmount):
        Points.of_sum(wrong)
    with pytest.raises(pydantic.ValidationError):
        Account(balance=wrong)


@pytest.mark.parametrize(
    ("minutes", "zh", "en"),
    [
        (1500, "25小时", "25 h 00 min"),
        (1530, "25小时30分钟", "25 h 30 min"),
        (45, "45分钟", "0 h 45 min"),
        (0, "0分钟", "0 h 00 min"),
        (-90, "-1小时30分钟", "-1 h 30 min"),
    ],
)
def test_minutes_read_as_hours(minutes, zh, en):
    assert values.format_minutes(minutes) == zh
    assert values.format_minutes(minutes, "en") == en


def test_never_is_the_last_day_of_the_calendar():
    assert date.max == values.NEVER


# --- printed numbers

BODIES = st.text(DIGITS, min_size=1, max_size=20)


@given(BODIES, st.data())
def test_every_single_wrong_digit_is_caught(body, data):
    number = body + str(values.check_digit_mod_11_10(body))
    place = data.draw(st.integers(0, len(number) - 1))
    digit = data.draw(st.sampled_from(DIGITS.replace(number[place], "")))
    wrong = number[:place] + digit + number[place + 1 :]
    assert str(values.check_digit_mod_11_10(wrong[:-1])) != wrong[-1]


@given(BODIES, st.data())
def test_swapped_neighbours_are_caught_unless_their_values_are_neighbours_too(body, data):
    number = body + str(values.check_digit_mod_11_10(body))
    place = data.draw(st.integers(0, len(number) - 2))
    one, other = number[place], number[place + 1]
    swapped = number[:place] + other + one + number[place + 2 :]
    passes = str(values.check_digit_mod_11_10(swapped[:-1])) == swapped[-1]
    if passes:  # nine and nought are neighbours, too
        assert abs(int(one) - int(other)) in (0, 1, 9)


def test_one_swap_in_45_passes_the_check_digit():
    missed = total = 0
    for body in range(1000):
        number = f"{body:03d}{values.check_digit_mod_11_10(f'{body:03d}')}"
        if number[1] != number[2]:
            swapped = number[0] + number[2] + number[1] + number[3]
            total += 1
            missed += str(values.check_digit_mod_11_10(swapped[:-1])) == swapped[-1]
    assert (missed, total) == (20, 900)


def test_the_check_digit_is_that_of_the_published_examples():
    assert values.check_digit_mod_11_10("0794") == 5  # ISO/IEC 7064, 7.2
    for wrong in ("", "12a", "１２", "-1"):
        with pytest.raises(InvalidNumber):
            values.check_digit_mod_11_10(wrong)


@given(st.integers(1000, 9999), st.integers(0, 9_999_999))
def test_account_numbers_are_read_as_they_are_printed(outlet_no, serial):
    number = values.compose_account_no(outlet_no, serial)
    shown = values.format_account_no(number)
    assert len(str(number)) == 12
    assert shown.startswith(f"{outlet_no} {serial:07d} ")
    for written in (number, str(number), shown, shown.replace(" ", "-"), f" {shown} "):
        assert values.parse_account_no(written) == number


@given(st.integers(0, 99_999_999))
def test_passbook_numbers_are_read_as_they_are_printed(index):
    number = values.compose_passbook_no(index)
    shown = values.format_passbook_no(number)
    assert shown.startswith(f"{index:08d} ")
    assert number // 10 == index
    assert values.parse_passbook_no(shown) == values.parse_passbook_no(number) == number


@pytest.mark.parametrize(
    "wrong",
    ["", "1002", "100200001230", "１００２００００１２３７", "1002_0000123_7", "0" * 12],
)
def test_wrong_account_numbers_are_refused(wrong):
    with pytest.raises(InvalidNumber):
        values.parse_account_no(wrong)


@pytest.mark.parametrize("wrong", [None, True, -1, 1.0, 10**12, 12, b"1"])
def test_what_is_no_number_is_no_account_number(wrong):
    for parse in (values.parse_account_no, values.parse_passbook_no):
        with pytest.raises(InvalidNumber):
            parse(wrong)


def test_a_telephone_number_in_place_of_an_account_number_is_not_repeated():
    with pytest.raises(InvalidNumber) as caught:
        values.parse_account_no("13812345678", field="payer")
    assert "13812345678" not in str(caught.value)
    assert "payer" in str(caught.value)


@pytest.mark.parametrize(("outlet_no", "serial"), [(999, 1), (10000, 1), (1000, 10**7), (1000, -1)])
def test_outlets_have_four_digits_and_serials_seven(outlet_no, serial):
    with pytest.raises(InvalidNumber):
        values.compose_account_no(outlet_no, serial)
    with pytest.raises(InvalidNumber):
        values.compose_passbook_no(10**8)


# --- texts


def clean(value: str, **limits: int) -> str:
    return values.clean_text(value, field="name", **{"length_max": 20, **limits})


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        (" 张三丰\u3000", "张三丰"),
        ("𠮷田", "𠮷田"),
        ("e\u0301", "é"),
        ("志愿者👨‍👩‍👧", "志愿者👨‍👩‍👧"),
    ],
)
def test_text_is_stripped_and_composed_and_rare_characters_stay(given_text, kept):
    assert clean(given_text) == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "  ",
        "\u200b",
        "a\nb",
        "a\n",
        "a\tb",
        "\x00",
        "\x85a",
        "a\u2028b",
        "a\u202eb",
        "a\u2066b",
        "\ud800",
        "字" * 21,
        "字" * 100_000,
        None,
        5,
        b"a",
    ],
)
def test_text_that_cannot_be_printed_is_refused(wrong):
    with pytest.raises(InvalidText):
        clean(wrong)


@given(st.text(max_size=40))
def test_cleaning_twice_changes_nothing(text):
    try:
        once = clean(text)
    except InvalidText as refused:
        str(refused).encode()
        return
    assert clean(once) == once
    assert 1 <= len(once) <= 20
    once.encode()


def test_an_empty_text_is_accepted_where_the_length_may_be_none():
    assert clean("  ", length_min=0) == ""
    with pytest.raises(InvalidText):
        clean("张", length_min=2)


def test_personal_text_is_not_shown_when_it_is_refused():
    with pytest.raises(InvalidText) as caught:
        values.clean_text("张三丰\n", field="name", length_max=20, personal=True)
    assert "张三丰" not in str(caught.value)


@pytest.mark.parametrize("code", ["sku-1", "助老_2.1", "a:b/c#7", "𠮷1"])
def test_codes_hold_letters_digits_and_chinese(code):
    assert values.clean_code(code, field="sku") == code


@pytest.mark.parametrize("code", ["", "a b", " a", "a ", "é", "１", "a,b", "a'b", "x" * 41, "a\n"])
def test_codes_hold_nothing_else(code):
    with pytest.raises(InvalidText):
        values.clean_code(code, field="sku")


@pytest.mark.parametrize(
    "leak",
    [
        "致电13812345678",
        "电话138 1234 5678。",
        "138-1234-5678",
        "+8613812345678",
        "008613812345678",
        "138\u200b12345678",
        "１３８１２３４５６７８",
        "身份证11010519491231002X补登",
        "512002 19900307 0012",
        "51200219900307001x",
    ],
)
def test_free_text_with_a_personal_number_is_refused_and_not_repeated(leak):
    with pytest.raises(InvalidText) as caught:
        values.lint_free_text(leak, "reason")
    assert leak not in str(caught.value)
    assert "reason" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["补登10月服务", "账号1002 0000123 7", "账号138000001237", "2022-10-31 打扫 120 分钟"]
)
def test_free_text_may_name_accounts_days_and_amounts(text):
    assert values.lint_free_text(text, "reason") == text


def test_a_refused_reason_is_never_shown():
    with pytest.raises(InvalidText) as caught:
        values.lint_free_text("13812345678\n", "reason")
    assert "138" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("张三丰", "张*丰"), ("张三", "张*"), ("欧阳修文", "欧**文"), ("张", "*"), ("", "")],
)
def test_names_are_masked_in_the_middle(name, shown):
    assert values.mask_name(name) == shown


def test_identity_and_telephone_numbers_are_masked():
    assert values.mask_identity("512002199003070012") == "512002********0012"
    assert values.mask_identity("E12345678") == "E1*****78"
    assert values.mask_identity("1234") == "****"
    assert values.mask_phone("13812345678") == "138****5678"
    assert values.mask_phone("2612345") == "****345"
    assert values.mask_phone("110") == "***"


@given(st.text(DIGITS, max_size=25))
def test_masking_hides_at_least_a_third_and_keeps_the_length(number):
    for mask in (values.mask_identity, values.mask_phone):
        shown = mask(number)
        assert len(shown) == len(number)
        assert shown.count("*") * 3 >= len(number)
