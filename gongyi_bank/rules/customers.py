"""客户与账户: who may be registered, and how an account changes its state.

Pure. The first of these that applies refuses. Registering: unknown or closed outlet, not
permitted, the wrong tier, a reference with other content, a document that is known or comes
twice, a reference that comes twice, a day in the future, one in the past. Moving: unknown
customer, unknown or closed outlet, not permitted, the wrong tier, closed account. Changing a
state: unknown customer, not permitted, closed account, the wrong state. Closing: unknown
customer, not permitted, the second person, one's own account, closed or frozen account,
passbook reported lost, a target that makes no sense, something left, no second person where a
balance leaves, nobody who keeps the books where it goes to another account, an unknown or closed
target.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotDormant,
    AccountNotEmpty,
    AccountNotFrozen,
    InvalidValue,
    PassbookFrozen,
    UnknownCustomer,
)
from gongyi_bank.periods import add_months
from gongyi_bank.policies import TransferRules
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.staff import OutletFacts, StaffFacts, require_keeper_among
from gongyi_bank.values import Points, canonical, format_passbook_no

ACTIVE = "active"
FROZEN = "frozen"
DORMANT = "dormant"
CLOSED = "closed"


def document_index(key: bytes, kind: str, number: str) -> str:
    """A keyed blind index (hex) of an identity document: equal documents, equal index.

    Keyed, because a plain hash of a number with few possibilities is found in minutes.
    """
    return hmac.digest(key, canonical(kind, number), "sha256").hex()


def default_index_key(bank_id: int, founded: str) -> bytes:
    """The index key of a bank that was given none: different in every bank, not secret."""
    return hashlib.sha256(canonical("document index", bank_id, founded)).digest()


def opening_outlet_no(account_no: int) -> int:
    """The outlet where an account was opened: its number begins with it, wherever it moved."""
    return account_no // 10**8


def require_payable(account_no: int, state: str | None, frozen: Mapping[int, int]) -> None:
    """Raise UnknownCustomer, AccountClosed, AccountFrozen or PassbookFrozen unless points
    may leave the account now; `frozen` are the lost passbooks by account."""
    require_usable(account_no, state)
    if account_no in frozen:
        raise PassbookFrozen(account=account_no, serial=format_passbook_no(frozen[account_no]))


def require_usable(account_no: int, state: str | None) -> None:
    """Raise UnknownCustomer, AccountClosed or AccountFrozen unless points may be taken."""
    require_open(account_no, state)
    if state == FROZEN:
        raise AccountFrozen(account=account_no)


def require_open(account_no: int, state: str | None) -> None:
    """Raise UnknownCustomer or AccountClosed unless the account exists and is open."""
    if state is None:
        raise UnknownCustomer(account=account_no)
    if state == CLOSED:
        raise AccountClosed(account=account_no)


def decide_state(account_no: int, state: str | None, act: str) -> str:
    """The new state after `freeze`, `unfreeze` or `wake`; raises for a wrong one."""
    require_open(account_no, state)
    if act == "freeze":
        if state == FROZEN:
            raise AccountFrozen(account=account_no)
        return FROZEN
    if act == "unfreeze" and state != FROZEN:
        raise AccountNotFrozen(account=account_no)
    if act == "wake" and state != DORMANT:
        raise AccountNotDormant(account=account_no, why=f"it is {state}")
    return ACTIVE


def require_dormant(
    account_no: int, state: str | None, newest_use: dt.date, today: dt.date, months: int
) -> None:
    """Raise AccountNotDormant unless an active account was unused for `months`."""
    require_open(account_no, state)
    if state != ACTIVE:
        raise AccountNotDormant(account=account_no, why=f"it is {state}")
    if add_months(newest_use, months) > today:
        raise AccountNotDormant(account=account_no, why=f"last used on {newest_use}")


def require_closable(
    head: Head, waiting: int, balance_to: str, target: int | None, scale: int
) -> None:
    """Nothing held, owed or waiting; a balance only where somebody said where it goes."""
    if (balance_to == "account") != (target is not None):
        raise InvalidValue.of("target", target, "goes with balance_to='account', and only then")
    if target == head.account_no:
        raise InvalidValue.of("target", target, "is the account that closes")
    left = {"held": head.held, "debt": head.debt}
    if balance_to == "nowhere":
        left["balance"] = head.balance - head.expirable
    shown = [f"{name} {Points.of_units(units, scale)}" for name, units in left.items() if units]
    shown += [f"{waiting} waiting records"] if waiting else []
    if shown:
        raise AccountNotEmpty(account=head.account_no, left=", ".join(shown))


def require_second(head: Head, second_person: str | None) -> None:
    """A balance that leaves takes two people. Raises InvalidValue that names the field."""
    if _leaves(head) and second_person is None:
        reason = "a balance leaves the account: name the person who checked it"
        raise InvalidValue.of("second_person", None, reason)


def require_title(
    head: Head, rules: TransferRules, people: Sequence[StaffFacts], outlet: OutletFacts
) -> None:
    """过户: a balance goes to another account only with one who keeps the books there.

    Limits on gifts do not bind it, since who inherits must not be refused; so two tellers must
    not do it alone, unless the rules say so. Raises NotPermitted.
    """
    if _leaves(head) and rules.title_by == "keeper":
        require_keeper_among("accounts.close (过户)", people, outlet)


def _leaves(head: Head) -> bool:
    """Whether a balance leaves the account that closes: what is past its date only expires."""
    return head.balance > head.expirable
