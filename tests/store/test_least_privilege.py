"""A service needs no right to change history: every act runs without, and the server refuses it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from gongyi_bank import migrate
from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.errors import EngineError, EngineUnsupported, InvalidValue
from gongyi_bank.store.engines import Wire, connect, engine_for
from gongyi_bank.store.engines.guards import MUTABLE_COLUMNS, guarded_tables
from gongyi_bank.store.tables import metadata
from gongyi_bank.values import Points
from tests.acts import keyed
from tests.district import START, District, create_tables
from tests.mysqld import is_mysql
from tests.reports.history import History
from tests.security.cases import EVERY

SERVERS = ("postgresql", "mariadb")
#: How a server says that an account lacks a right: for a table, a column, a database.
DENIED = {"postgresql": {"42501"}, "mariadb": {1142, 1143, 1044}}

CODE_OF: dict[str, Callable[[Any], object]] = {
    "postgresql": lambda error: error.sqlstate,
    "mariadb": lambda error: error.args[0],
}


@dataclass(frozen=True)
class Premises:
    """A database of a server, as its owner and as a service see it."""

    kind: str
    #: The owner's.
    url: str
    service_url: str
    #: The service's role or account, as the command line takes it.
    role: str
    #: The same as SQL.
    quoted: str
    #: Kept engines of both.
    owner: sa.Engine
    service: sa.Engine

    def run(self, *statements: str, url: str | None = None) -> None:
        """Run statements as they are, as the owner."""
        engine = sa.create_engine(url or self.url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement.replace("%", "%%"))
        finally:
            engine.dispose()

    def refusals(self, statements: Iterable[str]) -> dict[str, object]:
        """The server's code for each statement that the service tries; None where it may."""
        found: dict[str, object] = {}
        with self.service.connect() as connection:
            for statement in statements:
                try:
                    connection.exec_driver_sql(statement)
                except sa.exc.DBAPIError as error:
                    found[statement] = CODE_OF[self.kind](error.orig)
                else:
                    found[statement] = None
                connection.rollback()
        return found

    def district(self, name: str) -> District:
        """A district founded by the owner, and worked in by the service."""
        district = District(self.owner, bank=name)
        district.bank = Bank.open(
            self.service, bank=name, staff="admin", clock=district.clock, unsafe_settings="allow"
        )
        return district

    def may_change_history(self, url: str | None = None) -> bool | None:
        """What the library says of the service's account, or of another, in a new session."""
        engine = connect(url or self.service_url)
        try:
            with engine.connect() as connection:
                support = engine_for(engine.dialect.name)
                return support.history_is_writable(Wire(connection, support))
        finally:
            engine.dispose()


@pytest.fixture(scope="module", params=SERVERS)
def premises(request: pytest.FixtureRequest) -> Iterator[Premises]:
    """A database with our tables, and an account that has what `Bank.grants` says."""
    kind = request.param
    with request.getfixturevalue(f"{kind}_server").fresh_database() as url:
        create_tables(url)
        with with_service(kind, url) as made:
            yield made


@contextmanager
def with_service(kind: str, url: str) -> Iterator[Premises]:
    name, word = f"gb-service_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    account = f'"{name}"' if kind == "postgresql" else f"`{name}`@`%`"
    role = name if kind == "postgresql" else f"{name}@%"
    service = sa.make_url(url).set(username=name, password=word)
    service_url = service.render_as_string(hide_password=False)
    made = Premises(kind, url, service_url, role, account, connect(url), connect(service_url))
    making, removing = {
        "postgresql": (
            [f"CREATE ROLE {account} LOGIN PASSWORD '{word}'"],
            [f"DROP OWNED BY {account}", f"DROP ROLE {account}"],
        ),
        "mariadb": (
            [f"CREATE USER {account} IDENTIFIED BY '{word}'"],
            [f"DROP USER {account}"],
        ),
    }[kind]
    made.run(*making)
    try:
        made.run(*Bank.grants(url, role))
        yield made
    finally:
        made.service.dispose()
        made.owner.dispose()
        made.run(*removing)


@pytest.mark.parametrize("act", EVERY)
def test_every_act_runs_without_a_right_to_change_history(premises: Premises, act: str) -> None:
    district = premises.district(act)
    staff, command, _ = EVERY[act](district)
    district.bank.acting_as(staff).execute(keyed(command))
    found = district.bank.verify()
    assert (found.faults, found.history_is_writable) == ((), False)


