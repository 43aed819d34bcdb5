"""客户与账户: registering, moving, freezing, putting to sleep and closing accounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

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
from gongyi_bank.rules.ledger import Leg, Mark, Posting, internal_no
from gongyi_bank.rules.outlets import SAVINGS_BRANCH, require_tier
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_second_person,
)
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import lots_of
from gongyi_bank.testing.reference.rows import Customer
from gongyi_bank.values import NEVER, Points, compose_account_no, format_passbook_no


def register(visit: Visit, command: RegisterCustomers) -> CustomersRegistered:
    """Open an account for each new customer; one whose reference is known is a replay."""
    codes, books = {part.outlet for part in command.customers}, visit.books
    visit.enter(
        command,
        outlets_at=codes,
        before_replay=lambda again: _require_same_documents(visit, command, again),
    )
    outlets = {code: visit.outlet_for(command.act, code) for code in sorted(codes)}
    for outlet in outlets.values():
        require_tier(outlet, SAVINGS_BRANCH)
    known = {part.ref: books.customer_of_ref(part.ref) for part in command.customers}
    for part in command.customers:
        _require_same(part, known[part.ref], outlets[part.outlet])
    fresh = [part for part in command.customers if known[part.ref] is None]
    _require_new(fresh, books.customers.values())
    _require_days(visit, fresh, outlets)
    accounts = []
    for part in command.customers:
        earlier = known[part.ref]
        opened = _open(visit, part, outlets[part.outlet]) if earlier is None else earlier
        accounts.append(opened.account_no)
    receipt = CustomersRegistered(
        voucher_id=visit.voucher_uuid if fresh else None,
        business_day=visit.today,
        booked_at=visit.now,
        accounts=tuple(accounts),
        replayed=tuple(sorted({found.account_no for found in known.values() if found})),
    )
    if fresh:
        places = [outlets[part.outlet] for part in fresh]
        visit.book(command, receipt, visit.handled_at(command.act, places))
    return receipt


def _document(part: NewCustomer) -> tuple[str, str] | None:
    if part.document_kind is None or part.document_no is None:
        return None
    return str(part.document_kind), part.document_no.upper()


def _require_same_documents(
    visit: Visit, command: RegisterCustomers, again: CustomersRegistered
) -> None:
    """No digest knows the documents: the key answers only for those that it was used with."""
    for part, account_no in zip(command.customers, again.accounts, strict=True):
        if visit.books.customers[account_no].document != _document(part):
            raise IdempotencyConflict(key=command.idempotency_key)


def _require_same(part: NewCustomer, known: Customer | None, outlet: OutletFacts) -> None:
    """A repeated reference must say what it said before."""
    if known is None:
        return
    said = (
        part.kind, part.registered_on or known.registered_on, outlet.outlet_no, _document(part)
    )  # fmt: skip
    opened_at = rules.opening_outlet_no(known.account_no)
    if said != (known.kind, known.registered_on, opened_at, known.document):
        raise IdempotencyConflict(key=part.ref)


def _require_new(fresh: list[NewCustomer], customers: Iterable[Customer]) -> None:
    """No document may be known, and neither a document nor a reference may come twice."""
    holders: dict[tuple[str, str], object] = {
        customer.document: customer.account_no for customer in customers if customer.document
    }
    for document in map(_document, fresh):
        if document in holders:
            what = "证件 identity document"
            raise AlreadyRegistered(what=what, account=holders[document])
        if document is not None:
            holders[document] = "（本次 in this call）"
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


def _open(visit: Visit, part: NewCustomer, outlet: OutletFacts) -> Customer:
    books, registered_on = visit.books, part.registered_on or visit.today
    number = compose_account_no(outlet.outlet_no, books.draw("account", outlet.outlet_no))
    books.lines[number], books.records[number] = (), ()
    # In a closed period the customer was nowhere yet.
    since_on = max(registered_on, visit.closed.value_through(outlet) + dt.timedelta(days=1))
    books.customers[number] = Customer(
        account_no=number,
        kind=part.kind,
        stays=((since_on, outlet.outlet_no),),
        ref=part.ref,
        registered_on=registered_on,
        state=rules.ACTIVE,
        state_since_on=registered_on,
        document=_document(part),
        name=part.name,
        document_no=part.document_no,
        birth_on=part.birth_on,
        phone=part.phone,
    )
    return books.customers[number]


def move(visit: Visit, command: MoveCustomer) -> CustomerMoved:
    """Move an account to another savings branch; authority is the receiving outlet's."""
    visit.enter(command, outlets_at=[command.outlet])
    visit.go_by_accounts([command.account])
    customer = _require_customer(visit, command.account)
    target = visit.outlet_for(command.act, command.outlet)
    require_tier(target, SAVINGS_BRANCH)
    rules.require_open(command.account, customer.state)
    source = visit.books.outlets[customer.outlet_no]
    for place in (source, target):
        visit.closed.require_open_day(place, visit.today)
    visit.closed.require_open_homes(visit.books.homes(command.account), visit.today)
    since_on = max(visit.today, customer.stays[-1][0])
    _change(visit, customer, stays=(*customer.stays, (since_on, target.outlet_no)))
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
    visit.enter(command)
    visit.go_by_accounts([command.account])
    customer = _require_customer(visit, command.account)
    handled_at = visit.outlet_for(command.act, None)
    state = rules.decide_state(command.account, customer.state, verb)
    return _book_state(visit, command, customer, state, handled_at, reason)


