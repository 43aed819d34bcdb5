"""The sum of the migrations is the newest schema, and an upgrade keeps what was there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gongyi_bank import migrate
from gongyi_bank.bank import Bank
from gongyi_bank.errors import (
    GongyiBankError,
    SchemaOutdated,
    SchemaTooNew,
    SchemaUnknown,
)
from gongyi_bank.store.engines import connect, engine_for
from gongyi_bank.store.migrations import frozen, running, version
from gongyi_bank.store.tables import metadata
from tests.books import everything
from tests.district import District
from tests.mysqld import engine_name
from tests.store import schema_dumps, write_baseline
from tests.store.schema_dumps import SCHEMAS, dump_rows, lived_in, load_rows, reflected, told
from tests.tidy.house import ROOT

#: What nobody has released: a table with rows made from others, and a column of a guarded table
#: that is added, filled, and then needed (on SQLite the table is made anew for that).
NEXT = """
import sqlalchemy as sa
from gongyi_bank.store.migrations.frozen import *
from gongyi_bank.store.migrations.operations import (
    add_column, changing, create_tables, guard, unguard,
)

revision, down_revision = "0002", "0001"
SCHEMA = sa.MetaData()
for name, keys in (
    ("gb_account", "account_no"), ("gb_outlet", "outlet_no"), ("gb_voucher", "voucher_id"),
):
    table(SCHEMA, name, need("bank_id", BIG), need(keys, raw(16) if "id" in keys else BIG))
table(SCHEMA, "gb_bank", need("bank_id", BIG))
remark = table(
    SCHEMA, "gb_remark", need("bank_id", BIG), need("account_no", BIG), need("said", text(100)),
    key("gb_remark_pk", "bank_id account_no"),
    fk("gb_remark_account_fk", "bank_id account_no", "gb_account"),
    index("gb_remark_said_ix", "bank_id said"),
)
@STAY@

def upgrade(op):
    create_tables(op, remark)
    op.execute(
        "INSERT INTO gb_remark (bank_id, account_no, said) SELECT a.bank_id, a.account_no, a.kind"
        " FROM gb_account a WHERE NOT EXISTS (SELECT 1 FROM gb_remark r"
        " WHERE r.bank_id = a.bank_id AND r.account_no = a.account_no)"
    )
    unguard(op, "customer_stay")
    add_column(op, "gb_customer_stay", may("weight", BIG))
    op.execute("UPDATE gb_customer_stay SET weight = 7 WHERE weight IS NULL")
    with changing(op, stay) as batch:
        batch.alter_column("weight", existing_type=BIG, nullable=False)
    guard(op, "customer_stay")
"""


@pytest.fixture
def next_versions(tmp_path: Path) -> tuple[Path, ...]:
    """The folders of the revisions, with one that nobody has released."""
    stay = write_baseline._table(metadata.tables["gb_customer_stay"])
    stay = f"stay = {stay}".replace("    key(", '    may("weight", BIG),\n    key(', 1)
    (tmp_path / "0002_next.py").write_text(NEXT.replace("@STAY@", stay), "utf-8")
    return (*running.VERSIONS, tmp_path)


def upgrade(url: str, versions: tuple[Path, ...] = running.VERSIONS) -> list[str]:
    engine = connect(url)
    try:
        return running.upgrade(engine, engine_for(engine.dialect.name), versions)
    finally:
        engine.dispose()


def seen(url: str, look: Callable[[sa.Connection], Any]) -> Any:
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return look(connection)
    finally:
        engine.dispose()


@pytest.fixture
def another_url(empty_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A second empty database of the same kind."""
    kind = engine_name(empty_url)
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'another.db'}"
        return
    with request.getfixturevalue(f"{kind}_server").fresh_database() as url:
        yield url


# ---------------------------------------------------------------- the newest schema


