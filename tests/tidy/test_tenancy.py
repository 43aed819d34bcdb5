"""No statement of the library touches rows of another bank: read off every statement there is.

By structure, whatever the numbers of two banks happen to be; `tests/security/test_banks_apart.py`
says the same of what is answered. That there is no other way to a connection than through these
statements is in `test_who_executes.py`.
"""

from __future__ import annotations

import ast
import datetime as dt
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from gongyi_bank import store
from gongyi_bank.store import (
    audit_queries,
    changes,
    constraints,
    outbox,
    policies,
    seals,
    serials,
    tables,
)
from gongyi_bank.store.engines import engine_for, fused, mysql, sqlite
from gongyi_bank.store.transaction import BankIdentity, Query, Transaction
from tests.tidy import bound
from tests.tidy.bound import unbound
from tests.tidy.house import Module, functions, package_modules, report

ENGINES = ("sqlite", "postgresql", "mysql")
ADVICE = (
    "say of_bank(table), or that its bank_id equals that of a table of the same SELECT that is"
    " bound; in a subquery again."
)

# --- every question there is -----------------------------------------------------------------

#: What makes a `Query` when it is called, and all that it can be called with.
FACTORIES: dict[str, Callable[[], Iterator[tuple[str, Query]]]] = {
    "gongyi_bank/store/audit_queries.py Reading.__init__": lambda: (
        (f"{name}.{attribute}", getattr(reading, attribute))
        for name, reading in vars(audit_queries).items()
        if isinstance(reading, audit_queries.Reading)
        for attribute in ("_some", "_first", "_next")
    ),
    "gongyi_bank/store/changes.py _rows": lambda: (
        (f"_rows({what!r}, {is_first})", changes._rows(what, is_first))
        for what in changes.SUBJECTS
        for is_first in (True, False)
    ),
    "gongyi_bank/store/constraints.py _breaches": lambda: (
        (f"_breaches({name!r})", constraints._breaches(name))
        for name, checks in constraints._CHECKED.items()
        if checks
    ),
    "gongyi_bank/store/constraints.py _dangling": lambda: (
        (f"_dangling({name!r})", constraints._dangling(name)) for name in constraints._REFERRING
    ),
    "gongyi_bank/store/seals.py _rows": lambda: (
        (f"_rows({name!r}, {is_first}, {is_ranged})", seals._rows(name, is_first, is_ranged))
        for name in seals.SEALED
        for is_first in (True, False)
        for is_ranged in (True, False)
    ),
}
#: What makes those that a module has by name.
OF_THE_MODULES = {
    "gongyi_bank/store/transaction.py Query.locking",
    "gongyi_bank/store/transaction.py query",
}


def every_query() -> dict[str, Query]:
    """All that a module has by name, and all that the factories can make."""
    found = {}
    for module in pkgutil.walk_packages(store.__path__, f"{store.__name__}."):
        if ".migrations." not in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Query):
                    found[f"{module.name.rpartition('.')[2]}.{name}"] = value
    for place, made in FACTORIES.items():
        stem = place.partition(".py")[0].rpartition("/")[2]
        found |= {f"{stem}.{name}": one for name, one in made()}
    return found


QUERIES = every_query()


def test_every_question_is_found() -> None:
    modules = package_modules()
    decorated = {
        f"{module.name.rpartition('.')[2]}.{one.name}"
        for module in modules
        for one in functions(module)
        if any(ast.unparse(by) == "query" for by in one.decorator_list)
    }
    assert decorated - QUERIES.keys() == set()
    assert len(decorated) > 150
    assert callers(modules, {"Query", "query"}) == FACTORIES.keys() | OF_THE_MODULES
    assert all(list(made()) for made in FACTORIES.values())


@pytest.mark.parametrize("engine", ENGINES)
def test_every_table_of_every_question_is_bound_to_the_bank(engine: str) -> None:
    report(
        [
            f"{name}: {fault}"
            for name, query in QUERIES.items()
            for fault in unbound(query._build(engine_for(engine)))
        ],
        advice=ADVICE,
    )


