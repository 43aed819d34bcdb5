"""Reliability, security checklist: no SQL built from strings; values are always parameters."""

import ast

import pytest

from tests.tidy.house import Module, module_from, package_modules, report

#: What takes SQL: SQLAlchemy's ways in, the driver's, and our own `Wire` and `Transaction`.
SQL_CALLS = frozenset({
    "text", "literal_column", "execute", "executemany", "execute_many", "exec_driver_sql", "fetch",
    "scalar", "scalars", "stream", "stream_scalars", "op", "bool_op", "prefix_with", "suffix_with",
    "with_hint", "with_statement_hint",
})  # fmt: skip
#: What takes nothing but SQL: it must stand there word for word, or be on the list below.
VERBATIM = frozenset({"sa.text", "sa.literal_column", "literal_column"})

#: Where statements may be put together from fixed pieces (never from values): what differs between
#: engines.
EXEMPT_PATHS = ("gongyi_bank/store/engines/",)

#: Pieces of SQL that do not stand there word for word, and what they are.
KNOWN_PIECES = {
    "gongyi_bank/store/audit_queries.py: sa.literal_column(f\"'{state}'\")": "a state",
    "gongyi_bank/store/changes.py: sa.literal_column(f\"'{act}'\")": "an act's name",
    "gongyi_bank/store/constraints.py: sa.literal_column(str(check.sqltext), sa.Boolean())": (
        "a CHECK of our own tables"
    ),
    "gongyi_bank/store/hours.py: sa.literal_column(f\"'{state}'\")": "a state",
    "gongyi_bank/store/migrations/frozen.py: sa.text(where)": "DDL: an index's condition",
    "gongyi_bank/store/outlets.py: sa.literal_column(f\"'{GATE}'\")": "a series' name",
    "gongyi_bank/store/stay_checks.py: sa.literal_column(f\"'{what}'\", sa.String())": (
        "a name of a table above it"
    ),
    "gongyi_bank/store/stay_checks.py: sa.literal_column(str(SAVINGS_BRANCH), sa.Integer())": (
        "a tier"
    ),
    "gongyi_bank/store/tables/columns.py: sa.text(where)": "DDL: an index's condition",
    "gongyi_bank/store/transfers.py: sa.literal_column(str(_STEPS_MAX))": "a bound",
    "gongyi_bank/store/takeover.py: sa.literal_column(f\"'{CREDITED}'\", sa.Text())": "a state",
}
#: Who gives the wire a statement: what a `Query` was compiled to, and several of them as one.
WIRE_CALLS = {
    "gongyi_bank/store/transaction.py: tx.wire.fetch(self.sql, self.given(tx, params))",
    "gongyi_bank/store/transaction.py: tx.wire.fetch(self.fusion.sql, given)",
}


def sql_faults(modules: list[Module]) -> list[str]:
    faults = []
    for module in modules:
        if not module.path.startswith(EXEMPT_PATHS):
            built = _names_of_built_strings(module.tree)
            faults += [
                f"{module.at(call)}: {ast.unparse(call)[:100]}"
                for call in ast.walk(module.tree)
                if isinstance(call, ast.Call) and _is_faulty(module, call, built)
            ]
    return faults


def _is_faulty(module: Module, call: ast.Call, built: frozenset[str]) -> bool:
    if _name_of(call.func) not in SQL_CALLS or _said(module, call) in KNOWN_PIECES:
        return False
    if _dotted(call.func) in VERBATIM:
        return not all(isinstance(sql, ast.Constant) for sql in _sql_of(call))
    return any(_is_built(argument, built) for argument in _sql_of(call))


def wire_calls(modules: list[Module]) -> set[str]:
    """Every call of a transaction's wire outside the engines."""
    return {
        _said(module, call)
        for module in modules
        if not module.path.startswith(EXEMPT_PATHS)
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and ".wire." in f".{_dotted(call.func)}"
    }


def _said(module: Module, call: ast.Call) -> str:
    return f"{module.path}: {ast.unparse(call)}"


