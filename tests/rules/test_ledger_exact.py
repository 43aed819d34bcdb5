"""复式账, to the letter: what a refusal says, what a row holds, and what a hash has always been."""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.errors import InvalidAmount
from gongyi_bank.rules.canonical import COLUMNS_FROM
from gongyi_bank.rules.ledger import (
    CREDITED_MAX,
    GENESIS_HASH,
    Head,
    Leg,
    Mark,
    Posting,
    head_matches,
    internal_kind,
    internal_no,
    line_hash,
    voucher_hash,
)
from gongyi_bank.values import NEVER, compose_account_no

ANNA, BELA = (compose_account_no(1003, serial) for serial in (1, 2))
ISSUED, TAKEN, EXPIRED = (internal_no(k, 1003) for k in ("issued", "store", "expired"))
TODAY, EARLIER = dt.date(2022, 10, 15), dt.date(2022, 9, 30)
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)
VOUCHER = b"v" * 16


def posting(*heads: Head) -> Posting:
    return Posting({head.account_no: head for head in heads}, VOUCHER, TODAY, NOON)


def test_an_account_of_more_digits_than_a_customers_is_a_pools() -> None:
    """From the very first number that no customer can have."""
    first = internal_no("pool", 0)
    assert (internal_kind(first - 1), internal_kind(first)) == (None, "pool")


# --- refusals ------------------------------------------------------------------------------

LIFE = "more than an account can be credited in its life"


@pytest.mark.parametrize(
    ("leg", "refusal"),
    [
        (Leg(ISSUED, ANNA, 0), InvalidAmount.of("points", "0.00", "it must be above zero")),
        (Leg(ISSUED, ANNA, -1), InvalidAmount.of("points", "-0.01", "it must be above zero")),
        (Leg(ISSUED, ANNA, 6), InvalidAmount.of("points", "0.06", LIFE)),
    ],
)
def test_a_refused_leg_says_its_amount_in_points_and_why(leg: Leg, refusal: InvalidAmount) -> None:
    made = posting(Head(ANNA, credited=CREDITED_MAX - 5))
    with pytest.raises(InvalidAmount) as caught:
        made.post(leg, Mark("service", TODAY, 1003, expires_on=NEVER))
    assert caught.value == refusal


@pytest.mark.parametrize("amount", [-1, 0, 3])
def test_nothing_but_what_is_held_is_captured(amount: int) -> None:
    head = Head(ANNA, credited=9, held=2)
    made = posting(head)
    with pytest.raises(ValueError, match=r"^only what is held can be captured$"):
        made.capture(head, Leg(ANNA, TAKEN, amount), Mark("capture", TODAY, 1003))
    assert (head.held, head.debited, made.lines) == (2, 0, [])


# --- rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [1, 2])
def test_a_capture_is_one_line_to_whoever_was_promised_it(amount: int) -> None:
    head = Head(ANNA, credited=9, held=2, line_no=3)
    made = posting(head)
    made.capture(head, Leg(ANNA, TAKEN, amount), Mark("capture", EARLIER, 1003, 5))
    assert made.lines == [
        (
            ANNA, 4, "capture", -amount, TAKEN, 9, amount, None, EARLIER, None, NOON, TODAY, 1003,
            VOUCHER, 5,
        )
    ]  # fmt: skip
    assert (head.held, head.debited) == (2 - amount, amount)


def test_an_expiry_line_belongs_to_today_and_to_the_outlet_where_something_is_done() -> None:
    head = Head(ANNA, credited=9, dead_no=2)
    made = posting(head)
    made.post(Leg(ISSUED, ANNA, 1), Mark("service", EARLIER, 1003, 5, NEVER))
    assert made.lines[0] == (
        ANNA, 1, "expiry", -2, EXPIRED, 9, 2, None, TODAY, None, NOON, TODAY, 1003, VOUCHER, None,
    )  # fmt: skip


