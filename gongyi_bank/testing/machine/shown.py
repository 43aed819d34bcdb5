"""What was answered in a form that can be compared, ids told in the reference's.

A report of the bank and what the reference tells of it have the same name and the same fields.
Whatever is personal is compared and never shown. Hashes are each bank's own: of a proof it counts
that it holds under the root that was published, and what it is a proof of.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gongyi_bank.display import Table
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import POLICIES, PolicyBook
from gongyi_bank.reports.seals import LineProof
from gongyi_bank.reports.statements import StatementLine
from gongyi_bank.testing.reference import comparable
from gongyi_bank.testing.reference.told import Told

#: What is personal, by report and field.
_PERSONAL: Final = frozenset({
    ("CustomerSummary", "holder"), ("LedgerBookRow", "holder"), ("PassbookPage", "holder"),
    ("VolunteerStanding", "name"),
})  # fmt: skip
#: What a view of a line says; it has no fields that are anybody's.
_OF_A_LINE: Final = [
    name for name, _ in inspect.getmembers(StatementLine, lambda one: isinstance(one, property))
]


#: A bank's leaf says more than the line after the form, and before the last semicolon: the version
#: of seals and the bank's number; the line's hash.
_BANK, _HASH = 3, 2


@dataclass(frozen=True, slots=True, repr=False)
class Personal:
    """Something personal: it can be compared, and is never shown."""

    value: object

    def __repr__(self) -> str:
        return "(personal)"


@dataclass(frozen=True, slots=True)
class Form:
    """How the answers of one bank are told."""

    #: The reference's ids by those of this bank; one that no receipt told is not compared.
    ids: Mapping[UUID, UUID]
    #: The roots that were published, by the last day that each covers.
    roots: Mapping[dt.date, str]

    def of(self, said: Any) -> Any:
        """An answer, or a part of one."""
        if isinstance(said, GongyiBankError):
            return comparable(said)
        if isinstance(said, UUID):
            return self.ids.get(said)
        if isinstance(said, PolicyBook):
            return [said.history(kind) for kind in POLICIES]
        if isinstance(said, Table):
            return [said.keys, *(tuple(map(self.of, row)) for row in said.rows)]
        if isinstance(said, LineProof) or getattr(said, "report", "") == "LineProof":
            return self._proof(said)
        fields = dict(_fields(said))
        if fields:
            return {name: self._field(name, value, fields) for name, value in fields.items()}
        if isinstance(said, (tuple, list)):
            return [self.of(part) for part in said]
        return said

    def _field(self, name: str, value: Any, fields: Mapping[str, Any]) -> Any:
        if value is not None and (fields[""], name) in _PERSONAL:
            return Personal(value)
        return self.of(value)

    def _proof(self, proof: LineProof | Told) -> dict[str, Any]:
        """What is proved, and whether it is by the root that the receipt of that day named.

        The reference has no hashes: it tells which line and which seal a proof must be of.
        """
        leaf, holds = proof.leaf.split(";"), True
        if isinstance(proof, LineProof):
            root = self.roots.get(proof.through_on, proof.root)
            holds = proof.root == root and proof.holds(root)
            leaf = [leaf[0], *leaf[_BANK:-_HASH], leaf[-1]]
        said = {name: getattr(proof, name) for name in ("account", "line_no", "seal_no",
                                                        "through_on")}  # fmt: skip
        return {"": "LineProof", **said, "leaf": self._leaf(leaf), "holds": holds}

    def _leaf(self, values: list[str]) -> list[Any]:
        """The values of a line as they are hashed, with the voucher's id as ids are compared."""
        return [
            self.of(UUID(hex=value.removeprefix("b16:"))) if value.startswith("b16:") else value
            for value in values
        ]


def _fields(said: Any) -> Iterator[tuple[str, Any]]:
    """The name of a report, as the first field, and its fields; of anything else, none."""
    if isinstance(said, Told):
        yield "", said.report
        yield from said.said.items()
    elif isinstance(said, StatementLine):
        yield "", "StatementLine"
        yield from ((name, getattr(said, name)) for name in _OF_A_LINE)
    elif dataclasses.is_dataclass(said) and not isinstance(said, Personal):
        yield "", type(said).__name__
        yield from ((one.name, getattr(said, one.name)) for one in dataclasses.fields(said))


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """What the bank shows and what the reference shows, where they differ."""
    begin = f"  {where}: " if where else "  "
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        pairs = ((f"{where}.{key}".strip("."), ours[key], theirs[key]) for key in ours)
        return [line for at, one, other in pairs if one != other
                for line in differences(one, other, at)]  # fmt: skip
    if isinstance(ours, list) and isinstance(theirs, list):
        lines = [f"{begin}only the bank shows {row}" for row in ours if row not in theirs]
        lines += [f"{begin}the bank does not show {row}" for row in theirs if row not in ours]
        return lines or [f"{begin}the rows stand in another order"]
    return [f"{begin}the bank shows {ours}, the reference {theirs}"]
