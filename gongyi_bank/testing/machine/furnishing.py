"""The house in which the machine's runs begin: small, but with one of everything.

H ─┬─ B01 ─┬─ B01S01     admin, ADM2 at H; K1, K1b at B01; K2 at B02
   │       └─ B01S02     T1, VOL at B01S01; T2 at B01S02; T3 at B02S01
   └─ B02 ─── B02S01     AUD auditor and APP service account at H; C1 clerk of store P1
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.customers import CustomerKind, NewCustomer, RegisterCustomers
from gongyi_bank.commands.outlets import Appointment, AppointStaff, NewOutlet, OpenOutlets, Role
from gongyi_bank.commands.passbooks import AllotPassbooks, IssuePassbook, PrintStock
from gongyi_bank.commands.points import BringForward, OpeningRow
from gongyi_bank.commands.pools import OpenPool
from gongyi_bank.commands.stores import NewOffer, NewStore, PublishOffers, RecruitStores
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.values import Points, compose_passbook_no

HEAD_OFFICE, ADMINISTRATOR, SECOND_ADMINISTRATOR = "H", "admin", "ADM2"
#: Savings branches with who records there and who checks.
COUNTERS = {"B01S01": ("T1", "K1"), "B01S02": ("T2", "K1b"), "B02S01": ("T3", "K2")}
#: Everybody who may turn up at a counter, and one whom nobody knows.
STAFF = ("T1", "K1", "ADM2", "C1", "APP", "VOL", "AUD", "K2", "T3", "T2", "K1b", "NOBODY")
_OUTLETS = (
    ("B01", "莲花分行", "H"), ("B02", "丰裕分行", "H"), ("B01S01", "团结储蓄所", "B01"),
    ("B01S02", "胜利储蓄所", "B01"), ("B02S01", "龙潭储蓄所", "B02"),
)  # fmt: skip
_ROLES: tuple[tuple[str, Role, str], ...] = (
    ("ADM2", "administrator", "H"), ("AUD", "auditor", "H"), ("APP", "service_account", "H"),
    ("K1", "ledger_keeper", "B01"), ("K1b", "ledger_keeper", "B01"),
    ("K2", "ledger_keeper", "B02"), ("T1", "teller", "B01S01"), ("T2", "teller", "B01S02"),
    ("T3", "teller", "B02S01"),
)  # fmt: skip
_CUSTOMERS: tuple[tuple[str, CustomerKind, str], ...] = (
    ("B01S01", "volunteer", "20"), ("B01S01", "volunteer", "5"), ("B01S02", "volunteer", "9.99"),
    ("B02S01", "volunteer", "1"), ("B01S01", "organisation", "0"), ("B01S01", "household", "3"),
)  # fmt: skip
_NAMES = ("赵一", "钱二", "孙三", "李四", "单位五", "周六家")
_STORES = (("P1", "B01S01"), ("P2", "B02S01"))
_GOODS = (("A", "0.50", 12), ("B", "1.01", 4))
_BOOKS = 8
REGISTERED_ON = dt.date(2020, 1, 1)


def furnishing(books: Books) -> Iterator[Command]:
    """What an administrator does before anything else can happen; each act sees those before.

    `books` are the reference's, in which what was done is found.
    """
    parts = [NewOutlet(code=code, name=name, parent=parent) for code, name, parent in _OUTLETS]
    yield OpenOutlets(outlets=tuple(parts))
    yield RegisterCustomers(customers=tuple(_new_customers()))
    accounts = list(books.customers)
    yield _openings(accounts)
    yield from _alliance()
    yield AppointStaff(appointments=(*_appointments(), _own_account_of(accounts[0])))
    yield OpenPool(code="POOL", name="爱心池", outlet="B01")
    yield PrintStock(count=_BOOKS)
    first, last = compose_passbook_no(1), compose_passbook_no(_BOOKS - 2)
    for outlet in ("B01", "B01S01"):
        yield AllotPassbooks(target=outlet, first=first, last=last)
    for account in accounts[:2]:
        yield IssuePassbook(account=account, outlet="B01S01")


def _new_customers() -> Iterator[NewCustomer]:
    for number, (outlet, kind, _) in enumerate(_CUSTOMERS, start=1):
        yield NewCustomer(
            outlet=outlet, kind=kind, name=_NAMES[number - 1], phone=f"1380000000{number}",
            birth_on=dt.date(1960, 1, number), ref=f"C{number}", registered_on=REGISTERED_ON,
        )  # fmt: skip


def _openings(accounts: list[int]) -> Command:
    opened = [
        OpeningRow(account=account, minutes=0, points=Points(points), as_of=REGISTERED_ON)
        for account, (_, _, points) in zip(accounts, _CUSTOMERS, strict=True)
        if points != "0"
    ]
    return BringForward(rows=tuple(opened))


def _alliance() -> Iterator[Command]:
    for code, outlet in _STORES:
        store = NewStore(code=code, name=f"超市{code}", kind="community_store", recruited_by=outlet)
        yield RecruitStores(stores=(store,))
    offers = [
        NewOffer(store=code, sku=sku, name=f"米{sku}", points=Points(price), stock=stock)
        for code, _ in _STORES
        for sku, price, stock in _GOODS
    ]
    yield PublishOffers(offers=tuple(offers))


def _appointments() -> Iterator[Appointment]:
    for code, role, outlet in _ROLES:
        yield Appointment(code=code, role=role, outlet=outlet)
    yield Appointment(code="C1", role="store_clerk", outlet="B01S01", store="P1")


def _own_account_of(account: int) -> Appointment:
    """A teller who volunteers, too, and must not decide on their own hours."""
    return Appointment(code="VOL", role="teller", outlet="B01S01", own_account=account)