def test_a_life_of_a_district_runs_and_can_be_read(premises: Premises) -> None:
    district = premises.district("life")
    history = History(district, seed=4)
    history.live(60)
    history.leave_things_open()
    bank, (account, *_) = district.bank, history.accounts
    # What the rules refuse is part of a life; what the server refuses is not.
    assert history.refused
    assert not {"engine", "retry_transaction"} & set(history.refused)

    taken = bank.outbox.read("stock", count_max=20)
    bank.outbox.acknowledge("stock", through=taken[-1].outbox_no)
    assert bank.outbox.position("stock") == taken[-1].outbox_no == 20
    district.clock.advance(days=40)
    assert bank.closings.close(period="2022-11-30").root
    reports = bank.reports
    for shown in (
        reports.statement(account), reports.customer_summary(account), reports.ledger_book("H"),
        reports.trial_balance(), reports.expiry_schedule(account), bank.passbooks.of(account),
        bank.passbooks.stock(), bank.hours.of(account), bank.ratings.outlet_league("2022-10"),
        reports.balance_as_of(account, district.clock().date()),
    ):  # fmt: skip
        assert str(shown)
    starts: list[Literal["last_seal"] | None] = [None, "last_seal"]
    for since in starts:
        assert bank.verify(since=since).faults == ()


@pytest.mark.parametrize("level", ["READ COMMITTED", "SERIALIZABLE"])
def test_a_caller_s_own_transaction_needs_no_more(premises: Premises, level: str) -> None:
    district = premises.district(f"within {level}")
    own = premises.service.execution_options(isolation_level=level)
    with own.begin() as connection, district.bank.within(connection, staff="T1") as counter:
        new = NewCustomer(outlet="B01S01", name="李四", registered_on=START.date())
        account = counter.customers.register(customers=[new]).accounts[0]
    assert district.bank.reports.balance(account) == Points(0)


def deeds(kind: str) -> Iterator[str]:
    """Everything that would change history or take its guards away."""
    for table, frozen in guarded_tables().items():
        name = f"gb_{table}"
        for column in frozen or [column.name for column in metadata.tables[name].columns]:
            yield f"UPDATE {name} SET {column} = {column}"
        yield f"DELETE FROM {name}"
        yield f"TRUNCATE TABLE {name}"
        yield f"DROP TABLE {name}"
        yield f"ALTER TABLE {name} ADD COLUMN more INTEGER"
        of_table = f" ON {name}" if kind == "postgresql" else ""
        yield f"DROP TRIGGER gb_{table}_no_update{of_table}"
        if kind == "postgresql":
            yield f"ALTER TABLE {name} DISABLE TRIGGER ALL"
        else:
            yield f"REPLACE INTO {name} SELECT * FROM {name}"


def test_the_server_refuses_whoever_would_change_history(premises: Premises) -> None:
    found = premises.refusals(deeds(premises.kind))
    assert len(found) > 200
    assert {text: code for text, code in found.items() if code not in DENIED[premises.kind]} == {}


def test_the_server_refuses_every_deletion_and_what_only_founders_do(premises: Premises) -> None:
    tries = [f"DELETE FROM {name}" for name in metadata.tables]
    tries += [
        "CREATE TABLE gb_more (n INTEGER REFERENCES gb_voucher (voucher_id))",
        "UPDATE gb_bank SET scale = 0",
        "INSERT INTO gb_bank (bank_id) VALUES (9)",
        "UPDATE gb_schema_version SET version_num = '0000'",
        "UPDATE gb_person SET name = '李四'",
    ]
    found = premises.refusals(tries)
    assert {text: code for text, code in found.items() if code not in DENIED[premises.kind]} == {}


def test_what_may_change_may_be_changed(premises: Premises) -> None:
    changes = [
        f"UPDATE gb_{table} SET {column} = {column}"
        for table, columns in MUTABLE_COLUMNS.items()
        for column in columns
    ]
    assert set(premises.refusals(changes).values()) == {None}


def test_an_owner_may_change_history_and_a_service_may_not(premises: Premises) -> None:
    assert premises.may_change_history(premises.url) is True
    assert premises.may_change_history() is False


#: What somebody may have granted besides: how it is given, how it is taken back.
EXCESS = {
    "postgresql": [
        ("GRANT DELETE ON gb_seal TO {who}", "REVOKE DELETE ON gb_seal FROM {who}"),
        ("GRANT TRUNCATE ON gb_refund TO {who}", "REVOKE TRUNCATE ON gb_refund FROM {who}"),
        ("GRANT TRIGGER ON gb_policy TO {who}", "REVOKE TRIGGER ON gb_policy FROM {who}"),
        ("GRANT UPDATE (root) ON gb_seal TO {who}", "REVOKE UPDATE (root) ON gb_seal FROM {who}"),
        ("GRANT pg_write_all_data TO {who}", "REVOKE pg_write_all_data FROM {who}"),
        ("ALTER ROLE {who} SUPERUSER", "ALTER ROLE {who} NOSUPERUSER"),
    ],
    "mariadb": [
        ("GRANT DELETE ON gb_seal TO {who}", "REVOKE DELETE ON gb_seal FROM {who}"),
        ("GRANT DROP ON gb_refund TO {who}", "REVOKE DROP ON gb_refund FROM {who}"),
        ("GRANT UPDATE (root) ON gb_seal TO {who}", "REVOKE UPDATE (root) ON gb_seal FROM {who}"),
        ("GRANT ALTER ON {database}.* TO {who}", "REVOKE ALTER ON {database}.* FROM {who}"),
        ("GRANT DELETE ON *.* TO {who}", "REVOKE DELETE ON *.* FROM {who}"),
    ],
}  # fmt: skip