def test_the_sum_of_the_migrations_is_the_newest_schema(empty_url: str, another_url: str) -> None:
    assert upgrade(empty_url) == [version.NEWEST]
    Bank.found(another_url, unsafe_settings="allow").close()
    for look in (told, reflected):
        migrated, founded = seen(empty_url, look), seen(another_url, look)
        assert len(migrated) > 25
        assert migrated == founded


def test_alembic_finds_no_difference_from_the_newest_schema(empty_url: str) -> None:
    upgrade(empty_url)
    options = {"version_table": version.version.name, "compare_type": True}

    def differences(connection: sa.Connection) -> Any:
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert seen(empty_url, differences) == []


def test_the_newest_revision_is_the_one_that_founding_writes(sqlite_district: District) -> None:
    folders = [str(folder) for folder in running.VERSIONS]
    script = ScriptDirectory(str(running.VERSIONS[0].parent), version_locations=folders)
    assert script.get_heads() == [version.NEWEST]
    with sqlite_district.bank.engine.connect() as connection:
        assert version.load_revision(connection) == version.NEWEST


def test_the_baseline_is_what_the_tool_writes() -> None:
    if any(SCHEMAS.glob("*.json")):
        return  # released: frozen, and the dumps are what it is compared with
    assert write_baseline.BASELINE.read_text("utf-8") == write_baseline.baseline(), (
        "run python -m tests.store.write_baseline"
    )


def test_a_released_baseline_is_not_written_anew(tmp_path: Path) -> None:
    write_baseline.require_unreleased(tmp_path)
    (tmp_path / "0001.json").touch()
    with pytest.raises(write_baseline.Released):
        write_baseline.require_unreleased(tmp_path)


def test_no_revision_enters_what_still_changes() -> None:
    for folder in running.VERSIONS:
        for file in (*folder.glob("*.py"), Path(frozen.__file__)):
            assert "store.tables" not in file.read_text("utf-8").replace("`store/tables", "")


def test_the_types_of_revisions_never_change() -> None:
    kinds = (frozen.BIG, frozen.SMALL, frozen.DAY, frozen.INSTANT, frozen.LONG_TEXT,
             frozen.text(40), frozen.raw(32))  # fmt: skip
    exact = "CHARACTER SET utf8mb4 COLLATE"
    spoken = {
        "sqlite": "INTEGER INTEGER TEXT TEXT TEXT TEXT BLOB".split(),
        "postgresql": [
            "BIGINT", "INTEGER", "DATE", "TIMESTAMP WITH TIME ZONE", "TEXT", "VARCHAR(40)", "BYTEA",
        ],
        "mariadb+pymysql": [
            "BIGINT", "INTEGER", "DATE", "DATETIME(6)", f"LONGTEXT {exact} utf8mb4_nopad_bin",
            f"VARCHAR(40) {exact} utf8mb4_nopad_bin", "BINARY(32)",
        ],
        "mysql+pymysql": [
            "BIGINT", "INTEGER", "DATE", "DATETIME(6)", f"LONGTEXT {exact} utf8mb4_0900_bin",
            f"VARCHAR(40) {exact} utf8mb4_0900_bin", "BINARY(32)",
        ],
    }  # fmt: skip
    for name, expected in spoken.items():
        dialect = sa.make_url(f"{name}://").get_dialect()()
        assert [kind.compile(dialect=dialect) for kind in kinds] == expected


# ---------------------------------------------------------------- upgrades


