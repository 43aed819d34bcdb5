"""开户与账户: registering, moving, freezing, putting to sleep and closing accounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from gongyi_bank.arguments import require_each_once
from gongyi_bank.commands.customers import (
    CloseAccount,
    FreezeAccount,
    MarkDormant,
    MoveCustomer,
    NewCustomer,
    RegisterCustomers,
    UnfreezeAccount,
    WakeAccount,
)
from gongyi_bank.errors import (
    AlreadyRegistered,
    IdempotencyConflict,
    InvalidValue,
    PassbookFrozen,
    UnknownCustomer,
)
from gongyi_bank.policies import AccountRules, TransferRules
from gongyi_bank.receipts.customers import (
    AccountChanged,
    AccountClosedOut,
    CustomerMoved,
    CustomersRegistered,
)
from gongyi_bank.rules import customers as rules
from gongyi_bank.rules.changes import Change, facts_of
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.rules.outlets import SAVINGS_BRANCH, decide_stay, require_tier
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_second_person,
)
from gongyi_bank.rules.transfers import by_last_day, cut, has_dates, oldest_free
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.holds import Overdue, Settled
from gongyi_bank.store import customers as store
from gongyi_bank.store import ledger, passbooks, serials
from gongyi_bank.store.customers import StoredCustomer
from gongyi_bank.store.outlets import ask_outlets, load_outlets_by_no
from gongyi_bank.store.transaction import Ask
from gongyi_bank.store.transfers import load_lots
from gongyi_bank.store.writing import Row
from gongyi_bank.values import NEVER, Points, compose_account_no, format_passbook_no


def register(visit: Visit, command: RegisterCustomers) -> CustomersRegistered:
    """Open an account for each new customer; one whose reference is known is a replay."""
    codes = {part.outlet for part in command.customers}
    visit.lock((), outlets_at=codes)
    indexes = [_document_index(visit, part) for part in command.customers]
    by_ref = store.ask_stored_by_ref([part.ref for part in command.customers if part.ref])
    held = store.ask_documents([index for index in indexes if index])
    # Nothing is locked that two clerks with the same person share. So these are read in one
    # breath with the key: a repeated call must find its own voucher before its own customers.
    visit.enter(
        command,
        outlets_at=codes,
        asks=(by_ref, held),
        before_replay=lambda again: _require_same_documents(visit, command, again, indexes),
    )
    outlets = {code: visit.outlet_for(command.act, code) for code in sorted(codes)}
    for outlet in outlets.values():
        require_tier(outlet, SAVINGS_BRANCH)
    known = by_ref.answer
    accounts_known = [stored.account_no for stored in known.values()]
    documents = store.load_document_indexes(visit.tx, accounts_known) if known else {}
    fresh = [part for part in command.customers if part.ref not in known]
    for part, index in zip(command.customers, indexes, strict=True):
        if part.ref in known:
            _require_same(part, known[part.ref], outlets[part.outlet])
            _require_document(part.ref, known[part.ref].account_no, index, documents)
    shown = [
        index
        for part, index in zip(command.customers, indexes, strict=True)
        if part.ref not in known
    ]
    _require_new(fresh, shown, held.answer)
    _require_days(visit, fresh, outlets)
    numbers = _draw_numbers(visit, fresh, outlets)
    _write_new(visit, fresh, numbers, shown, outlets)
    drawn = iter(numbers)
    accounts = tuple(
        known[part.ref].account_no if part.ref in known else next(drawn)
        for part in command.customers
    )
    receipt = CustomersRegistered(
        voucher_id=visit.voucher_uuid if fresh else None,
        business_day=visit.today,
        booked_at=visit.now,
        accounts=accounts,
        replayed=tuple(sorted(stored.account_no for stored in known.values())),
    )
    if fresh:
        places = [outlets[part.outlet] for part in fresh]
        visit.book(command, receipt, visit.handled_at(command.act, places))
    return receipt


def _require_same_documents(
    visit: Visit, command: RegisterCustomers, again: CustomersRegistered, indexes: list[str | None]
) -> None:
    """No digest knows the documents: the key answers only for those that it was used with."""
    documents = store.load_document_indexes(visit.tx, again.accounts)
    for account_no, index in zip(again.accounts, indexes, strict=True):
        _require_document(command.idempotency_key, account_no, index, documents)


def _require_document(
    key: str | None, account_no: int, index: str | None, documents: dict[int, str | None]
) -> None:
    if documents.get(account_no) != index:
        raise IdempotencyConflict(key=key)


def _require_same(part: NewCustomer, known: StoredCustomer, outlet: OutletFacts) -> None:
    """A repeated reference must say what it said before (personal data aside)."""
    registered_on = part.registered_on or known.registered_on
    same = (part.kind, registered_on) == (known.kind, known.registered_on)
    # The number tells where it was opened; the customer may have moved since.
    if not same or rules.opening_outlet_no(known.account_no) != outlet.outlet_no:
        raise IdempotencyConflict(key=part.ref)


def _document_index(visit: Visit, part: NewCustomer) -> str | None:
    """The blind index of a customer's document, if one was shown."""
    if part.document_kind is None or part.document_no is None:
        return None
    return rules.document_index(visit.tx.index_key, part.document_kind, part.document_no.upper())