def test_an_audit_tells_of_every_right_too_many(premises: Premises) -> None:
    names = {"who": premises.quoted, "database": sa.make_url(premises.url).database}
    told = {}
    for given, taken in EXCESS[premises.kind]:
        premises.run(given.format(**names))
        try:
            told[given] = premises.may_change_history()
        finally:
            premises.run(taken.format(**names))
    assert told == {given: True for given, _ in EXCESS[premises.kind]}
    assert premises.may_change_history() is False


def test_a_right_by_way_of_a_role_is_told_or_said_to_be_unknown(premises: Premises) -> None:
    team = f"gb_team_{uuid.uuid4().hex[:8]}"
    premises.run(f"CREATE ROLE {team}", f"GRANT {team} TO {premises.quoted}")
    try:
        # MariaDB shows an account what it has, and of a role only that there is one.
        harmless = premises.may_change_history()
        premises.run(f"GRANT DELETE ON gb_account_line TO {team}")
        found = premises.may_change_history()
    finally:
        if premises.kind == "postgresql":
            premises.run(f"DROP OWNED BY {team}")
        premises.run(f"DROP ROLE {team}")
    expected = {"postgresql": (False, True), "mariadb": (None, None)}
    assert (harmless, found) == expected[premises.kind]


#: How everybody gets a right, and loses it again; on MySQL PUBLIC would be an account's name.
TO_ALL = (
    ["GRANT DELETE ON gb_account_line TO PUBLIC"],
    ["REVOKE DELETE ON gb_account_line FROM PUBLIC"],
)
TO_ALL_OF_MYSQL = (
    ["CREATE ROLE gb_all", "GRANT DELETE ON gb_account_line TO gb_all",
     "SET GLOBAL mandatory_roles = 'gb_all'"],
    ["SET GLOBAL mandatory_roles = DEFAULT", "DROP ROLE gb_all"],
)  # fmt: skip


def test_a_right_of_everybody_s_is_never_overlooked(premises: Premises) -> None:
    given, taken = TO_ALL_OF_MYSQL if is_mysql(premises.url) else TO_ALL
    premises.run(*given)
    try:
        found = premises.may_change_history()
    finally:
        premises.run(*taken)
    assert found is {"postgresql": True, "mariadb": None}[premises.kind]


@pytest.mark.parametrize(
    "role",
    ["", "PUBLIC", "none", "x" * 64, 'a"; DROP TABLE gb_seal; --', "a`b", "a'b", "1a", "客户", "@%",
     "a@b@c", "a@`%`", "a@", "a\n", "a b", 7],
)  # fmt: skip
def test_only_names_become_part_of_the_statements(premises: Premises, role: str) -> None:
    with pytest.raises(InvalidValue):
        Bank.grants(premises.url, role)


def test_the_program_prints_what_a_client_takes(
    premises: Premises, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--database", premises.url, "--grants"]
    assert migrate.main([*arguments, premises.role]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines() == [f"{text};" for text in Bank.grants(premises.url, premises.role)]
    assert premises.quoted in printed
    for word in ("DELETE", "TRUNCATE", "TRIGGER", "REFERENCES", "ALL", "CREATE", "OPTION"):
        assert word not in printed
    assert migrate.main([*arguments, "a'b"]) == 2
    assert "role" in capsys.readouterr().err


def test_a_service_s_account_can_print_them_too(premises: Premises) -> None:
    assert Bank.grants(premises.service, premises.role) == Bank.grants(premises.url, premises.role)


def test_where_there_are_no_tables_there_is_nothing_to_grant(postgresql_url: str) -> None:
    with pytest.raises(EngineError, match="no tables"):
        Bank.grants(postgresql_url, "service")


def test_a_file_has_no_accounts_and_can_always_be_written(sqlite_district: District) -> None:
    with pytest.raises(EngineUnsupported, match="no accounts"):
        Bank.grants(sqlite_district.bank.engine, "service")
    found = sqlite_district.bank.verify()
    assert found.is_clean
    assert found.history_is_writable is True
    assert "本账号可改写历史" in found.to_table().notes[0]
    assert "this account may change history" in found.to_table().notes_en[0]
