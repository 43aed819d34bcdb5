"""Who takes hold of a connection, and who executes anything: a closed list of every place.

What is read through a `Query` is of one bank (`test_tenancy.py`). This file is why there is no
other way: whatever a connection is called, and whatever is done with it, must stand in a list.
"""

from __future__ import annotations

import ast
from collections import defaultdict

import pytest

from tests.tidy.house import Module, module_from, package_modules, report

#: What leads to a connection, and what executes: of SQLAlchemy, of the drivers and our own `Wire`.
WATCHED = frozenset({
    "connection", "sync_connection", "driver_connection", "dbapi_connection", "raw_connection",
    "connect", "get_bind", "cursor", "wire", "execution_options", "run_sync",
    "execute", "executemany", "execute_many", "exec_driver_sql", "scalar", "scalars", "stream",
    "stream_scalars", "fetch",
})  # fmt: skip
#: What makes statements; under another name the lists of `test_tenancy.py` would not see it.
MAKERS = frozenset({"Query", "query", "_Compiled", "_Fused", "_compile"})

#: Runs commands, not statements: `execute` of a bank, a counter or a desk.
COMMANDS = {
    "aio/desks.py AsyncDesks.execute": "execute",
    "aio/desks.py AsyncDesks.execute_many": "execute_many",
    "bank.py Desks.execute_many": "execute",
    "desks/base.py Act.__get__": "execute",
    "desks/closings.py ClosingsDesk.close": "execute",
    "desks/closings.py ClosingsDesk._expire_due": "execute",
    "group_commit.py _Entry.run_alone": "execute",
    "group_commit.py GroupCommit.execute": "execute",
    "testing/conformance/posting.py "
    "PostingTests.test_a_list_of_services_gives_the_books_of_one_by_one": "execute_many",
    "testing/conformance/posting.py "
    "PostingTests.test_the_same_key_gives_the_same_receipt_and_one_effect": "execute",
    "testing/conformance/transactions.py "
    "TransactionTests.test_a_key_that_callers_race_for_has_one_effect": "execute",
    "testing/histories.py _require_player": "execute",
    "testing/histories.py _lived": "execute",
    "testing/machine/both_sides.py answer_of": "execute",
    "testing/machine/watching.py _Watched.execute": "execute",
    "testing/machine/watching.py _Watched._listening": "execute",
    "testing/reference/bank.py ReferenceDesk.__getattr__": "execute",
    "testing/reference/bank.py ReferenceDesks.execute_many": "execute",
    "testing/reference/bank.py ReferenceBank.execute": "execute",
    "testing/reference/closings.py close_through": "execute",
    "testing/reference/closings.py _prepare": "execute",
    "testing/story_builder.py Story.does": "execute",
}
#: Takes hold of a connection and asks it nothing of the books.
HOLDERS = {
    "aio/bank.py AsyncBank.within": "connection sync_connection",
    "opening.py engine_of": "get_bind",
    "reports/verification.py _Audit.run": "wire",
    "service/gate.py Visit.require_newest_rows": "wire",
    "store/connections.py _connected": "connect",
    "store/connections.py require_reachable": "connect",
    "store/connections.py _joined": "connection",
    "store/connections.py _begin_block": "connection",
    "store/migrations/operations.py _has_table": "get_bind",
    "store/migrations/operations.py _names_of": "get_bind",
    "store/migrations/running.py write_script": "connect",
    "store/migrations/running.py _upgrade": "connect",
    "store/transaction.py Transaction.__init__": "connection wire",
    "store/transaction.py Transaction._innermost": "connection",
    "store/transaction.py Transaction.sees_one_moment": "wire",
    "store/transaction.py Transaction.write": "wire",
    "store/transaction.py _compile": "connection",
}
#: `stream` of `store.seals`, whose query is of one bank.
LEAVES = {
    "reports/seal_checks.py BooksAudit.faults": "stream",
    "reports/seal_checks.py BooksAudit._check_day": "stream",
    "reports/seals.py proof": "stream",
}
#: Puts statements to a connection. Founding looks banks up by name and numbers a new one, the
#: schema is of all banks; who calls `tx.execute` is in `test_tenancy.WRITES`, and what reaches the
#: wire is a `Query` (`test_sql.WIRE_CALLS`).
STATEMENTS = {
    "store/founding.py create_schema": "exec_driver_sql",
    "store/founding.py has_bank": "scalar",
    "store/founding.py load_identity": "execute",
    "store/founding.py write_bank": "execute scalar",
    "store/migrations/operations.py create_tables": "execute",
    "store/migrations/operations.py _run": "exec_driver_sql get_bind",
    "store/migrations/version.py load_revision": "scalar scalars",
    "store/migrations/version.py write_revision": "execute",
    "store/outbox.py number_vouchers": "execute",
    "store/outbox.py save_position": "execute",
    "store/policies.py write_stamp": "execute",
    "store/serials.py draw_many": "execute",
    "store/serials.py _locked": "execute",
    "store/transaction.py Transaction.execute": "connection execute",
    "store/transaction.py _Compiled.run": "fetch wire",
    "store/transaction.py _Fused.run": "fetch wire",
}
#: Settings, DDL, statistics, sessions and how an act's rows are written; what they write as text
#: is read in `test_tenancy.py`.
ENGINES = {
    "store/engines/__init__.py": "connect",
    "store/engines/base.py StoreEngine.fresh_cursor": "connection cursor",
    "store/engines/base.py all_or_none": "execute",
    "store/engines/fused.py FusedWrite.given": "scalar",
    "store/engines/mysql.py MysqlEngine.prepare": "connect",
    "store/engines/mysql.py MysqlEngine.create_tables": "execute",
    "store/engines/mysql.py MysqlEngine.migrating_alone": "exec_driver_sql",
    "store/engines/mysql.py MysqlEngine.founding_alone": "exec_driver_sql",
    "store/engines/mysql.py MysqlEngine.weak_settings": "execute scalars",
    "store/engines/mysql.py MysqlEngine.count_guards": "fetch",
    "store/engines/mysql.py MysqlEngine.grants_for": "exec_driver_sql",
    "store/engines/mysql.py MysqlEngine.history_is_writable": "fetch",
    "store/engines/mysql.py MysqlEngine.begin_writing": "connection driver_connection fetch",
    "store/engines/mysql.py MysqlEngine.for_reading": "execute",
    "store/engines/mysql.py _schema_taken": "exec_driver_sql scalar",
    "store/engines/mysql.py _on_connect": "cursor execute",
    "store/engines/mysql.py _level": "connection driver_connection fetch",
    "store/engines/mysql.py _tells_of_changes": "fetch",
    "store/engines/mysql.py _insert_rows": "execute_many",
    "store/engines/mysql.py _update": "connection execute",
    "store/engines/postgresql.py PostgresqlEngine.refresh_statistics": "exec_driver_sql",
    "store/engines/postgresql.py PostgresqlEngine.weak_settings": "exec_driver_sql",
    "store/engines/postgresql.py PostgresqlEngine.lock_schema": "exec_driver_sql",
    "store/engines/postgresql.py PostgresqlEngine.count_guards": "fetch",
    "store/engines/postgresql.py PostgresqlEngine.grants_for": "exec_driver_sql",
    "store/engines/postgresql.py PostgresqlEngine.history_is_writable": "fetch",
    "store/engines/postgresql.py PostgresqlEngine.adapt": "scalar",
    "store/engines/postgresql.py PostgresqlEngine.begin_writing": (
        "connection dbapi_connection fetch scalar"
    ),
    "store/engines/postgresql.py PostgresqlEngine.reads_newest_rows": "fetch",
    "store/engines/postgresql.py PostgresqlEngine.alone": "connection dbapi_connection",
    "store/engines/postgresql.py PostgresqlEngine.for_reading": "execution_options",
    "store/engines/postgresql.py PostgresqlEngine.write": "fetch scalar",
    "store/engines/postgresql.py PostgresqlEngine.has_failed": "connection driver_connection",
    "store/engines/raw.py raw_cursor": "connection cursor driver_connection",
    "store/engines/sqlite.py SqliteEngine.prepare": "connect",
    "store/engines/sqlite.py SqliteEngine.finish_schema": "exec_driver_sql",
    "store/engines/sqlite.py SqliteEngine.migrating_alone": "connection dbapi_connection execute",
    "store/engines/sqlite.py SqliteEngine.lock_schema": "exec_driver_sql",
    "store/engines/sqlite.py SqliteEngine.require_sound_schema": "exec_driver_sql",
    "store/engines/sqlite.py SqliteEngine.weak_settings": "exec_driver_sql",
    "store/engines/sqlite.py SqliteEngine.count_guards": "fetch",
    "store/engines/sqlite.py SqliteEngine.begin_writing": "connection driver_connection execute",
    "store/engines/sqlite.py SqliteEngine.for_reading": "execution_options",
    "store/engines/sqlite.py SqliteEngine.write": "execute_many",
    "store/engines/sqlite.py _expected_figures": "exec_driver_sql scalars",
    "store/engines/sqlite.py _unsafe_journal": "exec_driver_sql",
    "store/engines/sqlite.py _on_connect": "execute",
    "store/engines/sqlite.py _keep_write_ahead_log": "execute",
    "store/engines/sqlite.py _on_begin": "connection dbapi_connection exec_driver_sql execute",
    "store/engines/sqlite.py _insert": "execute_many",
    "store/engines/sqlite.py _update": "execute_many",
    "store/engines/wire.py Wire.__init__": "connection",
    "store/engines/wire.py Wire._run": "connection execute executemany",
    "store/engines/wire.py Wire._fresh_cursor": "connection",
    "store/engines/wire.py Wire._is_lost": "connection dbapi_connection",
}
#: Proving tools: a connection of their own, a table of the caller's, or a bank in the condition.
PROVING = {
    "testing/conformance/transactions.py _write": "execute",
    "testing/conformance/transactions.py _words": "connect scalars",
    "testing/conformance/transactions.py "
    "TransactionTests.test_nothing_is_committed_until_the_caller_does": "connect",
    "testing/machine/blocks.py Courses._hear_of_error": "connection",
    "testing/machine/comparison.py _read": "connection execute",
    "testing/machine/losses.py _lose": "connection dbapi_connection",
    "testing/machine/machine.py BankMachine.acts_within_callers_transaction": "connect",
    "testing/machine/own_database.py own_engine": "connect",
    "testing/machine/own_database.py _wait_for_no_disk": "execute",
    "testing/machine/watching.py _Watched.within": "connection",
    "testing/machine/watching.py _vouchers.look": "connection execute",
}
LISTS = (COMMANDS, HOLDERS, LEAVES, STATEMENTS, ENGINES, PROVING)
KNOWN = {place: set(words.split()) for each in LISTS for place, words in each.items()}
ADVICE = (
    "ask by a Query of store/, which is of one bank. What cannot be asked so belongs to"
    " store/engines/ or store/founding.py, and then into a list of this file."
)


