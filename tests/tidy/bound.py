"""Whether every table of a statement is bound to one bank, read off the statement's own tree.

A table is bound where its `bank_id` equals the bank's parameter, or the `bank_id` of another
element that is bound itself. That must hold in every SELECT by itself: in subqueries, EXISTS,
WITH and each half of a UNION. The ON of an outer join binds only what may be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import elements, operators, selectable
from sqlalchemy.sql.functions import FunctionElement

#: What is found in SQL that is written as text, and never is where the tree says all.
_TABLES_IN_TEXT = ("gb_", "select ", " from ", " join ")
_PAIRS = (elements.BooleanClauseList, elements.ExpressionClauseList)


@dataclass(frozen=True, slots=True)
class Equation:
    """Two `bank_id` are equal: of an element, or of the bank's parameter (None)."""

    one: Any
    other: Any
    #: Which elements it can narrow: an outer join keeps what it is joined to.
    narrows: frozenset[Any]


class Scope:
    """One SELECT, UPDATE or DELETE: its elements, and what its conditions say of them."""

    def __init__(self, outer: Scope | None, bank_id: int | None) -> None:
        self.bank_id = bank_id
        self.bound: set[Any] = set(outer.bound) if outer else set()
        #: What the SELECTs around it read from, which one inside need not name again.
        self.visible: set[Any] = set(outer.visible) if outer else set()
        self.shown: set[Any] = set()
        self.leaves: list[Any] = []
        self.equations: list[Equation] = []
        #: What else is written in it, and may have SELECTs of its own.
        self.clauses: list[Any] = []
        self.faults: list[str] = []

    def read_from(self, froms: Iterable[Any]) -> None:
        for element in froms:
            self.shown |= set(_leaves(element)) | {element}
            self._add(element)
        self.visible |= self.shown

    def _add(self, element: Any) -> None:
        if isinstance(element, selectable.FromGrouping):
            self._add(element.element)
        elif isinstance(element, selectable.Join):
            self._add(element.left)
            self._add(element.right)
            right = frozenset(_leaves(element.right))
            narrows = right if element.isouter else right | frozenset(_leaves(element.left))
            self.hold(element.onclause, frozenset() if element.full else narrows)
        else:
            self.leaves.append(element)

    def hold(self, condition: Any, narrows: frozenset[Any]) -> None:
        """This condition holds in every row of the elements that it narrows."""
        self.clauses.append(condition)
        for part in _conjuncts(condition):
            if isinstance(part, elements.BinaryExpression) and part.operator is operators.eq:
                terms = [self._term(side) for side in (part.left, part.right)]
                if all(is_bank for is_bank, _ in terms):
                    self.equations.append(Equation(terms[0][1], terms[1][1], narrows))

    def _term(self, side: Any) -> tuple[bool, Any]:
        """Whether it is some `bank_id`, and the element it is of; None for the parameter."""
        if isinstance(side, elements.BindParameter):
            is_given = side.key == "bank" and side.required
            return is_given or (self.bank_id is not None and side.value == self.bank_id), None
        table = getattr(side, "table", None)
        return table is not None and _is_bank_id(side), table

    def judge(self, where: str) -> None:
        """Bind what the equations bind, and tell of what they leave."""
        self.bound |= {leaf for leaf in self.leaves if _sorts(leaf) != "table"}
        while not all(map(self._is_idle, self.equations)):
            pass
        for leaf in self.leaves:
            kind = _sorts(leaf)
            if kind == "unknown":
                self.faults.append(f"{where}: {type(leaf).__name__} is nothing this check knows")
            elif leaf not in self.bound:
                self.faults.append(f"{where}: {_name(leaf)} is not bound to the bank")

    def _is_idle(self, equation: Equation) -> bool:
        before = len(self.bound)
        for one, other in ((equation.one, equation.other), (equation.other, equation.one)):
            if (one is None or one in self.bound) and other in equation.narrows:
                self.bound.add(other)
        return len(self.bound) == before


def unbound(statement: Any, bank_id: int | None = None) -> list[str]:
    """What in a statement may touch rows of any bank; `bank_id` where it is written as a value."""
    return list(_faults(statement, None, bank_id, "the statement", is_from=False))


def _faults(
    statement: Any, outer: Scope | None, bank_id: int | None, where: str, *, is_from: bool
) -> Iterator[str]:
    """`is_from`: it stands among what is read from, and so sees nothing of what is around it."""
    if isinstance(statement, selectable.SelectStatementGrouping):
        yield from _faults(statement.element, outer, bank_id, where, is_from=is_from)
    elif isinstance(statement, sa.CompoundSelect):
        for number, half in enumerate(statement.selects, 1):
            yield from _faults(half, outer, bank_id, f"{where}, part {number}", is_from=is_from)
    elif isinstance(statement, sa.Select):
        yield from _faults_of_select(statement, outer, bank_id, where, is_from=is_from)
    elif isinstance(statement, sa.Update | sa.Delete):
        yield from _faults_of_change(statement, bank_id, where)
    elif isinstance(statement, sa.Insert):
        if statement.select is not None:
            yield from _faults(statement.select, None, bank_id, where, is_from=True)
    else:
        yield f"{where}: {type(statement).__name__} is no statement this check knows"


