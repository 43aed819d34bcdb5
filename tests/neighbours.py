"""Another bank in the same database whose numbers are ours and mean something else.

Its outlets and people were numbered in another order: what is a savings branch here is a branch
there, and whoever is a teller here has the number of an administrator there. If a statement
forgot the bank, what it found beside our own would not look like our own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.policies import Policy
from gongyi_bank.store import tables
from gongyi_bank.store.engines import engine_for
from gongyi_bank.store.engines.guards import guarded_tables
from gongyi_bank.values import new_uuid7
from tests.district import OUTLETS, STAFF, TARIFF, Clock, District

#: Beside tests.district.OUTLETS: the second is a branch here and a savings branch there, the fourth
#: the other way round; the third and the fifth are savings branches in both, by other codes.
_OUTLETS = ("B02", "B02S02", "B02S01", "B01", "B01S02", "B01S01")
#: Number 5 is T1 here and ADM2 there, number 10 ADM2 here and K2 there.
_STAFF = ("T1", "T1b", "T2", "ADM2", "AUD", "K1", "K1b", "T3", "K2")
#: So many people are numbered; a test's bank has fewer.
STAFF_COUNT = 60


class Neighbour(District):
    """The district of tests/district.py, by the same codes and other numbers."""

    def __init__(self, url: Any, policies: tuple[Policy, ...] = (), *, bank: str = "隔壁") -> None:
        self.url = url
        self.clock = Clock()
        self.bank = Bank.found(
            url, bank=bank, policies=(TARIFF, *policies), clock=self.clock, unsafe_settings="allow"
        )
        by_code = {outlet.code: outlet for outlet in OUTLETS}
        for code in _OUTLETS:
            self.bank.outlets.open(outlets=[by_code[code]])
        people = {person.code: person for person in STAFF}
        self.bank.staff.appoint(appointments=[people[code] for code in _STAFF])

    def empower(self) -> None:
        """Everybody may do everything: there is an administrator of each number of ours."""
        known = {row["staff"] for row in self.bank.staff.roles()} - {"admin", "ADM2"}
        fresh = [f"X{number}" for number in range(len(known) + 3, STAFF_COUNT + 1)]
        self.bank.staff.appoint(
            appointments=[
                Appointment(code=code, role="administrator", outlet="H")
                for code in [*sorted(known), *fresh]
            ]
        )


class EqualIds:
    """Voucher ids by the clock alone: banks that act at one instant give equal ones, in order."""

    def __init__(self) -> None:
        self._given: Counter[dt.datetime] = Counter()

    def next(self, now: dt.datetime) -> bytes:
        """One more id of this instant."""
        self._given[now] += 1
        # What a policy's stamp is made of: it must be another one at every instant.
        chance = hashlib.sha256(f"{now.timestamp()} {self._given[now]}".encode()).digest()
        return new_uuid7(now, self._given[now].to_bytes(3) + chance[:7])


def remove(bank: Bank) -> None:
    """Take all rows of a bank out of its database, as if it had never been founded."""
    bank_id = bank.read(lambda tx: tx.bank.bank_id)
    kind = engine_for(bank.engine.dialect.name)
    guards = guarded_tables()
    down = [statement for name in guards for statement in kind.unguards_of(name)]
    up = [statement for name in guards for statement in kind.guards_of(name, guards[name])]
    # InnoDB asks a row that refers to its own table before the statement ends.
    has_switch = bank.engine.dialect.name in ("mysql", "mariadb")
    with bank.engine.begin() as connection:
        if has_switch:
            down.append("SET SESSION foreign_key_checks = 0")
            up.append("SET SESSION foreign_key_checks = 1")
        for statement in down:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(sa.delete(table).where(table.c.bank_id == bank_id))
        for statement in up:
            connection.exec_driver_sql(statement.replace("%", "%%"))