def holds(modules: list[Module]) -> dict[str, set[str]]:
    """By place, what is watched and said there: as an attribute, in a text, in a pattern."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        _visit(module.tree, module.path.removeprefix("gongyi_bank/"), (), found)
    return dict(found)


def _visit(node: ast.AST, path: str, within: tuple[str, ...], found: dict[str, set[str]]) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        within = (*within, node.name)
    said = set(_said(node)) & WATCHED
    if said:
        found[" ".join([path, ".".join(within[:2])]).rstrip()] |= said
    for child in ast.iter_child_nodes(node):
        _visit(child, path, within, found)


def _said(node: ast.AST) -> list[str]:
    """What a node names that somebody else has: `a.b`, `getattr(a, "b")`, `case A(b=c)`."""
    match node:
        case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return [name]
        case ast.MatchClass(kwd_attrs=names):
            return names
    return []


def connection_faults(modules: list[Module]) -> list[str]:
    return [
        f"{place}: {' '.join(sorted(more))}"
        for place, words in holds(modules).items()
        if (more := words - KNOWN.get(place, set()))
    ]


def maker_faults(modules: list[Module]) -> list[str]:
    """Whoever has what makes statements by another name, or has what is its own file's."""
    return [
        f"{module.at(node)}: {ast.unparse(node)}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and any(map(_hides_a_maker, node.names))
    ]