@pytest.fixture
def next_is_newest(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, the library was written for the made-up revision."""
    return lambda: monkeypatch.setattr(version, "NEWEST", "0002")


def test_an_upgrade_keeps_a_lived_in_district(
    empty_url: str, next_versions: tuple[Path, ...], next_is_newest: Callable[[], None]
) -> None:
    with lived_in(empty_url) as district:
        before = _said(district.bank)
        district.bank.engine.dispose()
        assert upgrade(empty_url, next_versions) == ["0002"]
        next_is_newest()
        opened = Bank.open(empty_url, staff="admin", clock=district.clock, unsafe_settings="allow")
        assert _said(opened) == before
        assert not opened.verify().faults
        with opened.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT DISTINCT weight FROM gb_customer_stay").all()
            said = connection.exec_driver_sql("SELECT count(*) FROM gb_remark").scalar()
            assert said == len(before[0]["gb_account"])
            with pytest.raises(sa.exc.DBAPIError, match="never changed"):
                connection.exec_driver_sql("UPDATE gb_customer_stay SET weight = 8")
        opened.pools.open(code="NEW", name="新池", outlet="B01")
        opened.close()


def _said(bank: Bank) -> tuple[dict[str, Any], list[str]]:
    """Every row, and every statement as it is printed."""
    found = everything(bank)
    numbers = sorted({row[1] for row in found["gb_account_head"] if row[1] > 0})
    customers = [number for number in numbers if number < 10**12]
    return found, [str(bank.reports.statement(account=number)) for number in customers[:4]]


@pytest.mark.slow
def test_an_upgrade_that_is_stopped_at_every_statement_is_finished_by_the_next_run(
    empty_url: str, another_url: str, next_versions: tuple[Path, ...]
) -> None:
    with lived_in(empty_url, acts=10) as district:
        rows = everything(district.bank)
        district.bank.engine.dispose()
        for number in range(1, 200):
            if _stopped_at(number, empty_url, next_versions) is None:
                break
        assert number > 15
        assert everything(district.bank) == rows
    upgrade(another_url, next_versions)
    assert [*_without_figures(empty_url)] == [*_without_figures(another_url)]


@pytest.mark.slow
@pytest.mark.parametrize("stride", [17])
def test_a_first_migration_that_is_stopped_again_and_again_is_finished(
    empty_url: str, another_url: str, stride: int
) -> None:
    for number in range(1, 2000, stride):
        if _stopped_at(number, empty_url, running.VERSIONS) is None:
            break
    assert number > 3 * stride
    upgrade(another_url)
    assert seen(empty_url, told) == seen(another_url, told)
    District(empty_url).close()


def _stopped_at(number: int, url: str, versions: tuple[Path, ...]) -> Exception | None:
    """Migrate until a statement of this number; None if there are not so many."""
    engine, count = connect(url), 0

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _stop(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise ConnectionError

    try:
        running.upgrade(engine, engine_for(engine.dialect.name), versions)
    except ConnectionError as error:
        return error
    finally:
        engine.dispose()
    return None


def _without_figures(url: str) -> list[str]:
    """SQLite's figures of a table with rows are measured ones by then."""
    return [line for line in seen(url, told) if not line.startswith("figures")]


KILLED = """
import os, sys
import sqlalchemy as sa
from gongyi_bank.bank import Bank
count = 0
@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def kill(*_):
    global count
    count += 1
    if count == 100:
        os.kill(os.getpid(), 9)
Bank.migrate(sys.argv[1])
"""


@pytest.mark.slow
def test_a_process_that_is_killed_is_followed_by_another(empty_url: str, another_url: str) -> None:
    python = [sys.executable, "-c", KILLED, empty_url]
    assert subprocess.run(python, cwd=ROOT, check=False).returncode == -9
    with pytest.raises(GongyiBankError):
        Bank.open(empty_url, unsafe_settings="allow")
    assert migrate.main(["--database", empty_url]) == 0
    upgrade(another_url)
    assert seen(empty_url, told) == seen(another_url, told)


def test_several_migrations_at_once_are_one(empty_url: str) -> None:
    done: list[Any] = []
    start = threading.Barrier(4)

    def run(work: Callable[[], Any]) -> None:
        start.wait()
        try:
            done.append(work())
        except GongyiBankError as error:
            done.append(error)

    works = [lambda: Bank.migrate(empty_url)] * 3
    works.append(lambda: Bank.found(empty_url, unsafe_settings="allow").close() or [])
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done, key=str) in (
        [[], [], [], []],
        [["0001"], [], [], []],
        [[], [], [], ["0001"]],
    )
    bank = Bank.open(empty_url, staff="admin", unsafe_settings="allow")
    assert not bank.verify().faults
    bank.close()


