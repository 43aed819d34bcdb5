"""核对: everything in the books that must agree with something else. Read only.

The books are read account by account, a bounded number of rows at a time, and every fault
is a value: an audit that stops at the first one would show the least of them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import business_day
from gongyi_bank.policies import POLICIES, PolicyBook
from gongyi_bank.reports import house_checks
from gongyi_bank.reports.account_audit import check_account
from gongyi_bank.reports.account_checks import AuditRules, rates_of
from gongyi_bank.reports.change_checks import check_changes
from gongyi_bank.reports.cited_vouchers import CitedVouchers
from gongyi_bank.reports.clearing import check_clearing
from gongyi_bank.reports.closings import ClosedPeriods, check_closings, check_totals
from gongyi_bank.reports.faults import Fault, Verification
from gongyi_bank.reports.seal_checks import BooksAudit
from gongyi_bank.reports.standing_checks import faults_of_standing
from gongyi_bank.rules.closings import Home
from gongyi_bank.rules.expiry import introductions_of
from gongyi_bank.rules.ledger import EARLIEST, internal_kind
from gongyi_bank.rules.outlets import stays_of
from gongyi_bank.rules.seals import day_floor, voucher_moment
from gongyi_bank.store import house, pools, transfers
from gongyi_bank.store import verification as store
from gongyi_bank.store.closings import list_audited
from gongyi_bank.store.given import compare_given
from gongyi_bank.store.outlets import ask_homes, list_stays, load_stays
from gongyi_bank.store.policies import load_book, load_stamp
from gongyi_bank.store.reversals import list_uneven
from gongyi_bank.store.seals import StoredSeal, list_seals
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.verification import AccountRows

#: What rows can raise that nobody of the library has written.
_UNREADABLE = (LookupError, ValueError, TypeError, ArithmeticError, InvalidValue)

Since = int | Literal["last_seal"] | None
Tell = Callable[[Fault], object]


def verify(
    tx: Transaction,
    *,
    since: Since = None,
    trusted_root: str | None = None,
    tell: Tell | None = None,
) -> Verification:
    """All faults in the books of this bank, in one moment of them; see `Bank.verify`."""
    return _Audit(tx, since, trusted_root).run(tell)


def _seal_of(tx: Transaction, since: Since, trusted_root: str | None) -> StoredSeal | None:
    """The seal that the audit starts from; none before the first one. Raises InvalidValue."""
    if since is None and trusted_root is not None:
        raise InvalidValue.of("since", since, "say which seal the trusted root is of")
    if since is None:
        return None
    known = {seal.seal_no: seal for seal in list_seals(tx)}
    if since == "last_seal":
        seal = known[max(known)] if known else None
    else:
        seal = known.get(since) if type(since) is int else None
        if seal is None:
            raise InvalidValue.of("since", since, "the number of a seal, or last_seal")
    if seal is None and trusted_root is not None:
        raise InvalidValue.of("trusted_root", trusted_root, "nothing is sealed yet")
    return seal


def _root_of(text: str | None) -> bytes | None:
    """The 32 bytes of a root as it is published. Raises InvalidValue."""
    if text is not None and not re.fullmatch("[0-9a-f]{64}", text):
        raise InvalidValue.of("trusted_root", text, "64 hexadecimal digits")
    return bytes.fromhex(text) if text is not None else None


class _Audit:
    def __init__(self, tx: Transaction, since: Since, trusted_root: str | None) -> None:
        self._tx = tx
        self._seal = _seal_of(tx, since, trusted_root)
        self._books = BooksAudit(tx, since=self._seal, trusted_root=_root_of(trusted_root))
        self._faults: list[Fault] = []
        book = self._policy_book()
        self._rules = AuditRules(
            today=business_day(tx.clock(), tx.bank.zone),
            scale=tx.bank.scale,
            seal_key=tx.seal_key,
            rates=rates_of(book),
            vouchers=CitedVouchers(tx),
            policies=book,
            introductions=introductions_of(book),
            closed=ClosedPeriods(list_audited(tx), load_stays(tx)),
            zone=tx.bank.zone,
        )
        self._counts: Counter[str] = Counter()
        self._newest_accounts: dict[int, int] = {}

    def _policy_book(self) -> PolicyBook:
        """The policies; where they cannot be read, the shipped ones, and a fault."""
        try:
            return load_book(self._tx, load_stamp(self._tx))
        except _UNREADABLE as error:
            found = type(error).__name__
            self._faults.append(Fault("unreadable", "规则", found, "policies of this library"))
            shipped = enumerate(POLICIES.values(), start=1)
            return PolicyBook([(number, EARLIEST, kind()) for number, kind in shipped], 0)

    def run(self, tell: Tell | None) -> Verification:
        """Audit everything; with `tell` faults are handed on as they are found, and not kept."""
        kept: list[Fault] = []
        told = 0
        for fault in self._stream():
            if tell is None:
                kept.append(fault)
            else:
                tell(fault)
                told += 1
        counts = self._counts + self._books.counts
        names = (
            "accounts", "lines", "vouchers", "records", "redemptions", "books", "outlets", "offers",
            "rows", "seals",
        )  # fmt: skip
        engine, wire = self._tx.engine, self._tx.wire
        return Verification(
            faults=tuple(kept),
            counts={name: counts[name] for name in names},
            guards_installed=engine.count_guards(wire),
            guards_expected=engine.count_guards_expected(),
            history_is_writable=engine.history_is_writable(wire),
            told=told,
            since=self._seal.seal_no if self._seal else None,
        )

    def _stream(self) -> Iterator[Fault]:
        """Every fault as it is found; no more of the books is in memory than a batch of them.

        Rows that cannot even be read end what looks at them, and not the audit.
        """
        stages = {
            "账户": self._accounts, "网点、结账": self._house, "现状": self._standing,
            "账簿": self._books.faults,
        }  # fmt: skip
        for name, stage in stages.items():
            try:
                yield from stage()
            except _UNREADABLE as error:
                yield Fault("unreadable", name, type(error).__name__, "rows that can be read")

    def _accounts(self) -> Iterator[Fault]:
        for batch in self._batches():
            homes = self._load_homes(batch)
            self._load_vouchers(batch)
            for rows in batch:
                account_no = rows.account_no
                try:
                    self._check_account(rows, homes.get(account_no, ()))
                except _UNREADABLE as error:
                    what, found = f"账户 {account_no}", type(error).__name__
                    self._faults.append(Fault("unreadable", what, found, "rows that can be read"))
            yield from self._found()

    def _house(self) -> Iterator[Fault]:
        self._check_house()
        yield from self._found()

    def _standing(self) -> Iterator[Fault]:
        yield from faults_of_standing(self._tx, house.load_counters(self._tx))
        if not self._books.is_partial:  # what changed before is told by vouchers that are not read
            yield from check_changes(self._tx)

    def _batches(self) -> Iterator[list[AccountRows]]:
        """All accounts, or those with lines since the seal; the others' heads are looked at."""
        if self._seal is None:
            return store.batches(self._tx)
        self._faults += house_checks.check_detached(store.list_detached(self._tx))
        floor = day_floor(self._seal.through_on + dt.timedelta(days=1), self._tx.bank.zone)
        return store.batches_since(self._tx, voucher_moment(floor))

    def _found(self) -> list[Fault]:
        """What was found since the last time."""
        found, self._faults = self._faults, []
        return found

    def _load_vouchers(self, batch: list[AccountRows]) -> None:
        """Bring in the vouchers that these accounts cite at once, where their rows are there."""
        cited: set[bytes] = set()
        for rows in batch:
            if rows.is_loaded:
                cited.update(line.voucher_id for page in rows.lines for line in page)
                cited.update(s.voucher_id for page in rows.holds for one in page for s in one.steps)
        self._rules.vouchers.load(cited)

    def _load_homes(self, batch: list[AccountRows]) -> dict[int, tuple[Home, ...]]:
        """Where these accounts were registered when, if a branch has closed by itself."""
        if not batch or not self._rules.closed.is_by_branch:
            return {}
        return self._tx.look(ask_homes([rows.account_no for rows in batch]))

    def _check_account(self, rows: AccountRows, homes: tuple[Home, ...]) -> None:
        audit = check_account(self._rules, rows, homes)
        self._faults += audit.faults
        self._counts.update(audit.counts)
        outlet_no, serial = rows.account_no // 10**8, rows.account_no // 10 % 10**7
        if internal_kind(rows.account_no) is None:
            self._newest_accounts[outlet_no] = max(serial, self._newest_accounts.get(outlet_no, 0))

    def _check_house(self) -> None:
        tx = self._tx
        outlets, offers = house.list_outlets(tx), house.list_offers(tx)
        self._faults += house_checks.check_pairs(transfers.list_unpaired(tx))
        self._faults += house_checks.check_transit(transfers.list_in_transit(tx))
        self._faults += house_checks.check_sides(list_uneven(tx))
        self._faults += house_checks.check_given(compare_given(tx))
        self._faults += house_checks.check_pools(pools.list_audited(tx))
        stays = list_stays(tx)
        self._faults += house_checks.check_outlets(outlets)
        self._faults += house_checks.check_stays(outlets, stays)
        self._faults += house_checks.check_offers(offers)
        self._faults += house_checks.check_accounts(house.stream_accounts(tx), outlets)
        self._faults += house_checks.check_counters(
            house.load_counters(tx), house.load_newest_numbers(tx), self._newest_accounts
        )
        closings = list_audited(tx)
        rows = ((stay.outlet_no, stay.parent_no, stay.since_on) for stay in stays)
        self._faults += check_closings(closings, stays_of(rows))
        self._faults += check_totals(tx)
        self._faults += check_clearing(tx)
        self._counts.update(outlets=len(outlets), offers=len(offers))
