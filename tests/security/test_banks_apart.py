"""Two banks in one database, whose numbers are the same and mean something else.

What either may do, reads and hands out is exactly what it would be without the other. That every
statement says so is read off the statements themselves in `tests/tidy/test_tenancy.py`.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank, Desks
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.desks.base import Desk
from gongyi_bank.display import Table
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.periods import Period
from gongyi_bank.policies import POLICIES, PointsExpiry, PolicyBook
from gongyi_bank.service import gate
from gongyi_bank.store import tables
from gongyi_bank.store.engines import connect
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District
from tests.neighbours import EqualIds, Neighbour, remove
from tests.security.cases import EVERY, SIXTH, Scene, finish, prepare
from tests.security.test_roles_and_places import AT_THE_BRANCH, TABLE, row_of
from tests.sqlite import SqliteFiles
from tests.testing.lives import Life

# --- who may do what ------------------------------------------------------------------------------


@functools.cache
def scene_beside(act: str) -> Scene:
    """An act's case in a bank beside another, where everybody of every number may do all."""
    engine: Any = connect("sqlite://")
    Neighbour(engine).empower()
    district = District(engine)
    prepare(district)
    made = EVERY[act](district)
    finish(district)
    return Scene(district, *made)


@pytest.mark.parametrize("act", SIXTH)
def test_a_role_may_do_no_more_where_its_number_is_an_administrator_s_elsewhere(act: str) -> None:
    made = scene_beside(act)
    assert row_of(made, made.command) == TABLE[act]


@pytest.mark.parametrize("act", sorted(AT_THE_BRANCH))
@pytest.mark.slow
def test_a_savings_branch_has_no_more_say_where_its_number_is_a_branch_s_elsewhere(
    act: str,
) -> None:
    made, (change, expected) = scene_beside(act), AT_THE_BRANCH[act]
    assert row_of(made, made.command.model_copy(update=change)) == expected


def test_an_act_is_booked_at_the_lower_of_two_places_whatever_has_their_numbers_elsewhere(
    sqlite_tables_url: str,
) -> None:
    """B02 has the number of a savings branch there, which would come first."""
    theirs, ours = Neighbour(sqlite_tables_url), District(sqlite_tables_url)
    both = Appointment(code="K2", role="teller", outlet="B02S01")
    ours.bank.staff.appoint(appointments=[both])
    account = ours.customer("B02S01")
    ours.acting("K2").accounts.freeze(account=account, reason="核查")
    told = ours.bank.outbox.read("sms")[-1]
    assert (told.act, told.staff, told.outlet) == ("accounts.freeze", "K2", "B02S01")
    theirs.close()
    ours.close()


def test_the_numbers_of_the_two_banks_are_of_others() -> None:
    """What the tests above rest on."""
    with SqliteFiles().database_with_tables() as url:
        ours, theirs = District(url), Neighbour(url)
        theirs.empower()
        prepare(ours)
        (here, there), (us, them) = (
            [numbered(one, table) for one in (ours, theirs)]
            for table in (tables.outlet, tables.staff)
        )
        assert (here[1002], there[1002]) == ("B02", "B02S02")
        assert (here[1004], there[1004]) == ("B01S02", "B01")
        assert (us[5], them[5]) == ("T1", "ADM2")
        assert us.keys() < them.keys()
        may_all = {
            row["staff"] for row in theirs.bank.staff.roles() if row["role"] == "administrator"
        }
        assert may_all == set(them.values())


def numbered(district: District, table: sa.Table) -> dict[int, str]:
    """The code of every number of a bank's outlets or people."""
    number = next(column for column in table.primary_key.columns if column.name != "bank_id")

    def look(tx: Any) -> dict[int, str]:
        rows = sa.select(number, table.c.code).where(table.c.bank_id == tx.bank.bank_id)
        return dict(map(tuple, tx.connection.execute(rows)))

    return district.bank.read(look)


# --- what is read ---------------------------------------------------------------------------------

OUTLET_CODES = (None, "H", "B01", "B01S01", "B02S01")
PERIODS = ("2022-10", "2022Q4", "2022", "2025-06")
FIRST_DAY = dt.date(2022, 9, 1)
#: After whatever the lives do.
LATER = dt.datetime(2025, 6, 2, 12, tzinfo=SHANGHAI)
LINES_MAX = 60


