"""Staff as facts: people, their roles in force, and where those are bound."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.staff import RoleFacts, StaffFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import bank, outlet, partner_store, staff, staff_role
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

_STAMP = sa.select(bank.c.policies_stamp).where(of_bank(bank)).scalar_subquery().label("stamp")


@query
def _by_codes(engine: StoreEngine) -> sa.Select[Any]:
    role = staff_role
    in_force = sa.and_(
        role.c.bank_id == staff.c.bank_id,
        role.c.staff_no == staff.c.staff_no,
        role.c.ended_on.is_(None),
    )
    place = sa.and_(outlet.c.bank_id == role.c.bank_id, outlet.c.outlet_no == role.c.outlet_no)
    return (
        sa.select(
            staff.c.staff_no,
            staff.c.code,
            staff.c.own_account_no,
            role.c.role,
            role.c.outlet_no,
            outlet.c.tier,
            role.c.store_no,
            role.c.role_no,
            _STAMP,
        )
        .select_from(staff.outerjoin(role, in_force).outerjoin(outlet, place))
        .where(of_bank(staff), engine.among(staff.c.code, "codes"))
    )


StaffAnswer = tuple[dict[str, StaffFacts], int | None]


def ask_staff(codes: Iterable[str]) -> Ask[StaffAnswer]:
    """The staff with these codes and their roles in force, by code; and the policies' stamp.

    Both in one statement, because every act needs both; no stamp where nobody is found.
    """
    return _by_codes.ask(_people, codes=sorted(set(codes)))


def _people(rows: Rows) -> StaffAnswer:
    people: dict[str, tuple[int, int | None, list[RoleFacts]]] = {}
    in_order = sorted(rows, key=lambda row: (row[0], row[-2]))
    for staff_no, code, own_account_no, role, outlet_no, tier, store_no, _, _ in in_order:
        _, _, roles = people.setdefault(code, (staff_no, own_account_no, []))
        if role is not None:
            roles.append(RoleFacts(role, outlet_no, tier, store_no))
    facts = {
        code: StaffFacts(staff_no, code, own, tuple(roles))
        for code, (staff_no, own, roles) in people.items()
    }
    return facts, rows[0][-1] if rows else None


def load_staff(tx: Transaction, codes: Iterable[str]) -> dict[str, StaffFacts]:
    """The staff with these codes and their roles in force, by code."""
    return tx.look(ask_staff(codes))[0]


STAFF_COLUMNS = columns_of(staff)
ROLE_COLUMNS = columns_of(staff_role)


def write_staff(
    writes: Writes, people: list[tuple[Any, ...]], roles: list[tuple[Any, ...]]
) -> None:
    """Add people and roles (full rows in the order of STAFF_COLUMNS and ROLE_COLUMNS)."""
    writes.insert(staff, STAFF_COLUMNS, people)
    writes.insert(staff_role, ROLE_COLUMNS, roles)


def write_own_accounts(writes: Writes, rows: list[tuple[int, int]]) -> None:
    """Note the own account of people who are known already: (staff number, account)."""
    writes.update(staff, list(rows), key=("staff_no",), changes=("own_account_no",))


def write_first_staff(
    writes: Writes, code: str, role: str, outlet_no: int, today: dt.date, voucher_id: bytes
) -> None:
    """The administrator with whom a bank begins: staff number 1."""
    roles = [(1, 1, role, outlet_no, None, today, None, voucher_id)]
    write_staff(writes, [(1, code, None, voucher_id)], roles)


@query
def _newest_role_nos(engine: StoreEngine) -> sa.Select[Any]:
    newest = sa.func.max(staff_role.c.role_no)
    return (
        sa.select(staff_role.c.staff_no, newest)
        .where(of_bank(staff_role), engine.among(staff_role.c.staff_no, "numbers"))
        .group_by(staff_role.c.staff_no)
    )


def load_newest_role_nos(tx: Transaction, staff_nos: Iterable[int]) -> dict[int, int]:
    """The number of each person's newest role."""
    return dict(_newest_role_nos(tx, numbers=sorted(set(staff_nos))))


def write_role_end(writes: Writes, staff_no: int, role_no: int, ended_on: dt.date) -> None:
    """End a role."""
    row = (staff_no, role_no, ended_on)
    writes.update(staff_role, [row], key=("staff_no", "role_no"), changes=("ended_on",))


@query
def _roles_in_force(_: StoreEngine) -> sa.Select[Any]:
    place = sa.and_(
        outlet.c.bank_id == staff_role.c.bank_id, outlet.c.outlet_no == staff_role.c.outlet_no
    )
    return (
        sa.select(staff_role.c.role_no, staff_role.c.role, outlet.c.code)
        .select_from(staff_role.join(outlet, place))
        .where(
            of_bank(staff_role),
            staff_role.c.staff_no == sa.bindparam("staff"),
            staff_role.c.ended_on.is_(None),
        )
        .order_by(staff_role.c.role_no)
    )


def list_roles_in_force(tx: Transaction, staff_no: int) -> list[tuple[int, str, str]]:
    """(role number, role, outlet code) of one person."""
    return [(no, role, code) for no, role, code in _roles_in_force(tx, staff=staff_no)]


@query
def _holders(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(staff_role.c.staff_no)
        .where(
            of_bank(staff_role),
            staff_role.c.role == sa.bindparam("role"),
            staff_role.c.outlet_no == sa.bindparam("outlet"),
            staff_role.c.ended_on.is_(None),
        )
        .order_by(staff_role.c.staff_no)
    )


def list_holders(tx: Transaction, role: str, outlet_no: int) -> list[int]:
    """The numbers of the people who hold this role at this very outlet."""
    return [row[0] for row in _holders(tx, role=role, outlet=outlet_no)]


@query
def _everybody(_: StoreEngine) -> sa.Select[Any]:
    role = staff_role
    holder = sa.and_(staff.c.bank_id == role.c.bank_id, staff.c.staff_no == role.c.staff_no)
    place = sa.and_(outlet.c.bank_id == role.c.bank_id, outlet.c.outlet_no == role.c.outlet_no)
    its_store = sa.and_(
        partner_store.c.bank_id == role.c.bank_id, partner_store.c.store_no == role.c.store_no
    )
    return (
        sa.select(
            staff.c.code,
            role.c.role,
            outlet.c.code,
            partner_store.c.code,
            role.c.since_on,
            role.c.ended_on,
        )
        .select_from(
            role.join(staff, holder).join(outlet, place).outerjoin(partner_store, its_store)
        )
        .where(of_bank(role))
        .order_by(outlet.c.outlet_no, staff.c.staff_no, role.c.role_no)
    )


def list_roles(tx: Transaction) -> Rows:
    """(staff code, role, outlet code, store code, since, until) of every role ever given."""
    return _everybody(tx)