def _require_new(fresh: list[NewCustomer], indexes: list[str | None], held: dict[str, int]) -> None:
    """No document may be known, and neither a document nor a reference may come twice."""
    seen = dict(held)
    for index in indexes:
        if index in seen:
            what = "证件 identity document"
            raise AlreadyRegistered(what=what, account=seen[index] or "（本次 in this call）")
        if index is not None:
            seen[index] = 0
    require_each_once((part.ref for part in fresh if part.ref), field="ref")


def _require_days(visit: Visit, fresh: list[NewCustomer], outlets: dict[str, OutletFacts]) -> None:
    """Today, or an earlier day in books that are taken over."""
    for part in fresh:
        day = part.registered_on or visit.today
        if day > visit.today:
            raise InvalidValue.of("registered_on", day, "is in the future")
        if day < visit.today and not visit.staff.sends_for_others(outlets[part.outlet]):
            reason = "only an administrator or a service account registers in the past"
            raise InvalidValue.of("registered_on", day, reason)


def _draw_numbers(
    visit: Visit, fresh: list[NewCustomer], outlets: dict[str, OutletFacts]
) -> list[int]:
    counts: dict[int, int] = {}
    for part in fresh:
        outlet_no = outlets[part.outlet].outlet_no
        counts[outlet_no] = counts.get(outlet_no, 0) + 1
    following = serials.draw_many(visit.tx, "account", counts) if counts else {}
    numbers = []
    for part in fresh:
        outlet_no = outlets[part.outlet].outlet_no
        numbers.append(compose_account_no(outlet_no, following[outlet_no]))
        following[outlet_no] += 1
    return numbers


def _write_new(
    visit: Visit,
    fresh: list[NewCustomer],
    numbers: list[int],
    indexes: list[str | None],
    outlets: dict[str, OutletFacts],
) -> None:
    accounts: list[Row] = []
    customers: list[Row] = []
    people: list[Row] = []
    stays: list[Row] = []
    for number, part, index in zip(numbers, fresh, indexes, strict=True):
        outlet_no = outlets[part.outlet].outlet_no
        accounts.append((number, "customer", "points", outlet_no, visit.voucher_id))
        registered_on = part.registered_on or visit.today
        customers.append((
            number, part.kind, outlet_no, 1, part.ref, registered_on, rules.ACTIVE, registered_on,
            None, visit.voucher_id,
        ))  # fmt: skip
        # A closed period's indicators do not change: in it the customer was nowhere yet.
        closed_on = visit.closed.value_through(outlets[part.outlet])
        since_on = max(registered_on, closed_on + dt.timedelta(days=1))
        stays.append((number, 1, since_on, outlet_no, visit.voucher_id))
        people.append((
            number, part.name, part.document_kind and str(part.document_kind),
            part.document_no, index, part.birth_on, part.phone,
        ))  # fmt: skip
    store.write_accounts(visit.writes, accounts)
    ledger.write_new_heads(visit.writes, [Head(number) for number in numbers])
    store.write_customers(visit.writes, customers, people)
    store.write_stays(visit.writes, stays)