def _faults_of_select(
    statement: sa.Select[Any],
    outer: Scope | None,
    bank_id: int | None,
    where: str,
    *,
    is_from: bool,
) -> Iterator[str]:
    scope = Scope(None if is_from else outer, bank_id)
    scope.read_from(_read_froms(statement, None if is_from else outer))
    for condition in statement._where_criteria:
        scope.hold(condition, frozenset(scope.leaves))
    scope.clauses += [*statement._raw_columns, *statement._having_criteria]
    scope.clauses += [*statement._order_by_clauses, *statement._group_by_clauses]
    yield from _judged(scope, where)


def _faults_of_change(
    statement: sa.Update | sa.Delete, bank_id: int | None, where: str
) -> Iterator[str]:
    scope = Scope(None, bank_id)
    named = [f for one in statement._where_criteria for f in one._from_objects]
    scope.read_from(dict.fromkeys([statement.table, *named]))
    for condition in statement._where_criteria:
        scope.hold(condition, frozenset(scope.leaves))
    scope.clauses += list((getattr(statement, "_values", None) or {}).values())
    yield from _judged(scope, where)


def _judged(scope: Scope, where: str) -> Iterator[str]:
    scope.judge(where)
    yield from scope.faults
    for leaf in scope.leaves:
        inner = _inner_select(leaf)
        if inner is not None:
            around = scope if isinstance(leaf, selectable.Lateral) else None
            name = f"{where}, {_name(leaf)}"
            yield from _faults(inner, around, scope.bank_id, name, is_from=around is None)
        elif _sorts(leaf) == "values":
            scope.clauses.append(leaf)
    for clause in scope.clauses:
        yield from _faults_within(clause, scope, where)


def _faults_within(clause: Any, scope: Scope, where: str) -> Iterator[str]:
    """Of every SELECT in an expression, and of text that names tables."""
    if clause is None or _sorts(clause) == "table":
        return
    if isinstance(clause, selectable.SelectBase):
        yield from _faults(clause, scope, scope.bank_id, f"{where}, a subquery", is_from=False)
        return
    text = clause.text if isinstance(clause, sa.TextClause) else ""
    if isinstance(clause, elements.ColumnClause) and clause.is_literal:
        text = clause.name
    if any(word in text.lower() for word in _TABLES_IN_TEXT):
        yield f"{where}: tables are named in a text: {text[:60]}"
    for child in clause.get_children():
        if not isinstance(child, selectable.Subquery | selectable.CTE):
            yield from _faults_within(child, scope, where)


def _read_froms(statement: sa.Select[Any], outer: Scope | None) -> list[Any]:
    """What it reads from by itself and not from a SELECT around it, as the compiler has it."""
    state: Any = selectable.SelectState(statement, None)
    if outer is None:
        found = state._get_display_froms(explicit_correlate_froms=set())
    else:
        found = state._get_display_froms(
            explicit_correlate_froms=outer.visible, implicit_correlate_froms=outer.shown
        )
    return list(found)


def _leaves(element: Any) -> list[Any]:
    if isinstance(element, selectable.FromGrouping):
        return _leaves(element.element)
    if isinstance(element, selectable.Join):
        return [*_leaves(element.left), *_leaves(element.right)]
    return [element]


def _conjuncts(condition: Any) -> Iterator[Any]:
    """What is true where the condition is."""
    if isinstance(condition, elements.Grouping):
        yield from _conjuncts(condition.element)
    elif isinstance(condition, _PAIRS) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def _inner_select(leaf: Any) -> Any:
    """What a subquery or a WITH reads; None of a table."""
    while isinstance(leaf, selectable.AliasedReturnsRows):
        leaf = leaf.element
    if isinstance(leaf, selectable.SelectBase):
        return leaf
    return None


def _sorts(leaf: Any) -> str:
    """What kind of element: a table of rows of banks, a subquery, values, or nothing known."""
    base = leaf
    while isinstance(base, selectable.AliasedReturnsRows):
        base = base.element
    if isinstance(base, selectable.TableClause):
        return "table"
    if isinstance(base, selectable.SelectBase):
        return "select"
    if isinstance(base, FunctionElement | selectable.Values | elements.Grouping):
        return "values"
    return "unknown"


def _is_bank_id(column: Any) -> bool:
    """Whether it is a table's own `bank_id`, or that of what a subquery reads."""
    inner = _inner_select(column.table)
    if inner is None:
        return bool(column.name == "bank_id" and _sorts(column.table) == "table")
    while isinstance(inner, selectable.SelectStatementGrouping):
        inner = inner.element
    halves = inner.selects if isinstance(inner, sa.CompoundSelect) else [inner]
    place = [one.name for one in column.table.c].index(column.name)
    for half in halves:
        read = list(half.selected_columns)[place]
        while isinstance(read, elements.Label):
            read = read.element
        if getattr(read, "table", None) is None or not _is_bank_id(read):
            return False
    return True


def _name(leaf: Any) -> str:
    base = getattr(leaf, "element", leaf)
    named, own = getattr(leaf, "name", None), getattr(base, "name", None)
    return f"{own} AS {named}" if own and own != named else str(named)