#: Where the head of a subquery and its table are both bound to the bank and to each other.
BOUND_TWICE = {"stay_checks._left"}


def test_without_any_one_of_its_conditions_on_the_bank_a_question_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the check above sees each of them; one that it did not see could be left out."""
    found: list[bound.Equation] = []
    left_out = -1

    class Seen(list[bound.Equation]):
        def append(self, equation: bound.Equation) -> None:
            found.append(equation)
            if len(found) - 1 != left_out:
                super().append(equation)

    begin = bound.Scope.__init__

    def beginning(scope: bound.Scope, *given: Any) -> None:
        begin(scope, *given)
        scope.equations = Seen()

    monkeypatch.setattr(bound.Scope, "__init__", beginning)
    unseen = set()
    for name, query in QUERIES.items():
        statement, left_out = query._build(engine_for("sqlite")), -1
        found.clear()
        assert unbound(statement) == []
        count = len(found)
        assert count, f"{name} says nothing of a bank"
        for number in range(count):
            left_out = number
            found.clear()
            if not unbound(statement):
                unseen.add(name)
    assert unseen == BOUND_TWICE


def callers(modules: list[Module], names: set[str]) -> set[str]:
    """The file and the function of each call of these."""

    def visit(node: ast.AST, within: tuple[str, ...]) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            within = (*within, node.name)
        if isinstance(node, ast.Call) and _said(node.func) in names:
            yield ".".join(within[:2])
        for child in ast.iter_child_nodes(node):
            yield from visit(child, within)

    return {f"{module.path} {place}" for module in modules for place in visit(module.tree, ())}


def _said(called: ast.expr) -> str:
    """The dotted name of what is called, if it is one."""
    if isinstance(called, ast.Attribute):
        return f"{_said(called.value)}.{called.attr}"
    return called.id if isinstance(called, ast.Name) else ""


def test_nobody_gives_a_question_another_bank() -> None:
    """The bank is the transaction's: a parameter of this name would take its place."""
    modules = [m for m in package_modules() if m.path.startswith("gongyi_bank/store/")]
    given = {
        f"{module.path}: {ast.unparse(call.func)}"
        for module in modules
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and any(keyword.arg == "bank" for keyword in call.keywords)
    }
    assert given == {"gongyi_bank/store/founding.py: UnknownBank"}


# --- what writes, and is no question ----------------------------------------------------------

#: No bank has this number by chance.
BANK_ID = 7_340_033


class Recorder(Transaction):
    """A transaction that only notes what it is to execute; every question is answered with 0."""

    def __init__(self, engine: str) -> None:
        self.engine = engine_for(engine)
        self.bank = BankIdentity(
            bank_id=BANK_ID, name="甲", scale=2, zone=ZoneInfo("Asia/Shanghai"),
            founded_at=dt.datetime(2022, 10, 1, tzinfo=dt.UTC), key_marks=(None, None),
        )  # fmt: skip
        self.doomed, self.is_closed, self.savepoint, self.held = None, False, None, None
        self.said: list[tuple[Any, list[dict[str, Any]] | None]] = []

    def _rows_of(self, asked: Any) -> list[Any]:
        sizes = [len(query._build(self.engine).selected_columns) for query, _ in asked]
        return [[(0,) * size] for size in sizes]

    def execute(self, statement: sa.Executable, rows: Any = None) -> None:
        self.said.append((statement, rows))


#: Every function that calls `tx.execute`, and how to have it do so.
WRITES: dict[str, Callable[[Recorder], object]] = {
    "gongyi_bank/store/outbox.py number_vouchers": lambda tx: outbox.number_vouchers(tx, 5),
    "gongyi_bank/store/outbox.py save_position": lambda tx: outbox.save_position(tx, "sms", 3),
    "gongyi_bank/store/policies.py write_stamp": lambda tx: policies.write_stamp(tx, bytes(16)),
    "gongyi_bank/store/serials.py _locked": lambda tx: serials._locked(tx, "staff", [0, 1], 1),
    "gongyi_bank/store/serials.py draw_many": lambda tx: serials.draw_many(tx, "staff", {0: 2}),
}