def move(visit: Visit, command: MoveCustomer) -> CustomerMoved:
    """Move an account to another savings branch; authority is the receiving outlet's.

    What is closed at either stays as it is, so today must be open at both. No move is before
    another one, whatever this host's clock says.
    """
    newest = store.ask_newest_stay(command.account)
    stored, _ = _enter(visit, command, command.account, outlets_at=[command.outlet], asks=[newest])
    target = visit.outlet_for(command.act, command.outlet)
    require_tier(target, SAVINGS_BRANCH)
    rules.require_open(command.account, stored.state)
    source = load_outlets_by_no(visit.tx, [stored.outlet_no])[stored.outlet_no]
    for place in (source, target):
        visit.closed.require_open_day(place, visit.today)
    visit.closed.require_open_homes(visit.homes.get(command.account, ()), visit.today)
    stay_no, since_on = decide_stay(stored.stay_no, newest.answer or visit.today, visit.today)
    store.write_customer_change(visit.writes, stored, outlet_no=target.outlet_no, stay_no=stay_no)
    stay = (command.account, stay_no, since_on, target.outlet_no, visit.voucher_id)
    store.write_stays(visit.writes, [stay])
    ledger.write_touch(visit.writes, command.account)
    receipt = CustomerMoved(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        source=source.code,
        target=target.code,
    )
    visit.book(command, receipt, target)
    return receipt


def freeze(visit: Visit, command: FreezeAccount) -> AccountChanged:
    """Nothing may be taken until it is unfrozen."""
    return _change_state(visit, command, "freeze", command.reason)


def unfreeze(visit: Visit, command: UnfreezeAccount) -> AccountChanged:
    """Lift a freeze."""
    return _change_state(visit, command, "unfreeze", command.reason)


def wake(visit: Visit, command: WakeAccount) -> AccountChanged:
    """A dormant account is used again."""
    return _change_state(visit, command, "wake", None)


def _change_state(
    visit: Visit,
    command: FreezeAccount | UnfreezeAccount | WakeAccount,
    verb: str,
    reason: str | None,
) -> AccountChanged:
    stored, _ = _enter(visit, command, command.account)
    handled_at = visit.outlet_for(command.act, None)
    state = rules.decide_state(command.account, stored.state, verb)
    return _book_state(visit, command, stored, state, handled_at, reason)


def mark_dormant(visit: Visit, command: MarkDormant) -> AccountChanged:
    """Mark an account that nobody used for as long as the policy says; its points stay."""
    stored, _ = _enter(visit, command, command.account)
    handled_at = visit.outlet_for(command.act, None)
    used_on = store.load_newest_use(visit.tx, command.account) or stored.registered_on
    # To be woken or unfrozen is to be used.
    newest_use = max(used_on, stored.state_since_on)
    months = visit.policies.in_force(AccountRules, visit.today)[1].dormant_months
    rules.require_dormant(command.account, stored.state, newest_use, visit.today, months)
    return _book_state(visit, command, stored, rules.DORMANT, handled_at, None)


def _book_state(
    visit: Visit,
    command: FreezeAccount | UnfreezeAccount | WakeAccount | MarkDormant,
    stored: StoredCustomer,
    state: str,
    handled_at: OutletFacts,
    reason: str | None,
) -> AccountChanged:
    store.write_customer_change(visit.writes, stored, state=state, state_since_on=visit.today)
    ledger.write_touch(visit.writes, stored.account_no)
    receipt = AccountChanged(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        state=state,
    )
    facts = {"was": stored.state, **_change_of(visit, stored, state)}
    visit.book(command, receipt, handled_at, reason=reason, facts=facts)
    return receipt


def _change_of(visit: Visit, stored: StoredCustomer, state: str) -> dict[str, object]:
    was, now = (stored.state, stored.state_since_on), (state, visit.today)
    return facts_of(Change("customer", (stored.account_no,), was, now))