def test_taking_a_credit_back_lets_older_points_expire_first() -> None:
    head = Head(ANNA, credited=9, dead_no=2)
    made = posting(head)
    made.take_back(Leg(ANNA, ISSUED, 7), Mark("reversal", TODAY, 1003))
    assert [line[2:5] for line in made.lines] == [
        ("expiry", -2, EXPIRED), ("reversal", -7, ISSUED),
    ]  # fmt: skip
    assert made.outlet_nos() == {1003}


def test_a_capture_lets_older_points_expire_first_at_the_outlet_of_the_capture() -> None:
    head = Head(ANNA, credited=9, held=2, dead_no=5)
    made = posting(head)
    made.capture(head, Leg(ANNA, TAKEN, 2), Mark("capture", TODAY, 1003))
    assert [line[2:5] for line in made.lines] == [("expiry", -3, EXPIRED), ("capture", -2, TAKEN)]


@pytest.mark.parametrize("amount", [1, 2])
def test_giver_and_receiver_read_each_in_their_own_words_what_happened(amount: int) -> None:
    made = posting(Head(ANNA, credited=2), Head(BELA))
    mark = Mark("gift_out", TODAY, 1003, expires_on=NEVER, target_kind="gift_in")
    made.post(Leg(ANNA, BELA, amount), mark)
    assert [line[2] for line in made.lines] == ["gift_out", "gift_in"]


def test_the_outlets_of_a_posting_are_those_of_its_lines_and_of_its_moves() -> None:
    made = posting(Head(ANNA))
    assert made.outlet_nos() == set()
    made.post(Leg(ISSUED, ANNA, 1), Mark("service", TODAY, 1003, expires_on=NEVER))
    assert made.outlet_nos() == {1003}
    made.post(Leg(ISSUED, TAKEN, 1), Mark("service", TODAY, 1004))
    assert made.outlet_nos() == {1003, 1004}


@pytest.mark.parametrize("missing", [BELA, internal_no("pool", 1)])
def test_no_leg_is_booked_on_one_side_alone(missing: int) -> None:
    """A pool opened while its code was looked up had no locked head: the points were lost."""
    made = posting(Head(ANNA, credited=2))
    mark = Mark("donation_out", TODAY, 1003, expires_on=NEVER)
    with pytest.raises(ValueError, match="floor"):
        made.post(Leg(ANNA, missing, 1), mark)
    with pytest.raises(ValueError, match="floor"):
        made.post(Leg(missing, ANNA, 1), mark)
    with pytest.raises(ValueError, match="floor"):
        made.take_back(Leg(ANNA, missing, 1), mark)
    assert (made.lines, made.moves, made.heads[ANNA].balance) == ([], [], 2)


# --- hashes --------------------------------------------------------------------------------

CONTENT = (
    ANNA, 1, "service", 150, ISSUED, 150, 0, NEVER, TODAY, None, NOON, TODAY, 1003, VOUCHER, 3,
)  # fmt: skip
KEY = b"k" * 16


@pytest.mark.parametrize(
    ("seal_key", "line", "voucher"),
    [
        (
            None,
            "38a73c174cf52cf2f138d29784c60278bc8f864bcffc5b2ab1ad0b5c70dac897",
            "6707b11af8b184cdac80c1f398bb4308e5236f211a87f8c1e48cc4de103caafc",
        ),
        (
            KEY,
            "31fab7cc01556d77045fdf1c7016d25259e4dc91422bd0a89b0fc5b94c66b698",
            "7f6c44e34106a2ac35d6f73662852caf416cfe54139287b9d61a53669ee8cbe8",
        ),
    ],
)
def test_books_that_were_written_once_keep_their_hashes_in_every_later_version(
    seal_key: bytes | None, line: str, voucher: str
) -> None:
    cited = voucher_hash(1, (VOUCHER, "hours.record", "K", TODAY, NOON, None), seal_key)
    assert cited.hex() == voucher
    assert line_hash(GENESIS_HASH, CONTENT, cited, seal_key).hex() == line


def test_a_bank_with_a_seal_key_seals_its_lines_with_it() -> None:
    made = posting(Head(ANNA))
    made.post(Leg(ISSUED, ANNA, 1), Mark("service", TODAY, 1003, expires_on=NEVER))
    (sealed,) = made.sealed_lines(bytes(32), KEY)
    assert sealed[-1] == line_hash(GENESIS_HASH, made.lines[0], bytes(32), KEY)