def test_every_function_that_executes_is_in_the_table() -> None:
    assert callers(package_modules(), {"tx.execute"}) == WRITES.keys()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("place", WRITES)
def test_what_is_executed_beside_the_questions_is_of_one_bank(place: str, engine: str) -> None:
    tx = Recorder(engine)
    WRITES[place](tx)
    assert tx.said
    for statement, rows in tx.said:
        assert unbound(statement, BANK_ID) == []
        if isinstance(statement, sa.Insert):
            assert rows
            assert {row["bank_id"] for row in rows} == {BANK_ID}


# --- what is written as text --------------------------------------------------------------------

#: In capitals or not, quoted, with a schema before it; `{` is a name that comes in at run time.
_NAMES_A_TABLE = re.compile(
    r"""\b(?i:from|join|update|into|table)\s+(?i:only\s+)?[("`\[]*(?:\w+["`\]]?\.["`\[]?)?(?i:gb_)\w*"""
    r"""|\b(?:FROM|JOIN|UPDATE|INTO) \{|\b(?is:select|delete)\b.*\b(?i:from)\s+["`\[]?\{"""
)
_ASKS_FOR_A_BANK = re.compile(r"\bbank_id = (?:\?|%s|\$1\b|b\.bank_id)")
#: Plain texts that have no bank, and why.
TEXTS_WITHOUT = {
    "UPDATE gb_schema_version SET version_num = version_num": "the schema's lock",
    "LOCK TABLE gb_schema_version IN EXCLUSIVE MODE": "the schema's lock",
}
#: What puts texts together; the tests below read what comes out, for every table.
TEXT_BUILDERS = {
    "gongyi_bank/store/engines/fused.py": {"__init__", "_step", "_insert"},
    "gongyi_bank/store/engines/mysql.py": {"_insert_sql", "_update_sql"},
    "gongyi_bank/store/engines/sqlite.py": {"_voucher_sql", "_insert_sql", "_update_sql"},
}


def text_faults(modules: list[Module]) -> list[str]:
    """Texts that name a table of ours and no bank, or are put together where no test looks."""
    faults = []
    for module in modules:
        known = TEXT_BUILDERS.get(module.path, set())
        built = {id(n) for f in functions(module) if f.name in known for n in ast.walk(f)}
        pieces = {
            id(piece)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.JoinedStr)
            for piece in node.values
        }
        for node in ast.walk(module.tree):
            if id(node) not in built and id(node) not in pieces:
                fault = _text_fault(node)
                faults += [f"{module.at(node)}: {fault}"] if fault else []
    return faults


