"""Founding the reference bank: its head office, its first administrator, the shipped policies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from gongyi_bank.periods import business_day
from gongyi_bank.policies import POLICIES, Policy
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.outlets import HEAD_OFFICE
from gongyi_bank.rules.staff import ADMINISTRATOR, OutletFacts, RoleFacts
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import BankFacts, require_datable
from gongyi_bank.testing.reference.rows import Person, Role, Stay

#: The head office's number; the others follow.
HEAD_OFFICE_NO = 1000


def found(
    bank: BankFacts, *, code: str, name: str, administrator: str, policies: Iterable[Policy]
) -> Books:
    """The books of a bank on its first day."""
    require_datable(bank.founded_at.astimezone(dt.UTC))
    books = Books(zone=bank.zone)
    number = books.draw("outlet", first=HEAD_OFFICE_NO)
    books.outlets[number] = OutletFacts(number, code, name, HEAD_OFFICE, None, is_open=True)
    books.settings[number] = "urban"
    founded_on = business_day(bank.founded_at, bank.zone)
    books.stays = (Stay(number, None, founded_on),)
    role = Role(1, RoleFacts(ADMINISTRATOR, number, HEAD_OFFICE), founded_on)
    books.people[administrator] = Person(books.draw("staff"), administrator, None, (role,))
    chosen = {kind: policy() for kind, policy in POLICIES.items()}
    chosen |= {policy.kind: policy for policy in policies}
    first = books.draw("policy", count=len(chosen))
    books.policies = tuple(
        (policy_id, EARLIEST, policy)
        for policy_id, (_, policy) in enumerate(sorted(chosen.items()), start=first)
    )
    return books
