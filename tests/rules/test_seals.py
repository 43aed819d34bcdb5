"""The Merkle tree is that of RFC 6962, paths lead from every leaf to the root and no other."""

from __future__ import annotations

import datetime as dt
import hashlib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.rules.seals import (
    EMPTY_ROOT,
    FIRST_PREVIOUS,
    MerkleRoot,
    MerkleTree,
    claim_text,
    claims_differ,
    day_floor,
    is_included,
    leaf_content,
    leaf_hash,
    leaf_hashes,
    node_hash,
    row_ends,
    row_number,
    row_numbers,
    seal_hash,
    voucher_day,
    voucher_floor,
    voucher_moment,
)
from gongyi_bank.values import new_uuid7

SHANGHAI = ZoneInfo("Asia/Shanghai")
LEAVES = st.lists(st.binary(max_size=20), max_size=70)
#: The eight inputs of certificate-transparency's reference tests, and their roots by size.
REFERENCE = (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def tree_of(contents: list[bytes], watched: int | None = None) -> MerkleTree:
    tree = MerkleTree()
    for number, content in enumerate(contents):
        tree.add(leaf_hash(content), is_watched=number == watched)
    return tree


def root_by_definition(contents: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not contents:
        return hashlib.sha256().digest()
    if len(contents) == 1:
        return hashlib.sha256(b"\0" + contents[0]).digest()
    split = 1
    while split * 2 < len(contents):
        split *= 2
    left, right = root_by_definition(contents[:split]), root_by_definition(contents[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


@pytest.mark.parametrize("size", ROOTS)
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    contents = [bytes.fromhex(text) for text in REFERENCE[:size]]
    assert tree_of(contents).root().hex() == ROOTS[size]


@given(LEAVES)
def test_the_root_is_that_of_the_definition(contents: list[bytes]) -> None:
    tree = tree_of(contents)
    assert tree.root() == root_by_definition(contents)
    assert tree.count == len(contents)


@given(LEAVES.filter(bool), st.data())
def test_the_path_of_every_leaf_leads_to_the_root(
    contents: list[bytes], data: st.DataObject
) -> None:
    watched = data.draw(st.integers(0, len(contents) - 1))
    tree = tree_of(contents, watched)
    path, root = tree.path(), tree.root()
    assert is_included(contents[watched], path, root)
    assert tree.path() == path, "asking twice changes nothing"
    assert not is_included(contents[watched] + b"x", path, root)
    if path:
        side = path[-1][0]
        assert not is_included(contents[watched], path[:-1], root)
        assert not is_included(contents[watched], [*path[:-1], (side, bytes(32))], root)


@given(LEAVES, LEAVES)
def test_other_leaves_give_another_root(first: list[bytes], second: list[bytes]) -> None:
    assert (tree_of(first).root() == tree_of(second).root()) == (first == second)


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert tree_of([b"a", b"b"]).root() == node_hash(left, right)
    assert tree_of([left + right]).root() != node_hash(left, right)
    assert MerkleTree().root() == EMPTY_ROOT


def test_a_leaf_names_its_bank_and_its_table() -> None:
    contents = {
        leaf_content(bank, table, values)
        for bank in (1, 2)
        for table in ("hold", "redemption")
        for values in ((1, "a"), (1, "b"), (1, None), ("1", "a"))
    }
    assert len(contents) == 16


FIELDS = (1, 1, dt.date(2022, 10, 15), bytes(32), "{}", bytes(16))


@pytest.mark.parametrize("place", range(6))
def test_a_seals_hash_covers_every_field(place: int) -> None:
    others = (2, 2, dt.date(2022, 10, 16), b"\1" * 32, '{"hold":1}', b"\1" * 16)
    changed = (*FIELDS[:place], others[place], *FIELDS[place + 1 :])
    assert seal_hash(1, FIRST_PREVIOUS, FIELDS, None) != seal_hash(1, FIRST_PREVIOUS, changed, None)


@pytest.mark.parametrize(
    ("seal_key", "seal"),
    [
        (None, "6eb907cc79fa18ccec04ddd01bfd75067615e0d566d391f66419af5ca504762a"),
        (b"k" * 16, "f245cd1a56f4d2a51d01a176858a6ce2fc5d3774cb9434a83ca028c806a23e50"),
    ],
)
def test_what_was_sealed_once_keeps_its_hashes_in_every_later_version(
    seal_key: bytes | None, seal: str
) -> None:
    content = leaf_content(1, "hold", (1, "a", None, dt.date(2022, 10, 15), b"x"))
    assert content == b"gb1;i1;i1;s4:hold;i1;s1:a;n;d2022-10-15;b1:78;"
    assert seal_hash(1, FIRST_PREVIOUS, FIELDS, seal_key).hex() == seal


def test_a_path_says_on_which_side_the_other_half_stands() -> None:
    a, b, c = (leaf_hash(content) for content in (b"a", b"b", b"c"))
    assert tree_of([b"a", b"b", b"c"], 0).path() == [("right", b), ("right", c)]
    assert tree_of([b"a", b"b", b"c"], 1).path() == [("left", a), ("right", c)]
    assert tree_of([b"a", b"b", b"c"], 2).path() == [("left", node_hash(a, b))]


def test_a_tree_that_follows_no_leaf_knows_no_path() -> None:
    tree = MerkleTree()
    for content in (b"a", b"b", b"c"):
        tree.add(leaf_hash(content))
    assert tree.path() == []


def test_a_seals_hash_covers_the_seal_before_it_the_bank_and_the_key() -> None:
    hashes = {
        seal_hash(bank, previous, FIELDS, key)
        for bank in (1, 2)
        for previous in (FIRST_PREVIOUS, b"\1" * 32)
        for key in (None, b"k" * 16, b"l" * 16)
    }
    assert len(hashes) == 12


@given(st.lists(st.binary(max_size=9)), st.sampled_from([None, b"k" * 16]))
def test_a_claim_is_the_same_in_any_order(contents: list[bytes], key: bytes | None) -> None:
    numbers = [row_number(content, key) for content in contents]
    claim = claim_text(numbers)
    assert claim == claim_text(reversed(numbers))
    assert len(claim) == 64
    assert not claims_differ(sum(numbers), int(claim, 16))
    assert claims_differ(sum(numbers) + 1, int(claim, 16))


def test_a_row_counts_otherwise_under_another_key() -> None:
    assert len({row_number(b"row", key) for key in (None, b"k" * 16, b"l" * 16)}) == 3


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2022-10-15T15:59:59.999999+00:00", "2022-10-15"),
        ("2022-10-15T16:00:00+00:00", "2022-10-16"),
        ("2022-10-15T16:00:00.000999+00:00", "2022-10-16"),
    ],
)
def test_a_voucher_tells_its_business_day_by_its_id(moment: str, day: str) -> None:
    made = dt.datetime.fromisoformat(moment)
    voucher_id = new_uuid7(made, bytes(10))
    expected = dt.date.fromisoformat(day)
    assert voucher_day(voucher_id, SHANGHAI) == expected
    assert day_floor(expected, SHANGHAI) <= voucher_id
    assert voucher_id < day_floor(expected + dt.timedelta(days=1), SHANGHAI)
    assert dt.timedelta(0) <= made - voucher_moment(voucher_id) < dt.timedelta(milliseconds=1)


def test_an_id_that_no_calendar_has_counts_as_the_end_of_it() -> None:
    assert voucher_moment(b"\xff" * 16) == dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
    assert voucher_day(b"\xff" * 16, SHANGHAI) == dt.date(9999, 1, 1)


def test_before_1970_nothing_is_below_the_first_voucher() -> None:
    assert voucher_floor(dt.datetime(1900, 1, 1, tzinfo=dt.UTC)) == bytes(16)


# --- many leaves at once -------------------------------------------------------------------


@given(st.lists(LEAVES, max_size=6))
def test_leaves_that_come_many_at_a_time_give_the_same_root(batches: list[list[bytes]]) -> None:
    root = MerkleRoot()
    for contents in batches:
        root.add([leaf_hash(content) for content in contents])
    assert root.root() == root_by_definition([one for contents in batches for one in contents])


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
MOMENTS = st.integers(0, 10**10).map(lambda second: dt.datetime.fromtimestamp(second, SHANGHAI))
KINDS = (st.integers(), TEXTS, st.binary(max_size=4), st.dates(), MOMENTS, st.none())


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[object, ...]]:
    """Rows of columns that hold one type, some of them nothing here and there, or anything."""
    columns = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    cells = [draw(st.sampled_from([kind, kind | st.none(), st.one_of(*KINDS)])) for kind in columns]
    return draw(st.lists(st.tuples(*cells), min_size=1, max_size=6))


@given(tables(), tables())
def test_columns_hashed_together_are_the_leaves_of_their_rows(
    rows: list[tuple[object, ...]], more: list[tuple[object, ...]]
) -> None:
    rows, more = rows[: len(more)], more[: len(rows)]
    columns, ends = (list(zip(*part, strict=True)) for part in (rows, more))
    alone = [leaf_hash(leaf_content(7, "part", row)) for row in rows]
    assert leaf_hashes(7, "part", columns) == alone
    together = zip(rows, more, strict=True)
    longer = [leaf_hash(leaf_content(7, "part", (*row, *end))) for row, end in together]
    assert leaf_hashes(7, "part", columns, row_ends(ends)) == longer


def test_equal_moments_an_hour_apart_are_different_leaves() -> None:
    """Python calls two moments of one zone equal in the hour that the clock repeats."""
    berlin = ZoneInfo("Europe/Berlin")
    moment = dt.datetime(2022, 10, 30, 2, 30, tzinfo=berlin)
    one, other = leaf_hashes(1, "line", [[moment, moment.replace(fold=1)]])
    assert one != other


@pytest.mark.parametrize("seal_key", [None, b"k" * 16])
def test_rows_given_by_their_columns_have_the_numbers_that_each_has_alone(
    seal_key: bytes | None,
) -> None:
    rows = [(1, "a", None), (2, "b", b"x"), (3, "粮", b"")]
    alone = [row_number(leaf_content(7, "hold", row), seal_key) for row in rows]
    assert list(row_numbers(7, "hold", list(zip(*rows, strict=True)), seal_key)) == alone
    columns = list(zip(*(row[:2] for row in rows), strict=True))
    ends = row_ends([[row[2] for row in rows]])
    assert list(row_numbers(7, "hold", columns, seal_key, ends)) == alone