def _dotted(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return f"{_dotted(called.value)}.{called.attr}"
    return called.id if isinstance(called, ast.Name) else ""


def _name_of(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _sql_of(call: ast.Call) -> list[ast.expr]:
    """The arguments that are SQL: the first, but of a hint the second."""
    place = 1 if _name_of(call.func) == "with_hint" else 0
    named = [one.value for one in call.keywords if one.arg in {"text", "statement", "sql"}]
    return [*call.args[place : place + 1], *named]


def _is_built(node: ast.expr, built: frozenset[str] = frozenset()) -> bool:
    """Is this a string put together at run time (or a name that was given one)?"""
    match node:
        case ast.JoinedStr():
            return any(isinstance(part, ast.FormattedValue) for part in node.values)
        case ast.BinOp(op=ast.Mod() | ast.Add()):
            sides = (node.left, node.right)
            constant = [isinstance(side, ast.Constant) for side in sides]
            return any(_is_built(side, built) for side in sides) or (
                not all(constant) and any(_is_text(side) for side in sides)
            )
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "join" | "replace")):
            return _is_text(value) or _is_built(value, built)
        case ast.Name():
            return node.id in built
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _names_of_built_strings(tree: ast.Module) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _is_built(node.value):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif (
            isinstance(node, ast.AnnAssign | ast.AugAssign)
            and isinstance(node.target, ast.Name)
            and node.value is not None
            and (
                _is_built(node.value) or (isinstance(node, ast.AugAssign) and _is_text(node.value))
            )
        ):
            names.add(node.target.id)
    return frozenset(names)


def test_no_sql_is_built_from_strings() -> None:
    report(
        sql_faults(package_modules()),
        advice="use SQLAlchemy Core or bound parameters (:name); filters and sort keys come from a"
        " closed list. What only an engine can say belongs to store/engines/.",
    )


def test_every_exception_is_still_there() -> None:
    modules = package_modules()
    calls = {
        _said(module, call)
        for module in modules
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and _dotted(call.func) in VERBATIM
    }
    assert calls >= KNOWN_PIECES.keys()
    assert all(any(m.path.startswith(path) for m in modules) for path in EXEMPT_PATHS)


def test_only_compiled_statements_reach_the_wire_from_outside_the_engines() -> None:
    assert wire_calls(package_modules()) == WIRE_CALLS


@pytest.mark.parametrize(
    "text",
    [
        "connection.execute(text(f'SELECT * FROM gb_account WHERE account_no = {no}'))",
        "connection.execute('SELECT %s' % column)",
        "connection.exec_driver_sql('SELECT ' + column)",
        "cursor.execute('SELECT {}'.format(column))",
        "cursor.executemany('SELECT ' 'a, ' + ', '.join(columns), rows)",
        "statement = f'DROP TABLE {name}'\nconnection.execute(text(statement))",
        "statement = 'SELECT 1'\nstatement += ' WHERE x'\nconnection.scalar(statement)",
        "tx.wire.fetch(f\"SELECT 1 FROM gb_customer WHERE name LIKE '%{words}%'\", ())",
        "tx.wire.execute_many('DELETE FROM ' + table, rows)",
        "wire.execute(sql=f'DELETE FROM {table}', params=())",
        "select.order_by(sa.literal_column(f'{column} DESC'))",
        "select.order_by(sa.literal_column(column))",
        "select.order_by(sa.text(column + ' DESC'))",
        "account.c.no.op(f'{sign}')(1)",
        "select.with_hint(table, f'FORCE INDEX ({index})')",
        "select.prefix_with('SQL_' + word)",
    ],
)
def test_the_check_of_sql_can_fail(text: str) -> None:
    assert sql_faults([module_from(text, path="gongyi_bank/store/ledger.py")])
    assert not sql_faults([module_from(text, path="gongyi_bank/store/engines/sqlite.py")])


@pytest.mark.parametrize(
    "text",
    [
        "connection.execute(text('SELECT 1 WHERE a = :a'), {'a': a})",
        "connection.execute(select(account.c.no).where(account.c.no == f'{no}'))",
        "bank.execute(command)",
        "cursor.execute('SELECT 1' + ' WHERE a = ?', (a,))",
        "tx.wire.fetch('SELECT 1 WHERE a = ?', (f'{words}%',))",
        "select.order_by(sa.literal_column('1'))",
        "select.with_hint(table, 'FORCE INDEX (gb_account_pk)')",
    ],
)
def test_the_check_of_sql_lets_parameters_pass(text: str) -> None:
    assert not sql_faults([module_from(text, path="gongyi_bank/store/ledger.py")])


def test_the_check_of_the_wire_can_fail() -> None:
    text = "class Room:\n    def look(self):\n        return self.tx.wire.fetch(self.sql, ())"
    outside = module_from(text, path="gongyi_bank/store/ledger.py")
    assert wire_calls([outside]) == {
        "gongyi_bank/store/ledger.py: self.tx.wire.fetch(self.sql, ())"
    }
    assert not wire_calls([module_from(text, path="gongyi_bank/store/engines/sqlite.py")])