def _hides_a_maker(one: ast.alias) -> bool:
    """`query as asked`, `_Compiled`; and the module, whose `transaction.query` is not `query`."""
    is_renamed = one.asname is not None or one.name.startswith("_")
    return (one.name in MAKERS and is_renamed) or one.name.split(".")[-1] == "transaction"


def test_nobody_else_takes_hold_of_a_connection_or_executes() -> None:
    report(connection_faults(package_modules()), advice=ADVICE)


def test_every_place_in_the_lists_is_still_there() -> None:
    assert sum(map(len, LISTS)) == len(KNOWN)
    assert holds(package_modules()) == KNOWN


def test_what_makes_statements_goes_by_its_own_name() -> None:
    report(maker_faults(package_modules()), advice=ADVICE)


@pytest.mark.parametrize(
    "body",
    [
        "found = tx.connection.exec_driver_sql('select ref from gb_redemption')",
        "reading = tx.connection\n    found = reading.execute(sa.select(redemption.c.ref))",
        "found = tx.connection.execution_options(yield_per=500).execute(once)",
        "found = handed.execute(once)",
        "run = handed.scalars\n    found = run(once)",
        "found = tx.wire._run(sql)",
        "wire = tx.wire\n    found = wire.fetch(sql, ())",
        "found = getattr(tx, 'connection')",
        "found = vars(tx)['connection']",
        "found = operator.methodcaller('exec_driver_sql', sql)(handed)",
        "match tx:\n        case Transaction(connection=found):\n            pass",
        "with bank.engine.connect() as found:\n        pass",
    ],
)
@pytest.mark.parametrize("place", ["load_redeemed_refs", "_redeemed_refs", "load_identity"])
def test_the_check_of_connections_can_fail(body: str, place: str) -> None:
    text = f"def {place}(tx, refs):\n    {body}\n    return found"
    assert connection_faults([module_from(text, path="gongyi_bank/store/takeover.py")])


def test_what_a_listed_place_may_do_is_listed_too() -> None:
    text = "def has_bank(connection):\n    return connection.%s(select)"
    path = "gongyi_bank/store/founding.py"
    assert not connection_faults([module_from(text % "scalar", path=path)])
    assert connection_faults([module_from(text % "execute", path=path)])


@pytest.mark.parametrize(
    "text",
    [
        "from gongyi_bank.store.transaction import query as asked",
        "from gongyi_bank.store.transaction import _Compiled",
        "from gongyi_bank.store import transaction",
        "import gongyi_bank.store.transaction",
    ],
)
def test_the_check_of_what_makes_statements_can_fail(text: str) -> None:
    assert maker_faults([module_from(text, path="gongyi_bank/store/takeover.py")])