def test_every_released_schema_is_upgraded_with_its_rows(empty_url: str) -> None:
    for dump in sorted(SCHEMAS.glob("*.json")):
        _upgrade_from(dump, empty_url, running.VERSIONS)
        Bank.open(empty_url, staff="admin", unsafe_settings="allow").close()
        seen(empty_url, lambda connection: metadata.drop_all(connection))


def test_a_dump_can_be_loaded_and_upgraded(
    empty_url: str, tmp_path: Path, next_versions: tuple[Path, ...],
    next_is_newest: Callable[[], None],
) -> None:  # fmt: skip
    (tmp_path / "schemas").mkdir()
    dump = tmp_path / "schemas" / "0001.json"
    with lived_in(f"sqlite:///{tmp_path / 'source.db'}", acts=30) as district:
        rows = everything(district.bank)
        dump.write_text(seen(district.url, dump_rows), "utf-8")
    _upgrade_from(dump, empty_url, next_versions)
    next_is_newest()
    bank = Bank.open(empty_url, staff="admin", clock=district.clock, unsafe_settings="allow")
    assert everything(bank) == rows
    assert not bank.verify().faults
    bank.close()


def _upgrade_from(dump: Path, url: str, versions: tuple[Path, ...]) -> None:
    """Make the released schema, compare it with what was released, fill it, and upgrade."""
    old = dump.parent / f"{dump.stem}_versions"
    old.mkdir(exist_ok=True)
    for file in running.VERSIONS[0].glob("0*.py"):
        if file.name[:4] <= dump.stem:
            shutil.copy(file, old)
    upgrade(url, (old,))
    shutil.rmtree(old)
    kind = sa.make_url(url).get_backend_name()
    released = dump.with_suffix(f".{kind}.txt")
    if released.exists():
        assert seen(url, told) == released.read_text("utf-8").splitlines()
    engine = connect(url)
    with engine.begin() as connection:
        load_rows(connection, dump.read_text("utf-8"))
    engine.dispose()
    upgrade(url, versions)


# ---------------------------------------------------------------- the door


def test_another_schema_is_refused_at_the_door(district: District) -> None:
    engine = district.bank.engine
    for found, error in (("0000", SchemaOutdated), ("0777", SchemaTooNew), ("x", SchemaUnknown)):
        with engine.begin() as connection:
            connection.execute(sa.update(version.version).values(version_num=found))
        for door in (Bank.open, Bank.found):
            with pytest.raises(error) as refused:
                door(district.url, unsafe_settings="allow")
            assert refused.value.facts["found"] == found
    with engine.begin() as connection:
        connection.execute(sa.update(version.version).values(version_num="0777"))
    with pytest.raises(SchemaTooNew):
        Bank.migrate(district.url)
    with engine.begin() as connection:
        connection.execute(sa.delete(version.version))
    with pytest.raises(SchemaUnknown):
        Bank.open(district.url, unsafe_settings="allow")
    with pytest.raises(SchemaUnknown):
        Bank.migrate(district.url)
    with engine.begin() as connection:
        connection.execute(sa.insert(version.version).values(version_num=version.NEWEST))


def test_opening_reads_the_version_and_the_bank_in_three_statements(
    sqlite_district: District,
) -> None:
    sent: list[str] = []
    engine = sqlite_district.bank.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *facts: sent.append(facts[2]))
    Bank.open(engine)
    assert len([text for text in sent if not text.startswith("PRAGMA ")]) == 2
    assert len([text for text in sent if "table_" in text]) == 1  # whether the table is there