def close(visit: Visit, command: CloseAccount) -> AccountClosedOut:
    """Close an account and move its balance where the command says."""
    accounts = [command.account] + ([command.target] if command.target else [])
    people = [command.second_person] if command.second_person else []
    stored, customers = _enter(visit, command, *accounts, people=people)
    handled_at = visit.outlet_for(command.act, None)
    second = _require_two_for_closing(visit, command, handled_at, accounts)
    rules.require_usable(command.account, stored.state)
    _require_passbook_not_lost(visit, command.account)
    posting = visit.posting(visit.heads())
    head = posting.heads[command.account]
    lapsed = _settle_lapsed(visit, posting, command.account)
    waiting = store.count_waiting(visit.tx, command.account)
    rules.require_closable(head, waiting, command.balance_to, command.target, visit.tx.bank.scale)
    rules.require_second(head, command.second_person)
    if command.target is not None:
        people_there = [visit.staff, second] if second else [visit.staff]
        ruling = visit.policies.in_force(TransferRules, visit.today)[1]
        rules.require_title(head, ruling, people_there, handled_at)
        target = customers.get(command.target)
        rules.require_open(command.target, target.state if target else None)
    mark = Mark("close", visit.today, handled_at.outlet_no)
    paid_out = _pay_out(visit, posting, head, command.target, mark)
    head.is_touched = True
    store.write_customer_change(
        visit.writes, stored, state=rules.CLOSED, state_since_on=visit.today, closed_on=visit.today
    )
    receipt = AccountClosedOut(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        paid_out=Points.of_units(paid_out, visit.tx.bank.scale),
        target=command.target,
    )
    lapsed.write(visit, posting, handled_at)
    visit.book(
        command, receipt, handled_at, posting=posting, second=second, reason=command.reason,
        facts={**lapsed.facts, **_change_of(visit, stored, rules.CLOSED)},
    )  # fmt: skip
    return receipt


def _settle_lapsed(visit: Visit, posting: Posting, account_no: int) -> Settled:
    """What lapsed holds keep is free, swept or not: it neither stands in the way nor is lost."""
    overdue = Overdue(visit, [account_no])
    visit.tx.gather(*overdue.asks)
    return overdue.settle(posting)


def _require_two_for_closing(
    visit: Visit, command: CloseAccount, outlet: OutletFacts, accounts: list[int]
) -> StaffFacts | None:
    """The second person, if one is named; neither account is one of the people's own."""
    code, second = command.second_person, None
    if code is not None:
        named = visit.people.get(code)
        second = require_second_person(command.act, visit.staff, named, code, outlet)
    for person in (visit.staff, second):
        for account_no in accounts:
            if person is not None:
                require_not_own(command.act, person, account_no)
    return second


def _require_passbook_not_lost(visit: Visit, account_no: int) -> None:
    """A loss report stops every payment, that of a closing balance too."""
    lost = passbooks.load_frozen(visit.tx, [account_no], visit.now)
    if account_no in lost:
        serial = format_passbook_no(lost[account_no])
        raise PassbookFrozen(account=account_no, serial=serial)


def _pay_out(visit: Visit, posting: Posting, head: Head, target: int | None, mark: Mark) -> int:
    """Empty the account: what is past its date expires, the rest goes to the target or back."""
    posting.expire(head, mark.outlet_no)
    amount = head.balance
    if target is None and amount:
        returned_no = internal_no("returned", mark.outlet_no)
        posting.post(Leg(head.account_no, returned_no, amount), mark)
    elif target is not None and amount:
        for until, part in _dates_of(visit, head).items():
            leg = Leg(head.account_no, target, part)
            posting.post(leg, mark._replace(expires_on=until))
    return amount


def _dates_of(visit: Visit, head: Head) -> dict[dt.date, int]:
    """What is left of the account, by its last days: to change hands makes no point live longer."""
    if not has_dates(head, visit.expiry_terms):
        return {NEVER: head.balance}
    lots = load_lots(visit.tx, [head], visit.expiry_terms)[head.account_no]
    return by_last_day(cut(lots, oldest_free(head), head.balance))


def _enter(
    visit: Visit,
    command: MoveCustomer
    | FreezeAccount
    | UnfreezeAccount
    | WakeAccount
    | MarkDormant
    | CloseAccount,
    account: int,
    *more: int,
    outlets_at: Sequence[str] = (),
    people: Sequence[str] = (),
    asks: Sequence[Ask[Any]] = (),
) -> tuple[StoredCustomer, dict[int, StoredCustomer]]:
    """Lock the accounts and read the customers; the first one must exist."""
    places = [ask_outlets(outlets_at)] if outlets_at else []
    visit.lock([account, *more], *places)
    known = store.ask_stored([account, *more])
    visit.enter(command, outlets_at=outlets_at, people=people, asks=[known, *asks])
    visit.go_by_accounts()
    stored = known.answer.get(account)
    if stored is None:
        raise UnknownCustomer(account=account)
    return stored, known.answer
