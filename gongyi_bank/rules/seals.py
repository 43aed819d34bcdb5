"""封账的规则: what a seal's root covers, how a line is proved against it, and row claims.

Pure. The rows of the sealed days are the leaves of a Merkle tree as in RFC 6962 (leaves are
hashed with 0x00 before them, nodes with 0x01, so that no leaf can pass for a node). The root
is plain SHA-256, since a stranger must be able to recompute it; the seal's own hash is keyed
where the bank has a seal key, and covers the root and the seal before it.

A claim is what a voucher says about the rows written under it: the sum of their hashes, in
any order, so that an audit needs no memory for it. It makes a change show before any seal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final, Literal

from gongyi_bank.periods import business_day
from gongyi_bank.rules.canonical import canonical_rows, canonical_start, encoded
from gongyi_bank.rules.ledger import GENESIS_HASH, keyed_hash
from gongyi_bank.values import canonical

_sha256: Final = hashlib.sha256
#: Version of the form of leaves and seals.
SEAL_VERSION: Final = 1
#: The root of no rows at all (RFC 6962).
EMPTY_ROOT: Final = hashlib.sha256().digest()
FIRST_PREVIOUS: Final = GENESIS_HASH
_CLAIMS: Final = 2**256
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
#: Later than any act, and in every zone a day that the calendar has.
_END: Final = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
#: A step up the tree: the other half's hash, and on which side of ours it stands.
Step = tuple[Literal["left", "right"], bytes]


def leaf_content(bank_id: int, part: str, values: Iterable[Any]) -> bytes:
    """The bytes of a row that its leaf covers: version, bank, table (and part), all values."""
    return canonical(SEAL_VERSION, bank_id, part, *values)


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two halves."""
    return hashlib.sha256(b"\1" + left + right).digest()


class MerkleTree:
    """A tree that is given its leaves one by one and remembers log₂ of them.

    It can follow one leaf on its way up, and then knows the path from it to the root.
    """

    def __init__(self) -> None:
        self.count = 0
        #: Whole subtrees, larger ones first: (leaves, hash, whether the watched one is in it).
        self._halves: list[tuple[int, bytes, bool]] = []
        self._path: list[Step] = []

    def add(self, leaf: bytes, *, is_watched: bool = False) -> None:
        """Add the hash of the next leaf; `is_watched` for the one to follow."""
        half = (1, leaf, is_watched)
        self.count += 1
        while self._halves and self._halves[-1][0] == half[0]:
            half = _joined(self._halves.pop(), half, self._path)
        self._halves.append(half)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return self._folded([])

    def path(self) -> list[Step]:
        """The steps from the watched leaf to the root, lowest first."""
        path = list(self._path)
        self._folded(path)
        return path

    def _folded(self, path: list[Step]) -> bytes:
        if not self._halves:
            return EMPTY_ROOT
        *larger, half = self._halves
        for left in reversed(larger):
            half = _joined(left, half, path)
        return half[1]


def _joined(
    left: tuple[int, bytes, bool], right: tuple[int, bytes, bool], path: list[Step]
) -> tuple[int, bytes, bool]:
    if left[2]:
        path.append(("right", right[1]))
    elif right[2]:
        path.append(("left", left[1]))
    return left[0] + right[0], node_hash(left[1], right[1]), left[2] or right[2]


class MerkleRoot:
    """The root alone, of leaves that come many at a time: as `MerkleTree` makes it, but sooner."""

    def __init__(self) -> None:
        #: On each level, lowest first, the node that waits for the one to its right.
        self._waiting: list[bytes | None] = []

    def add(self, leaves: list[bytes]) -> None:
        """Add the hashes of the next leaves."""
        nodes, level = leaves, 0
        while nodes:
            if level == len(self._waiting):
                self._waiting.append(None)
            waiting = self._waiting[level]
            if waiting is not None:
                nodes = [waiting, *nodes]
            self._waiting[level] = nodes[-1] if len(nodes) % 2 else None
            one = iter(nodes)
            nodes = [
                _sha256(b"\1" + left + right).digest()
                for left, right in zip(one, one, strict=False)
            ]
            level += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        node: bytes | None = None
        for waiting in self._waiting:
            if waiting is not None:
                node = waiting if node is None else node_hash(waiting, node)
        return EMPTY_ROOT if node is None else node


