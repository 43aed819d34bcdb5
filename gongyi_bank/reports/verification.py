"""核对: everything in the books that must agree with something else. Read only.

The books are read account by account, a bounded number of rows at a time, and every fault
is a value: an audit that stops at the first one would show the least of them.
"""

from __future__ import annotations

from collections import Counter

from gongyi_bank.periods import business_day
from gongyi_bank.reports import house_checks
from gongyi_bank.reports.account_checks import AccountAudit, AuditRules, rates_of
from gongyi_bank.reports.faults import Fault, Verification
from gongyi_bank.rules.ledger import voucher_digest
from gongyi_bank.store import verification as store
from gongyi_bank.store.policies import load_book, load_stamp
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.verification import Batch

#: Voucher digests kept in mind, since many accounts cite the same bulk voucher.
_DIGESTS_MAX = 100_000


def verify(tx: Transaction) -> Verification:
    """All faults in the books of this bank, in one moment of them.

    A bank whose lines are keyed must be opened with its `seal_key`: with another one, or
    none, no line's hash agrees.
    """
    return _Audit(tx).run()


class _Audit:
    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._digests: dict[bytes, bytes] = {}
        self._rules = AuditRules(
            today=business_day(tx.clock(), tx.bank.zone),
            scale=tx.bank.scale,
            seal_key=tx.seal_key,
            rates=rates_of(load_book(tx, load_stamp(tx))),
            digests=self._digests,
        )
        self._faults: list[Fault] = []
        self._counts: Counter[str] = Counter()
        self._newest_accounts: dict[int, int] = {}

    def run(self) -> Verification:
        for batch in store.batches(self._tx):
            self._load_digests(batch)
            for account_no in batch.account_nos:
                self._check_account(account_no, batch)
        self._check_house()
        names = (
            "accounts", "lines", "vouchers", "records", "redemptions", "books", "outlets", "offers",
        )  # fmt: skip
        return Verification(
            faults=tuple(self._faults), counts={name: self._counts[name] for name in names}
        )

    def _load_digests(self, batch: Batch) -> None:
        """Bring in the digests of the vouchers that these accounts' lines cite."""
        if len(self._digests) > _DIGESTS_MAX:
            self._digests.clear()
        cited = {line.voucher_id for lines in batch.lines.values() for line in lines}
        bank_id = self._tx.bank.bank_id
        wanted = sorted(cited - self._digests.keys())
        for fields in store.list_vouchers(self._tx, wanted):
            self._digests[fields[0]] = voucher_digest(bank_id, fields)
            self._counts["vouchers"] += 1

    def _check_account(self, account_no: int, batch: Batch) -> None:
        audit = AccountAudit(account_no, self._rules)
        lines = batch.lines.get(account_no, [])
        records = batch.records.get(account_no, [])
        redemptions = batch.redemptions.get(account_no, [])
        books = batch.books.get(account_no, [])
        made = audit.check_lines(lines)
        head = batch.heads.get(account_no)
        kind, state = batch.customers.get(account_no, (None, None))
        if head is None or kind is None:
            audit.note("account", "", "no head" if head is None else "no customer", "both")
        if head is not None:
            audit.check_head(head, made, lines, batch.held.get(account_no, 0))
            by_no = {line.line_no: line for line in lines}
            audit.check_records(head, records, by_no)
            audit.check_redemptions(redemptions, by_no)
            if state == "closed":
                audit.differ("account_closed", "", (head.balance, head.held), (0, 0))
        audit.check_books(books, made.line_no)
        self._faults += audit.faults
        outlet_no, serial = account_no // 10**8, account_no // 10 % 10**7
        self._newest_accounts[outlet_no] = max(serial, self._newest_accounts.get(outlet_no, 0))
        self._counts.update(
            accounts=1,
            lines=len(lines),
            records=len(records),
            redemptions=len(redemptions),
            books=len(books),
        )

    def _check_house(self) -> None:
        tx = self._tx
        outlets, offers = store.list_outlets(tx), store.list_offers(tx)
        self._faults += house_checks.check_pairs(store.list_unpaired(tx))
        self._faults += house_checks.check_outlets(outlets)
        self._faults += house_checks.check_offers(offers)
        self._faults += house_checks.check_counters(
            store.load_counters(tx), store.load_newest_numbers(tx), self._newest_accounts
        )
        self._counts.update(outlets=len(outlets), offers=len(offers))