@pytest.mark.parametrize("seal_key", [None, KEY])
@pytest.mark.parametrize("count", [COLUMNS_FROM - 1, COLUMNS_FROM, COLUMNS_FROM + 3])
def test_many_lines_have_the_hashes_that_each_has_alone(count: int, seal_key: bytes | None) -> None:
    made = posting(Head(ANNA), Head(BELA))
    mark = Mark("service", TODAY, 1003, expires_on=NEVER)
    for number in range(count):
        made.post(Leg(ISSUED, ANNA if number % 3 else BELA, number + 1), mark)
    newest = {ANNA: GENESIS_HASH, BELA: GENESIS_HASH}
    sealed = made.sealed_lines(VOUCHER * 2, seal_key)
    for line in sealed:
        newest[line[0]] = line_hash(newest[line[0]], line[:-1], VOUCHER * 2, seal_key)
        assert line[-1] == newest[line[0]]
    assert len(sealed) == count
    assert {no: head.head_hash for no, head in made.heads.items()} == newest


# --- heads ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "is_sound"),
    [
        (Head(ANNA, credited=10, debited=6, held=4), True),
        (Head(ANNA, credited=10, debited=6, held=5), False),
        (Head(ANNA, credited=10, debited=6, held=5, overdraft_limit=1), True),
        (Head(ANNA, credited=10, debited=6, held=5, debt=1), True),
        (Head(ANNA, credited=10, debited=6, held=7, debt=1, overdraft_limit=1), False),
    ],
)
def test_no_more_is_taken_or_held_than_there_was_may_be_overdrawn_and_is_owed(
    head: Head, is_sound: bool
) -> None:
    assert head_matches(head) is is_sound


def test_the_next_act_of_a_call_takes_what_this_one_wrote_for_loaded() -> None:
    head = Head(ANNA, line_no=5, record_no=4, held=3, is_touched=True)
    head.go_on(head.dates)
    assert (head.seen_line_no, head.seen_record_no, head.seen_held) == (5, 4, 3)
    assert not head.is_changed


def test_dates_that_an_act_left_alone_are_the_next_ones_as_loaded() -> None:
    head = Head(ANNA, dead_no=2, next_expiry_on=TODAY, next_expiry_line_no=1)
    head.go_on(head.dates)
    assert head.seen_expiry == (2, TODAY, 1)


def test_dates_that_an_act_forgot_are_found_again_for_the_next_one() -> None:
    head = Head(ANNA, dead_no=0, next_expiry_on=EARLIER, next_expiry_line_no=1)
    head.go_on((2, TODAY, 2))
    assert head.dates == (2, TODAY, 2)
    assert head.seen_expiry is None


@pytest.mark.parametrize(
    ("loaded", "found_again"),
    [
        (None, (3, EARLIER, 1)),
        ((2, NEVER, 0), (3, EARLIER, 1)),
        ((2, EARLIER, 7), (2, EARLIER, 7)),
    ],
)
def test_what_comes_back_past_its_date_is_of_no_use_and_is_found_again_by_its_date(
    loaded: tuple[int, dt.date, int] | None, found_again: tuple[int, dt.date, int]
) -> None:
    head = Head(ANNA, credited=5, debited=5, dead_no=3, seen_expiry=loaded)
    posting(head).post(Leg(TAKEN, ANNA, 4), Mark("reversal", TODAY, 1003, expires_on=EARLIER))
    assert (head.available, head.expirable, head.dates) == (0, 4, (9, NEVER, 0))
    assert head.seen_expiry == found_again
    head.keep_dates(head.booked_at)
    assert head.dates == found_again


def test_what_comes_back_on_its_last_day_may_still_be_spent() -> None:
    head = Head(ANNA, credited=5, debited=5)
    posting(head).post(Leg(TAKEN, ANNA, 4), Mark("reversal", TODAY, 1003, expires_on=TODAY))
    assert (head.available, head.dates, head.seen_expiry) == (4, (0, TODAY, 1), None)