def is_included(content: bytes, path: Iterable[Step], root: bytes) -> bool:
    """Whether the path leads from this leaf to the root."""
    found = leaf_hash(content)
    for side, other in path:
        found = node_hash(other, found) if side == "left" else node_hash(found, other)
    return found == root


def seal_hash(
    bank_id: int, previous: bytes, fields: tuple[Any, ...], seal_key: bytes | None
) -> bytes:
    """The hash of a seal: over all its fields and the hash of the seal before it."""
    return keyed_hash(canonical(SEAL_VERSION, bank_id, previous, *fields), seal_key)


# --- many leaves at once --------------------------------------------------------------------


def leaf_hashes(
    bank_id: int, part: str, columns: Iterable[Sequence[Any]], ends: Iterable[str] = repeat("")
) -> list[bytes]:
    """The leaves' hashes of rows that are given by their columns.

    Each is `leaf_hash` of `leaf_content` of a row, at a third of the cost. `ends` are the texts
    of what some of the rows have besides, as `row_ends` makes them.
    """
    start = "\0" + canonical_start(SEAL_VERSION, bank_id, part)
    return [_sha256(encoded(f"{start};{text}")).digest() for text in canonical_rows(columns, ends)]


def row_ends(columns: Iterable[Sequence[Any]]) -> list[str]:
    """What the texts of rows end with that have these columns besides."""
    return list(canonical_rows(columns, repeat("")))


# --- claims ---------------------------------------------------------------------------------


def row_number(content: bytes, seal_key: bytes | None) -> int:
    """What one row adds to its voucher's claim; keyed where the bank has a seal key.

    Without a key the sum could be met by other rows after some search; but then whoever
    can search can as well compute the voucher's hash anew.
    """
    if seal_key is not None:
        return int.from_bytes(hmac.digest(seal_key, content, "sha256"))
    return int.from_bytes(leaf_hash(content))


def row_numbers(
    bank_id: int,
    part: str,
    columns: Iterable[Sequence[Any]],
    seal_key: bytes | None,
    ends: Iterable[str] = repeat(""),
) -> Iterator[int]:
    """`row_number` of rows that are given by their columns, with `ends` as for `leaf_hashes`."""
    if seal_key is None:
        yield from map(int.from_bytes, leaf_hashes(bank_id, part, columns, ends))
        return
    start = canonical_start(SEAL_VERSION, bank_id, part)
    for text in canonical_rows(columns, ends):
        yield int.from_bytes(hmac.digest(seal_key, encoded(f"{start};{text}"), "sha256"))


def claim_text(numbers: Iterable[int]) -> str:
    """A voucher's claim as 64 hexadecimal digits."""
    return f"{sum(numbers) % _CLAIMS:064x}"


def claims_differ(first: int, second: int) -> bool:
    """Whether two sums of claims are different ones."""
    return (first - second) % _CLAIMS != 0


# --- days -----------------------------------------------------------------------------------


def voucher_floor(instant: dt.datetime) -> bytes:
    """Below every voucher id of this instant and later: ids begin with their milliseconds."""
    return max(0, (instant - _EPOCH) // _MILLISECOND).to_bytes(6) + bytes(10)


def day_floor(day: dt.date, zone: dt.tzinfo) -> bytes:
    """Below every voucher id of this business day and later ones."""
    return voucher_floor(dt.datetime.combine(day, dt.time.min, zone))


def voucher_moment(voucher_id: bytes) -> dt.datetime:
    """When a voucher was made, to the millisecond, as its id says.

    A forged id may say what no calendar has: that counts as the end of it.
    """
    told = int.from_bytes(voucher_id[:6])
    return _EPOCH + min(told, (_END - _EPOCH) // _MILLISECOND) * _MILLISECOND


def voucher_day(voucher_id: bytes, zone: dt.tzinfo) -> dt.date:
    """The business day on which a voucher was made, as its id says."""
    return business_day(voucher_moment(voucher_id), zone)