def test_within_a_callers_transaction_another_schema_is_refused(sqlite_district: District) -> None:
    with sqlite_district.bank.engine.begin() as connection:
        connection.execute(sa.update(version.version).values(version_num="0777"))
    other = sa.create_engine(sqlite_district.url)
    with (
        other.connect() as connection,
        pytest.raises(SchemaTooNew),
        Bank.within(sqlite_district.bank, connection),
    ):
        pass  # pragma: no cover
    other.dispose()


def test_a_handed_engine_is_migrated_and_stays_open(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    assert Bank.migrate(engine) == [version.NEWEST]
    assert Bank.migrate(engine) == []
    with engine.connect() as connection:
        assert version.is_newest(connection)
    engine.dispose()


def test_a_stopped_migration_of_a_plain_sqlite_engine_leaves_nothing(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'host.db'}")

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _stop(*facts: Any) -> None:
        if "gb_voucher" in facts[2]:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        Bank.migrate(engine)
    engine.dispose()
    tables = seen(str(engine.url), lambda connection: sa.inspect(connection).get_table_names())
    assert tables == ["gb_schema_version"]


# ---------------------------------------------------------------- the program and the script


def test_the_program_migrates_once(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("migrated: 0001\n", "nothing to do\n"):
        assert migrate.main(["--database", empty_url]) == 0
        assert capsys.readouterr().out == words
    assert migrate.main(["--database", "oracle://x"]) == 2
    assert "oracle" in capsys.readouterr().err


@pytest.mark.slow
def test_the_script_run_by_hand_makes_the_same_schema(
    empty_url: str, another_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate.main(["--database", empty_url, "--sql"]) == 0
    script = capsys.readouterr().out
    assert seen(empty_url, lambda connection: sa.inspect(connection).get_table_names()) == []
    _run_by_hand(script, empty_url)
    upgrade(another_url)
    for url in (empty_url, another_url):
        assert seen(url, version.is_newest)
    assert _of_tables(empty_url) == _of_tables(another_url)


def _of_tables(url: str) -> list[str]:
    """All but the form of the version table, which the script leaves to Alembic."""
    return [line for line in _without_figures(url) if "gb_schema_version" not in line]


def _run_by_hand(script: str, url: str) -> None:
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(made.database))) as connection:
            connection.executescript(script)
    elif made.get_backend_name() == "postgresql":
        engine = connect(url)
        with engine.connect() as connection:
            connection.connection.driver_connection.execute(script)
        engine.dispose()
    else:
        program = shutil.which("mariadb") or shutil.which("mysql")
        assert program is not None, "the client comes with the server"
        socket = made.query["unix_socket"]
        arguments = [program, "--default-character-set=utf8mb4", f"--socket={socket}", "-uroot"]
        arguments.append(str(made.database))
        subprocess.run(arguments, input=script.encode(), check=True, env={**os.environ})


WITHOUT_ALEMBIC = """
import sys
sys.modules["alembic"] = None
from gongyi_bank import Bank, EngineUnsupported
Bank.found("sqlite://").close()
try:
    Bank.migrate("sqlite://")
except EngineUnsupported as error:
    print(error.facts["reason"])
"""


def test_without_alembic_banks_are_founded_and_migrating_says_what_to_install() -> None:
    python = [sys.executable, "-c", WITHOUT_ALEMBIC]
    done = subprocess.run(python, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "pip install 'gongyi-bank[migrations]'\n"


# ---------------------------------------------------------------- a host with migrations of its own


def test_a_hosts_autogenerate_leaves_our_tables_alone(district: District) -> None:
    host = sa.MetaData()

    def include_name(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name is None or not name.startswith("gb_")

    def differences(connection: sa.Connection, **options: Any) -> Any:
        return compare_metadata(MigrationContext.configure(connection, opts=options), host)

    with district.bank.engine.connect() as connection:
        assert differences(connection, include_name=include_name) == []
        assert any(change[0] == "remove_table" for change in differences(connection))
    assert schema_dumps.NEWEST == version.NEWEST
