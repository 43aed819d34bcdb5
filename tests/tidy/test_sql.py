"""Reliability, security checklist: no SQL built from strings; values are always parameters."""

import ast

import pytest

from tests.tidy.house import Module, module_from, package_modules, report

SQL_CALLS = frozenset({"text", "execute", "executemany", "exec_driver_sql", "scalar", "scalars"})

#: Where statements may be put together from fixed pieces (never from values): what differs between
#: engines, and the guard triggers, whose DDL takes no parameters.
EXEMPT_PATHS = ("gongyi_bank/store/engines/", "gongyi_bank/store/triggers.py")


def sql_faults(modules: list[Module]) -> list[str]:
    faults = []
    for module in modules:
        if not module.path.startswith(EXEMPT_PATHS):
            built = _names_of_built_strings(module.tree)
            faults += [
                f"{module.at(call)}: {ast.unparse(call)[:100]}"
                for call in ast.walk(module.tree)
                if isinstance(call, ast.Call)
                and _name_of(call.func) in SQL_CALLS
                and any(_is_built(argument, built) for argument in _first_argument(call))
            ]
    return faults


def _name_of(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _first_argument(call: ast.Call) -> list[ast.expr]:
    named = [keyword.value for keyword in call.keywords if keyword.arg in {"text", "statement"}]
    return [*call.args[:1], *named]


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
    ],
)
def test_the_check_of_sql_lets_parameters_pass(text: str) -> None:
    assert not sql_faults([module_from(text, path="gongyi_bank/store/ledger.py")])