def _text_fault(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        is_sql = _NAMES_A_TABLE.search("".join(map(_piece, node.values)))
        return f"put together: {ast.unparse(node)[:80]}" if is_sql else ""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return ""
    named = _NAMES_A_TABLE.findall(node.value)
    is_wanting = len(_ASKS_FOR_A_BANK.findall(node.value)) < len(named)
    return f"no bank: {node.value[:80]}" if is_wanting and node.value not in TEXTS_WITHOUT else ""


def _piece(piece: ast.expr) -> str:
    return str(piece.value) if isinstance(piece, ast.Constant) else "{}"


def test_every_text_that_names_a_table_names_the_bank() -> None:
    modules = [m for m in package_modules() if "/migrations/" not in m.path]
    report(text_faults(modules), advice=ADVICE)


OF_BANKS = [
    table for table in tables.metadata.sorted_tables if table.primary_key.columns.keys()[1:]
]


def shape(table: sa.Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The key without the bank, and some other column."""
    names = [column.name for column in table.columns if column.name != "bank_id"]
    key = tuple(c.name for c in table.primary_key.columns if c.name != "bank_id")
    return key, tuple(name for name in names if name not in key)[:1]


def test_every_table_but_the_banks_own_is_kept_by_bank() -> None:
    others = set(tables.metadata.sorted_tables) - set(OF_BANKS)
    assert others == {tables.bank}
    assert all(table.primary_key.columns.keys()[0] == "bank_id" for table in OF_BANKS)


def test_what_sqlite_and_mysql_write_is_of_one_bank() -> None:
    assert sqlite._voucher_sql().startswith("INSERT INTO gb_voucher (bank_id, ")
    for table in OF_BANKS:
        key, changed = shape(table)
        if changed:
            update = sqlite._update_sql(table.name, key, changed, changed)
            assert re.fullmatch(
                r"UPDATE \w+ SET \w+ = \? WHERE bank_id = \?( AND \w+ = \?)+", update
            )
            update = mysql._update_sql(table, key, changed, changed, "utf8mb4_bin")
            on = update.partition(f" STRAIGHT_JOIN {table.name} AS t")[2]
            assert re.match(r" ON t\.bank_id = %s AND [^|]* SET ", on)
            assert " OR " not in on
    for engine, name in ((sqlite, "bank_id"), (mysql, "`bank_id`")):
        assert f" ({name}, " in engine._insert_sql("gb_staff", ("bank_id", "staff_no"))


@pytest.mark.parametrize("is_single", [True, False])
def test_what_postgresql_writes_is_of_the_voucher_s_bank(is_single: bool) -> None:
    shapes = [(table, *shape(table)) for table in OF_BANKS]
    inserts = [(table, (*key, *changed), (), ()) for table, key, changed in shapes]
    updates = [(table, key, changed, changed) for table, key, changed in shapes if changed]
    sql = fused.fused_write(is_single, (*inserts, *updates)).sql
    claim, *steps = re.split(r", w\d+ AS \(", sql)
    assert claim.startswith("WITH claimed AS (INSERT INTO gb_voucher (bank_id, ")
    assert " SELECT k.bank_id, " in claim
    assert " FROM (SELECT $1::bigint AS bank_id) AS k CROSS JOIN " in claim
    assert "v AS (SELECT min(bank_id) AS bank_id FROM claimed HAVING " in claim
    assert len(steps) == len(inserts) + len(updates)
    for step in steps[: len(inserts)]:
        assert re.match(
            r"INSERT INTO \w+ \(bank_id[,)][^(]* SELECT v\.bank_id, .* FROM v CROSS ", step
        )
    for step in steps[len(inserts) :]:
        assert re.search(r" FROM v CROSS JOIN .* WHERE t\.bank_id = v\.bank_id AND ", step)
        assert " OR " not in step


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("'SELECT 1 FROM gb_pool WHERE code = ?'", True),
        ("'SELECT 1 FROM gb_pool WHERE bank_id = ?'", False),
        ("'SELECT 1 FROM gb_pool AS p JOIN gb_staff AS s ON p.bank_id = ?'", True),
        ("'select ref from gb_redemption where ref is not null'", True),
        ("'Select 1\\n  From\\n GB_POOL'", True),
        ("'select 1 from main.`gb_pool`'", True),
        ("'delete from only gb_pool'", True),
        ("'TRUNCATE TABLE gb_pool'", True),
        ("f'select 1 from {table}'", True),
        ("f'a day from {first} to {last}'", False),
        ("f'UPDATE {table} SET a = 1 WHERE bank_id = ?'", True),
        ("def _update_sql():\n    return f'UPDATE {table} SET a = 1'", False),
    ],
)
def test_the_check_of_texts_can_fail(text: str, is_wrong: bool) -> None:
    path = "gongyi_bank/store/engines/sqlite.py"
    assert bool(text_faults([Module(path=path, text=text, tree=ast.parse(text))])) is is_wrong
