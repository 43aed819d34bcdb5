"""The strategies: they draw what they say, shrink to the plainest, and name a wrong argument."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.bank import Bank
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.errors import GongyiBankError, InvalidAmount, InvalidValue
from gongyi_bank.identities import birth_date_of, check_identity_no
from gongyi_bank.policies import POLICIES, HourLimits, PointsExpiry, Policy, Tariff, VolunteerStars
from gongyi_bank.takeover.reading import Line, open_sheet
from gongyi_bank.takeover.report import RowProblem
from gongyi_bank.takeover.story import service_columns
from gongyi_bank.testing import SMALL_CAST, Cast, Story, assert_sound, small_district
from gongyi_bank.testing import strategies as gb
from gongyi_bank.testing.clock import SHANGHAI
from gongyi_bank.testing.strategies.services import _REFUSED
from gongyi_bank.values import Points, clean_code, clean_text, parse_account_no, parse_passbook_no
from tests.books import counts

QUICK = settings(max_examples=2000, database=None, phases=[Phase.generate, Phase.shrink])


def plainest(strategy: SearchStrategy[Any], wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    return find(strategy, wanted, settings=QUICK)


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """A small district in memory, two weeks later."""
    made = small_district("sqlite://").day("2022-10-20")
    yield made
    assert_sound(made.bank)
    made.bank.close()


def district_of(tree: Any) -> Bank:
    bank = Bank.found("sqlite://")
    bank.outlets.open(outlets=tree)
    return bank


# --- people ------------------------------------------------------------------------------------


@given(gb.identity_numbers())
def test_identity_numbers_are_right_and_nobodys(number: str) -> None:
    assert check_identity_no("resident_id", number) == number
    assert number.startswith("9900")


def test_identity_numbers_end_in_x_too_and_keep_to_their_years() -> None:
    assert plainest(gb.identity_numbers(), lambda number: number.endswith("X"))
    day = dt.date(1960, 2, 29)
    assert birth_date_of(plainest(gb.identity_numbers(born_from=day, born_until=day))) == day


@given(gb.wrong_identity_numbers())
def test_wrong_identity_numbers_are_refused(number: str) -> None:
    with pytest.raises(InvalidValue):
        check_identity_no("resident_id", number)


@given(gb.names(length_max=4), gb.phone_numbers(), gb.codes(length_max=9))
def test_names_telephones_and_codes_are_kept_as_they_are(name: str, phone: str, code: str) -> None:
    assert clean_text(name, field="name", length_max=4) == name
    assert len(phone) == 11
    assert clean_code(code, field="code", length_max=9) == code


def test_names_have_characters_of_four_bytes() -> None:
    rare = plainest(gb.names(), lambda name: any(ord(sign) > 0xFFFF for sign in name))
    assert len(rare) == 2


@given(st.lists(gb.customers(["B01S01", "B01S02"]), min_size=1, max_size=4))
@settings(max_examples=15)
def test_customers_can_be_registered(new: list[Any]) -> None:
    for one in new:
        if one.document_no is not None:
            assert birth_date_of(one.document_no) == one.birth_on
    documents = [one.document_no for one in new if one.document_no]
    with _STORY.bank.simulate() as counter:
        if len(documents) == len(set(documents)):
            assert len(counter.customers.register(customers=tuple(new)).accounts) == len(new)


#: For tests that change nothing in it.
_STORY = small_district("sqlite://")


def test_the_plainest_customer_is_zhang_san_with_nothing_else_known() -> None:
    found = plainest(gb.customers(["S1", "S2"], refs=gb.codes()))
    shown = found.model_dump(exclude_none=True)
    assert shown == {"kind": "volunteer", "outlet": "S1", "name": "张三", "ref": "0"}


# --- the house, amounts, policies --------------------------------------------------------------


@given(gb.outlet_trees(branches_min=0, savings_branches_max=2))
@settings(max_examples=10)
def test_outlet_trees_can_be_opened(tree: Any) -> None:
    if tree:
        with _STORY.bank.simulate() as counter:
            new = [one.model_copy(update={"code": f"N{one.code}"}) for one in tree]
            parents = [one.parent if one.parent == "H" else f"N{one.parent}" for one in new]
            new = [
                one.model_copy(update={"parent": parent})
                for one, parent in zip(new, parents, strict=True)
            ]
            assert len(counter.outlets.open(outlets=tuple(new)).codes) == len(tree)


def test_the_plainest_tree_has_as_few_outlets_as_are_asked_for() -> None:
    assert [one.code for one in plainest(gb.outlet_trees())] == ["B01"]
    tree = plainest(gb.outlet_trees(branches_min=2, savings_branches_min=1))
    assert [(one.code, one.parent) for one in tree] == [
        ("B01", "H"), ("B01S01", "B01"), ("B02", "H"), ("B02S01", "B02"),
    ]  # fmt: skip
    assert {one.setting for one in tree} == {"urban"}


@given(gb.passbook_numbers(), gb.account_numbers())
def test_printed_numbers_have_right_check_digits(book: int, account: int) -> None:
    assert parse_passbook_no(book) == book
    assert parse_account_no(account) == account


@given(gb.points("-1.5", 20, scale=1))
def test_points_keep_to_their_bounds(amount: Points) -> None:
    assert Points("-1.5") <= amount <= Points(20)
    assert amount.scale == 1


@given(gb.bad_amounts())
def test_bad_amounts_are_refused(value: Any) -> None:
    with pytest.raises(InvalidAmount):
        Points(value)


@pytest.mark.parametrize("kind", POLICIES.values())
def test_the_plainest_policy_is_the_one_that_ships(kind: type[Policy]) -> None:
    assert plainest(gb.policies(kind)) == kind()


@given(gb.policies())
@settings(max_examples=60)
def test_policies_of_every_kind_can_be_adopted(policy: Policy) -> None:
    assert type(policy).model_validate_json(policy.model_dump_json()) == policy
    with _STORY.bank.simulate() as counter:
        day = dt.date(2023, 1, 1)
        assert counter.policies.adopt(policy=policy, effective_on=day).kind == policy.kind


def test_both_bounds_of_a_field_are_drawn_and_the_rest_is_as_it_ships() -> None:
    for minutes in (1, 1440):
        found = plainest(gb.policies(HourLimits), lambda p, m=minutes: p.daily_minutes_free == m)
        assert found == HourLimits(daily_minutes_free=minutes)
    assert plainest(gb.policies(VolunteerStars), lambda p: len(p.hours) == 1).hours == (1,)
    for mode in ("none", "months", "calendar_years"):
        assert plainest(gb.policies(PointsExpiry), lambda p, m=mode: p.mode == m).length == 0


def test_tariffs_have_the_first_category_and_shrink_to_it() -> None:
    found = plainest(gb.tariffs(["a", "b"]))
    assert [(rate.category, rate.points_per_hour) for rate in found.rates] == [("a", Points(0))]
    both = plainest(gb.tariffs(["a", "b"]), lambda tariff: len(tariff.rates) == 2)
    assert isinstance(both, Tariff)


# --- services ----------------------------------------------------------------------------------


@given(st.lists(gb.service_rows(days=10), min_size=1, max_size=3))
@settings(max_examples=25)
def test_service_rows_are_recorded_unless_they_overlap(rows: list[ServiceRow]) -> None:
    with _STORY.bank.at(dt.datetime(2022, 10, 20, tzinfo=SHANGHAI)).simulate() as counter:
        done = counter.hours.record_many(rows=tuple(rows))
    assert {outcome.error.code for outcome in done.refused if outcome.error} <= {"overlap"}
    assert done.outcomes[0].error is None


def test_the_plainest_service_is_the_first_minute_of_the_first_customer() -> None:
    found = plainest(gb.service_rows())
    assert (found.account, found.started_at) == (SMALL_CAST.accounts[0], SMALL_CAST.begins_at)
    assert found.ended_at - found.started_at == dt.timedelta(minutes=1)
    assert (found.project, found.client_rating, found.ref) == (None, None, None)


def refusal_of(bank: Bank, fields: Any) -> str | None:
    """The code of the refusal, of the row itself or of the bank."""
    try:
        done = bank.hours.record_many(rows=(ServiceRow(**fields),))
    except InvalidValue as error:
        return error.code
    return done.refused[0].error.code if done.refused else None


@pytest.mark.parametrize("code", gb.SERVICE_FAULTS)
def test_a_bad_row_is_refused_with_its_code_and_writes_nothing(story: Story, code: str) -> None:
    before = counts(story.bank)

    @given(gb.bad_service_rows(now=story.now, codes=[code]))
    @settings(max_examples=12, database=None)
    def run(bad: gb.BadRow) -> None:
        assert (bad.code, bad.is_unmade) == (code, code not in _REFUSED)
        assert refusal_of(story.bank, bad.fields) == code

    run()
    assert counts(story.bank) == before


@given(st.lists(gb.service_cells(["C1", "𠮷2"]), max_size=4), st.lists(
    gb.bad_service_cells(["C1"]), max_size=4))  # fmt: skip
@settings(max_examples=25)
def test_cells_are_read_by_the_importer_and_bad_ones_named(
    tmp_path_factory: pytest.TempPathFactory, good: list[Any], bad: list[Any]
) -> None:
    file: Path = tmp_path_factory.mktemp("cells") / "services.csv"
    file.write_text(gb.csv_text([*good, *(cells for cells, _ in bad)]), "utf-8")
    rows = list(open_sheet(file, service_columns(SHANGHAI)).rows())
    read = [row for row in rows if isinstance(row, Line)]
    refused = [row for row in rows if isinstance(row, RowProblem)]
    assert [row.cells for row in read] == good
    assert [row.column for row in refused] == [column for _, column in bad]


# --- the alliance ------------------------------------------------------------------------------


@given(gb.stores(["B01S01"]), gb.offers(["P01"]))
@settings(max_examples=15)
def test_stores_and_offers_are_taken(store: Any, offer: Any) -> None:
    with _STORY.bank.simulate() as counter:
        if store.code != "P001":
            counter.stores.recruit(stores=(store,))
        counter.stores.publish_offers(offers=(offer,))


@given(gb.redemption_requests(), gb.redemption_rows())
@settings(max_examples=25)
def test_redemptions_are_done_or_refused_for_want_of_points_or_goods(wish: Any, row: Any) -> None:
    with _STORY.bank.simulate() as counter:
        done = counter.redemptions.redeem_many(rows=(row,))
        codes = {outcome.error.code for outcome in done.refused if outcome.error}
        try:
            counter.execute(wish)
        except GongyiBankError as refusal:
            codes.add(refusal.code)
    assert codes <= {"insufficient_points", "out_of_stock"}


def test_the_plainest_wish_is_one_piece_of_the_first_article() -> None:
    found = plainest(gb.redemption_requests())
    assert found.act == "redemptions.redeem"
    assert (found.account, found.sku, found.quantity) == (SMALL_CAST.accounts[0], "SOAP", 1)
    offer = plainest(gb.offers(["P7"]))
    assert (offer.store, offer.sku, offer.points, offer.stock) == (
        "P7", "SKU-001", Points("0.01"), 0,
    )  # fmt: skip


# --- arguments ---------------------------------------------------------------------------------

NOBODY = Cast(accounts=(), service_points=(), begins_at=SMALL_CAST.begins_at)
NOW = SMALL_CAST.begins_at
WRONG: dict[str, Callable[[], Any]] = {
    "length_max": lambda: gb.names(length_max=1),
    "born_until": lambda: gb.identity_numbers(
        born_from=dt.date(2000, 1, 2), born_until=dt.date(2000, 1, 1)
    ),
    "born_from": lambda: gb.identity_numbers(born_from=NOW),
    "outlets": lambda: gb.customers(["a b"]),
    "documents": lambda: gb.customers(documents="no"),  # type: ignore[arg-type]
    "refs": lambda: gb.service_rows(refs=["V1"]),  # type: ignore[arg-type]
    "cast": lambda: gb.histories("small"),  # type: ignore[arg-type]
    "points_max": lambda: gb.offers(points_max=0),
    "points_per_hour_max": lambda: gb.tariffs(points_per_hour_max=-1),
    "kinds": lambda: gb.customers(["S"], kinds=["cat"]),
    "branches_max": lambda: gb.outlet_trees(branches_min=3, branches_max=2),
    "savings_branches_min": lambda: gb.outlet_trees(savings_branches_min=-1),
    "head_office": lambda: gb.outlet_trees(head_office="a b"),
    "serial_max": lambda: gb.passbook_numbers(serial_max=10**9),
    "outlet_no_min": lambda: gb.account_numbers(outlet_no_min=True),
    "max_value": lambda: gb.points(2, 1),
    "min_value": lambda: gb.points("0.001"),
    "scale": lambda: gb.points(scale=5),
    "categories": lambda: gb.tariffs("service"),
    "cast.accounts": lambda: gb.service_rows(NOBODY),
    "days": lambda: gb.service_rows(days=0),
    "minutes_max": lambda: gb.service_rows(minutes_min=61, minutes_max=60),
    "codes": lambda: gb.bad_service_rows(now=NOW, codes=["gone"]),
    "now": lambda: gb.bad_service_rows(now=NOW.replace(tzinfo=None)),
    "customer_refs": lambda: gb.service_cells([]),
    "zone": lambda: gb.bad_service_cells(["C1"], zone="Asia/Shanghai"),  # type: ignore[arg-type]
    "recruited_by": lambda: gb.stores("B01S01"),
    "stores": lambda: gb.offers(["P01", "P01"]),
    "stock_max": lambda: gb.offers(stock_max=-1),
    "quantity_max": lambda: gb.redemption_requests(quantity_max=0),
    "acts": lambda: gb.histories(acts=["bank.rob"]),
    "steps_max": lambda: gb.histories(steps_min=5, steps_max=4),
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_argument_is_named_when_the_strategy_is_made(argument: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        WRONG[argument]()
    assert caught.value.facts["field"] == argument


@pytest.mark.parametrize("root", ["B01", "B99", "B01S01"])
def test_a_head_office_does_not_have_the_code_of_what_will_be_below_it(root: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        gb.outlet_trees(head_office=root)
    assert caught.value.facts["field"] == "head_office"


@pytest.mark.parametrize("year", [1, 999, 1000, 1799])
def test_nobody_with_an_identity_number_was_born_before_there_were_any(year: int) -> None:
    with pytest.raises(InvalidValue) as caught:
        gb.identity_numbers(born_from=dt.date(year, 12, 31))
    assert caught.value.facts["field"] == "born_from"


MAKERS: list[Callable[..., Any]] = [gb.service_rows, gb.customers, gb.redemption_rows]


@pytest.mark.parametrize("made", MAKERS)
@pytest.mark.parametrize(
    "refs", [st.text(), st.integers(), st.nothing(), st.none(), gb.codes().filter(lambda _: False)]
)
def test_refs_that_are_none_are_refused_when_the_strategy_is_made(
    made: Callable[..., Any], refs: SearchStrategy[Any]
) -> None:
    with pytest.raises(InvalidValue) as caught:
        made(refs=refs)
    assert caught.value.facts["field"] == "refs"


@pytest.mark.parametrize("made", MAKERS)
def test_refs_that_are_none_now_and_then_are_named_when_they_are_drawn(
    made: Callable[..., Any],
) -> None:
    rows = made(refs=st.sampled_from(["V1", "V 2"]))
    with pytest.raises(InvalidValue) as caught:
        plainest(rows, lambda row: row.ref == "V2")
    assert caught.value.facts["field"] == "refs"


@given(st.data())
@settings(max_examples=3)
def test_a_strategy_with_refs_can_be_made_while_another_is_drawn(data: st.DataObject) -> None:
    assert data.draw(gb.service_rows(refs=gb.codes())).ref
    with pytest.raises(InvalidValue, match="refs"):
        gb.service_rows(refs=st.nothing())


def test_a_policy_of_no_known_kind_is_refused() -> None:
    with pytest.raises(InvalidValue, match="kinds"):
        gb.policies(dict)  # type: ignore[type-var]