class Asked:
    """A bank that is asked for everything, and what it can be asked about."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.accounts = self._numbers(tables.customer.c.account_no)
        line = tables.account_line.c
        found = zip(self._numbers(line.account_no), self._numbers(line.line_no), strict=True)
        self.lines = list(found)[:LINES_MAX]
        self.days = [FIRST_DAY + dt.timedelta(days=20 * step) for step in range(1, 8)]

    def _numbers(self, column: sa.Column[Any]) -> list[int]:
        mine = sa.select(column).where(column.table.c.bank_id == sa.bindparam("mine"))
        return self.bank.read(
            lambda tx: list(tx.connection.scalars(mine.order_by(column), {"mine": tx.bank.bank_id}))
        )


Reading = Callable[..., Any]
#: Ways to ask for everything, by desk and method: a function, and what it is called with.
READINGS: dict[str, Callable[[Asked], Iterable[tuple[Any, ...]]]] = {
    "closings.register": lambda of: ((code,) for code in OUTLET_CODES),
    "customers.account_of": lambda of: ((f"C{number}",) for number in range(7)),
    "holds.list": lambda of: [()],
    "holds.of": lambda of: ((no,) for no in of.accounts),
    "hours.of": lambda of: ((no,) for no in of.accounts),
    "hours.waiting": lambda of: ((code,) for code in OUTLET_CODES),
    "outlets.tree": lambda of: ((code,) for code in OUTLET_CODES),
    "passbooks.of": lambda of: ((no,) for no in of.accounts),
    "passbooks.page": lambda of: ((no,) for no in of.accounts),
    "passbooks.stock": lambda of: ((code,) for code in OUTLET_CODES),
    "policies.book": lambda of: [()],
    "pools.balance": lambda of: ((code,) for code in ("POOL1", "POOL2", "POOL3")),
    "pools.list": lambda of: [()],
    "pools.statement": lambda of: ((code,) for code in ("POOL1", "POOL2", "POOL3")),
    "ratings.explain": lambda of: (
        (no, period) for no in of.accounts for period in (None, *PERIODS)
    ),
    "ratings.explain_outlet": lambda of: (
        (code, period) for code in OUTLET_CODES[3:] for period in PERIODS
    ),
    "ratings.indicators": lambda of: ((period,) for period in PERIODS),
    "ratings.outlet_league": lambda of: ((period,) for period in PERIODS),
    "ratings.volunteer_league": lambda of: ((period,) for period in PERIODS),
    "ratings.volunteer_stars": lambda of: ((no,) for no in of.accounts),
    "ratings.volunteers_by_stars": lambda of: [()],
    "redemptions.of": lambda of: ((no,) for no in of.accounts),
    "redemptions.reserved": lambda of: ((code,) for code in (None, "P0", "P1")),
    "reports.balance": lambda of: ((no,) for no in of.accounts),
    "reports.balance_as_of": lambda of: ((no, day) for no in of.accounts for day in of.days),
    "reports.balances": lambda of: [(of.accounts,)],
    "reports.clearing": lambda of: [(), *((day,) for day in of.days)],
    "reports.customer_summary": lambda of: ((no,) for no in of.accounts),
    "reports.expiry_schedule": lambda of: ((no,) for no in of.accounts),
    "reports.explain": lambda of: of.lines,
    "reports.ledger_book": lambda of: (
        (code, period) for code in OUTLET_CODES[1:] for period in (None, "2022-10", "2022")
    ),
    "reports.proof": lambda of: of.lines,
    "reports.provenance": lambda of: of.lines,
    "reports.spent_on": lambda of: of.lines,
    "reports.statement": lambda of: ((no,) for no in of.accounts),
    "reports.totals": lambda of: ((no, (FIRST_DAY, of.days[-1])) for no in of.accounts),
    "reports.trial_balance": lambda of: (
        (code, day) for code in OUTLET_CODES for day in (None, *of.days[:3])
    ),
    "staff.roles": lambda of: [()],
    "stores.offers": lambda of: ((code,) for code in (None, "P0", "P1")),
}
#: Of the outbox below; and what books several acts.
NOT_HERE = {"closings.close", "outbox.acknowledge", "outbox.position", "outbox.read"}


def test_every_reading_of_every_desk_is_asked() -> None:
    found = set()
    for name, member in inspect.getmembers(Desks, lambda one: isinstance(one, property)):
        desk = inspect.signature(member.fget, eval_str=True).return_annotation
        assert issubclass(desk, Desk)
        methods = inspect.getmembers(desk, inspect.isfunction)
        found |= {f"{name}.{method}" for method, _ in methods if not method.startswith("_")}
    assert found - NOT_HERE == READINGS.keys()


def answers(bank: Bank) -> dict[str, Any]:
    """What a bank says to every question, a refusal included."""
    asked = Asked(bank)
    found: dict[str, Any] = {}
    for name, of in READINGS.items():
        desk, _, method = name.partition(".")
        for given in of(asked):
            found[f"{name}{given}"] = shown(getattr(getattr(bank, desk), method), *given)
    found["roles that ended"] = shown(bank.staff.roles, ended=True)
    found["names"] = shown(bank.reports.ledger_book, "H", names=True)
    found["audit"] = shown(bank.verify)
    found["audit since the last seal"] = shown(lambda: bank.verify(since="last_seal"))
    return found


class Refused(NamedTuple):
    """What a reading answers that cannot be."""

    code: str
    words: str


def shown(read: Reading, *given: Any, **named: Any) -> Any:
    """What a reading says, as it can be compared."""
    try:
        said = read(*given, **named)
    except GongyiBankError as refusal:
        return Refused(refusal.code, str(refusal))
    if isinstance(said, PolicyBook):
        said = {kind: said.history(kind) for kind in POLICIES}
    return (said.keys, said.rows) if isinstance(said, Table) else repr(said)


def work_of_one_day(district: District, *, is_other: bool) -> None:
    """The same numbers at the same instants for other things: the acts come in another order."""
    district.clock.now = LATER
    bank, home = district.bank, "B02S01" if is_other else "B01S01"
    much = Points("20") if is_other else Points("9.5")
    accounts = [district.customer(home, name=name) for name in ("甲", "乙", "丙", "丁")]
    reason = "慰问" if is_other else "表彰"
    for account in accounts:
        bank.points.grant(
            account=account, points=much, reason=reason, outlet="B01", second_person="ADM2"
        )
        bank.hours.record(
            account=account, category="culture" if is_other else "sanitation", outlet=home,
            started_at=LATER - dt.timedelta(hours=3), ended_at=LATER - dt.timedelta(hours=1),
            recorded_by="admin", checked_by="ADM2",
        )  # fmt: skip
    one, two, three, _ = accounts
    wishes: list[Callable[[], object]] = [
        lambda: bank.redemptions.reserve(account=one, store="P0", sku="A"),
        lambda: bank.holds.place(account=two, points=Points("1.5"), store="P0"),
        lambda: bank.redemptions.redeem(account=three, store="P1", sku="B"),
        lambda: (
            bank.transfers.donate(account=two, points=much, pool="POOL1", outlet="B01S01")
            if is_other
            else bank.pools.open(code="POOL9", name="池", outlet="B02")
        ),
        lambda: bank.redemptions.redeem(account=one, store="P0", sku="A", quantity=2),
    ]
    for wish in wishes[1:] + wishes[:1] if is_other else wishes:
        wish()
    district.clock.advance(days=1)
    bank.closings.close(period=Period.containing(LATER.date(), "day").label)


def shared_numbers(bank: Bank, other: Bank) -> set[str]:
    """The tables in which both banks have a row of the same key."""

    def keys(one: Bank) -> set[str]:
        return one.read(
            lambda tx: {
                f"{table.name} {tuple(row)}"
                for table in tables.metadata.sorted_tables
                if (key := [c for c in table.primary_key.columns if c.name != "bank_id"])
                for row in tx.connection.execute(
                    sa.select(*key).where(table.c.bank_id == tx.bank.bank_id)
                )
            }
        )

    return {key.partition(" ")[0] for key in keys(bank) & keys(other)}


#: Tables in which a number of ours is a number of theirs, whatever the lives were.
SHARED = {
    f"gb_{name}"
    for name in ("account", "account_head", "account_line", "closing", "customer", "hold",
                 "hour_record", "offer", "outlet", "outlet_stay", "partner_store", "passbook",
                 "policy", "pool", "redemption", "seal", "serial_counter", "staff", "staff_role",
                 "stock_move", "voucher")
}  # fmt: skip


def require_read_alone(url: str, monkeypatch: pytest.MonkeyPatch, *, seed: int, acts: int) -> None:
    """Both live in turns; then what ours reads is the same when the other one was taken out."""
    expiry = (PointsExpiry(mode="months", length=2),)
    theirs = Neighbour(url, expiry)
    ours = District(url, bank="雁江")
    for number, (one, is_other) in enumerate(((theirs, True), (ours, False))):
        monkeypatch.setattr(gate, "_ids", EqualIds())
        Life(one, seed + 10 * number).live(acts)
        work_of_one_day(one, is_other=is_other)
    theirs.empower()
    assert shared_numbers(ours.bank, theirs.bank) >= SHARED
    beside = answers(ours.bank)
    remove(theirs.bank)
    with_nobody = Bank.open(
        url, bank="雁江", staff="admin", clock=ours.clock, unsafe_settings="allow"
    )
    alone = answers(with_nobody)
    wrong = [name for name in alone if beside[name] != alone[name]]
    assert not wrong, "\n".join(f"{n}: {beside[n]!r} is not {alone[n]!r}" for n in wrong[:5])
    assert beside.keys() == alone.keys()
    answered = {name.partition("(")[0] for name, said in alone.items() if type(said) is not Refused}
    assert READINGS.keys() - answered == set()
    for bank in (with_nobody, ours.bank, theirs.bank):
        bank.close()


def test_every_reading_is_what_it_is_without_the_neighbour(
    sqlite_tables_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_read_alone(sqlite_tables_url, monkeypatch, seed=1, acts=70)


@pytest.mark.slow
def test_every_reading_is_what_it_is_without_the_neighbour_on_every_engine(
    engine_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_read_alone(engine_url, monkeypatch, seed=2, acts=100)


# --- what is handed out ---------------------------------------------------------------------------


def handed_out(ours: District, theirs: District) -> list[Any]:
    """What both consumers of one name are told, in turns, while both banks go on."""
    told: list[Any] = []

    def read(of: District, consumer: str, count_max: int) -> None:
        page = of.bank.outbox.read(consumer, count_max=count_max)
        # The hash of the rows has the bank's number in it, which another database gives again.
        bodies = [{k: v for k, v in one.body.items() if k != "rows"} for one in page]
        told.append(
            [(v.outbox_no, v.act, v.staff, v.outlet, b) for v, b in zip(page, bodies, strict=True)]
        )

    def acknowledge(of: District, consumer: str, through: int) -> None:
        told.append(of.bank.outbox.acknowledge(consumer, through))
        told.append([one.bank.outbox.position(consumer) for one in (ours, theirs)])

    theirs.customer(name="先来")
    read(theirs, "sms", 100)
    read(ours, "sms", 2)
    acknowledge(theirs, "sms", 4)
    read(ours, "sms", 2)
    acknowledge(ours, "sms", 1)
    ours.customer(outlet="B02S01")
    theirs.customer(outlet="B01S02")
    for of in (ours, theirs):
        read(of, "sms", 100)
        read(of, "mail", 3)
    acknowledge(ours, "mail", 2)
    acknowledge(theirs, "sms", 2)
    ours.customer()
    read(theirs, "mail", 100)
    read(ours, "mail", 100)
    return told


@pytest.mark.parametrize("engine", ["sqlite", *(pytest.param(e, marks=pytest.mark.slow)
                                                for e in ("postgresql", "mariadb"))])  # fmt: skip
def test_the_outbox_is_handed_out_to_each_bank_s_consumers_as_if_it_were_alone(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(gate, "_ids", EqualIds())
    files = SqliteFiles()
    with files.database_with_tables() as one, files.database_with_tables() as other:
        apart = District(one), Neighbour(other)
        expected = handed_out(*apart)
        url = request.getfixturevalue(f"{engine}_tables_url")
        monkeypatch.setattr(gate, "_ids", EqualIds())
        together = District(url), Neighbour(url)
        assert handed_out(*together) == expected
        assert any(len(page) > 2 for page in expected if isinstance(page, list))
        for district in (*apart, *together):
            district.close()