def mark_dormant(visit: Visit, command: MarkDormant) -> AccountChanged:
    """Mark an account that nobody used for as long as the policy says; its points stay."""
    number, books = command.account, visit.books
    visit.enter(command)
    visit.go_by_accounts([number])
    customer = _require_customer(visit, number)
    handled_at = visit.outlet_for(command.act, None)
    used = [line.business_day for line in books.lines[number]]
    used += [record.service_on for record in books.records[number]]
    # To be woken or unfrozen is to be used.
    newest_use = max(max(used, default=customer.registered_on), customer.state_since_on)
    months = visit.policies.in_force(AccountRules, visit.today)[1].dormant_months
    rules.require_dormant(number, customer.state, newest_use, visit.today, months)
    return _book_state(visit, command, customer, rules.DORMANT, handled_at, None)


def _book_state(
    visit: Visit,
    command: FreezeAccount | UnfreezeAccount | WakeAccount | MarkDormant,
    customer: Customer,
    state: str,
    handled_at: OutletFacts,
    reason: str | None,
) -> AccountChanged:
    _change(visit, customer, state=state, state_since_on=visit.today)
    receipt = AccountChanged(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        state=state,
    )
    visit.book(command, receipt, handled_at, reason=reason)
    return receipt


def close(visit: Visit, command: CloseAccount) -> AccountClosedOut:
    """Close an account and move its balance where the command says."""
    number, books = command.account, visit.books
    accounts = [number] + ([command.target] if command.target else [])
    visit.enter(command, people=[command.second_person] if command.second_person else [])
    visit.go_by_accounts(accounts)
    customer = _require_customer(visit, number)
    handled_at = visit.outlet_for(command.act, None)
    second = _require_two(visit, command, handled_at, accounts)
    rules.require_usable(number, customer.state)
    for lost in books.frozen([number], visit.now).values():
        raise PassbookFrozen(account=number, serial=format_passbook_no(lost))
    freed = visit.free_lapsed([number])
    posting = visit.posting(visit.heads(accounts))
    head = posting.heads[number]
    scale = visit.bank.scale
    rules.require_closable(head, books.waiting(number), command.balance_to, command.target, scale)
    rules.require_second(head, command.second_person)
    if command.target is not None:
        ruling = visit.policies.in_force(TransferRules, visit.today)[1]
        rules.require_title(head, ruling, [visit.staff, second or visit.staff], handled_at)
        rules.require_open(command.target, books.states(accounts).get(command.target))
    posting.expire(head, handled_at.outlet_no)
    paid_out = head.balance
    _pay_out(visit, posting, command, handled_at)
    head.is_touched = True
    visit.expire_freed(posting, freed, handled_at)
    _change(visit, customer, state=rules.CLOSED, state_since_on=visit.today)
    receipt = AccountClosedOut(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=number,
        paid_out=Points.of_units(paid_out, scale),
        target=command.target,
    )
    visit.book(command, receipt, handled_at, posting=posting, second=second, reason=command.reason)
    return receipt


def _pay_out(visit: Visit, posting: Posting, command: CloseAccount, outlet: OutletFacts) -> None:
    """All that lives, lot by lot with the lot's own date if it goes to another account."""
    living = lots_of(visit.books.lines[command.account], visit.policies)
    by_date: dict[dt.date, int] = {}
    for lot in living:
        if lot.left and lot.until >= visit.today:
            until = NEVER if command.target is None else lot.until
            by_date[until] = by_date.get(until, 0) + lot.left
    target_no = command.target or internal_no("returned", outlet.outlet_no)
    for until, amount in by_date.items():
        mark = Mark("close", visit.today, outlet.outlet_no, expires_on=until)
        posting.post(Leg(command.account, target_no, amount), mark)


def _require_two(
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


def _require_customer(visit: Visit, account_no: int) -> Customer:
    customer = visit.books.customers.get(account_no)
    if customer is None:
        raise UnknownCustomer(account=account_no)
    return customer


def _change(visit: Visit, customer: Customer, **changes: object) -> None:
    changed = replace(customer, **changes)  # type: ignore[arg-type]
    visit.books.customers[customer.account_no] = changed


ACTS: Acts = {
    RegisterCustomers: register,
    MoveCustomer: move,
    FreezeAccount: freeze,
    UnfreezeAccount: unfreeze,
    WakeAccount: wake,
    MarkDormant: mark_dormant,
    CloseAccount: close,
}
