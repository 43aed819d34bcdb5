"""凭据: the proof that a line is in a sealed day, for the volunteer to check without the bank.

Read only. The leaf of a line is everything that the line says, its hash included. Nothing
personal is in it; and since it names a voucher, which is random in part, and a hash over all
earlier lines, nobody can find out other lines by guessing what the proof's hashes are of.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Literal

from gongyi_bank.errors import LineNotSealed
from gongyi_bank.reports.statements import require_line
from gongyi_bank.rules import seals as rules
from gongyi_bank.store import seals as store
from gongyi_bank.store.seals import StoredSeal
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import format_account_no

#: What the fields of a line's leaf are, in their order.
LEAF_FIELDS = ("version", "bank", "table", *store.LINE_COLUMNS)
_LINE = store.SEALED["account_line"][0]
#: Where the other half of a step may stand.
_SIDES: dict[str, Literal["left", "right"]] = {"left": "left", "right": "right"}
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProof:
    """凭据: a line of a passbook, and the way from it to the published root of its day."""

    account: int
    line_no: int
    #: What the line says, in the form that was hashed; its fields are LEAF_FIELDS.
    leaf: str
    #: The steps up to the root: on which side the other half stands, and its hash.
    path: tuple[tuple[str, str], ...]
    #: The root of the seal, as it was published (64 hexadecimal digits).
    root: str
    seal_no: int
    #: The last day that the seal covers.
    through_on: dt.date

    def holds(self, root: str) -> bool:
        """Whether the line is under this root, which must come from where it was published.

        A bank could show any root of its own: comparing with `self.root` proves nothing.
        What is no root, or no proof, proves nothing either.
        """
        try:
            steps: list[rules.Step] = [
                (_SIDES[side], bytes.fromhex(other)) for side, other in self.path
            ]
            return rules.is_included(self.leaf.encode(), steps, bytes.fromhex(root))
        except (KeyError, TypeError, ValueError):
            return False

    def to_json(self) -> str:
        """The proof for a file; docs/how-to/proofs.md shows how to check it without the bank."""
        shown = {
            "proof": rules.SEAL_VERSION,
            "account": format_account_no(self.account),
            "line_no": self.line_no,
            "fields": list(LEAF_FIELDS),
            "leaf": self.leaf,
            "path": [list(step) for step in self.path],
            "root": self.root,
            "seal_no": self.seal_no,
            "through_on": self.through_on.isoformat(),
        }
        return json.dumps(shown, ensure_ascii=False, indent=1)


def proof(tx: Transaction, account: int | str, line_no: int) -> LineProof:
    """The proof of a line. Raises UnknownCustomer, UnknownLine, LineNotSealed."""
    line = require_line(tx, account, line_no)
    key = (line.account_no, line.line_no)
    seals = store.list_seals(tx)
    seal = next((seal for seal in seals if line.business_day <= seal.through_on), None)
    if seal is None:
        raise LineNotSealed(account=line.account_no, line_no=line_no)
    tree, content = rules.MerkleTree(), b""
    span = _span(tx, seals, seal)
    for name in store.tables_between(tx, *span):
        for leaf in store.stream(tx, name, *span):
            is_it = leaf.part is _LINE and leaf.row[: len(key)] == key
            if is_it:
                content = leaf.content
            tree.add(rules.leaf_hash(leaf.content), is_watched=is_it)
    return LineProof(
        account=line.account_no,
        line_no=line.line_no,
        leaf=content.decode(),
        path=tuple((side, other.hex()) for side, other in tree.path()),
        root=seal.root.hex(),
        seal_no=seal.seal_no,
        through_on=seal.through_on,
    )


def _span(tx: Transaction, seals: list[StoredSeal], seal: StoredSeal) -> tuple[bytes, bytes]:
    """The voucher ids that a seal covers."""
    zone, place = tx.bank.zone, seals.index(seal)
    before = rules.day_floor(seals[place - 1].through_on + _ONE_DAY, zone) if place else bytes(16)
    return before, rules.day_floor(seal.through_on + _ONE_DAY, zone)
