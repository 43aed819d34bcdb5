"""存折: printing, allotting, issuing, updating, renewing, losing and destroying books.

Who holds which book changes under the lock of the account's head; blank stock changes
under the locks of the books. Where no account is involved the books are locked before the
key is looked up, so that the second of two equal calls finds the first one's receipt.
"""

from __future__ import annotations

from typing import Any

from gongyi_bank.commands.passbooks import (
    BOOKS_MAX,
    DESTROYED_MAX,
    AllotPassbooks,
    DestroyPassbooks,
    IssuePassbook,
    LiftLoss,
    PrintStock,
    ReissuePassbook,
    RenewPassbook,
    ReportLoss,
    SpoilPassbook,
    UpdatePassbook,
)
from gongyi_bank.errors import InvalidValue, UnknownPassbook
from gongyi_bank.policies import PassbookRules
from gongyi_bank.receipts.passbooks import (
    LossLifted,
    LossReported,
    PassbookIssued,
    PassbookReissued,
    PassbookRenewed,
    PassbooksDestroyed,
    PassbookSpoiled,
    PassbookUpdated,
    PrintedLine,
    StockAllotted,
    StockPrinted,
)
from gongyi_bank.rules import book_changes
from gongyi_bank.rules import passbooks as rules
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.changes import Change, Run, facts_of
from gongyi_bank.rules.customers import CLOSED, require_open
from gongyi_bank.rules.outlets import SAVINGS_BRANCH, require_tier
from gongyi_bank.rules.passbooks import Book, BookLine, Holding
from gongyi_bank.rules.staff import OutletFacts, require_permission, require_second_person
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import outlets, serials
from gongyi_bank.store import passbooks as store
from gongyi_bank.store.ledger import write_touch
from gongyi_bank.values import Points, compose_passbook_no, format_passbook_no

# --- stock -----------------------------------------------------------------------------------


def print_stock(visit: Visit, command: PrintStock) -> StockPrinted:
    """Print blank books; their size is the policy's and stays with them."""
    visit.lock(())
    visit.enter(command)
    head_office = outlets.load_head_office(visit.tx)
    require_permission(visit.staff, command.act, head_office)
    size = visit.policies.in_force(PassbookRules, visit.today)[1]
    # Books are counted against their numbers, so a number that no book has would be a fault.
    first = serials.draw_without_gap(visit.tx, visit.writes, "passbook", command.count)
    numbers = [compose_passbook_no(index) for index in range(first, first + command.count)]
    made_of = (size.pages, size.rows_per_page)
    store.write_printed(visit.writes, numbers, head_office.outlet_no, made_of, visit.voucher_id)
    receipt = StockPrinted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        first=numbers[0],
        last=numbers[-1],
        count=command.count,
        pages=size.pages,
        rows_per_page=size.rows_per_page,
    )
    changes = book_changes.printed(numbers[0], numbers[-1], head_office.outlet_no, made_of)
    visit.book(command, receipt, head_office, facts=facts_of(*changes))
    return receipt


def allot(visit: Visit, command: AllotPassbooks) -> StockAllotted:
    """Hand a range of blank books to an outlet directly below; the giving outlet handles it."""
    numbers = rules.numbers_between(command.first, command.last, count_max=BOOKS_MAX)
    visit.lock((), outlets.ask_outlets([command.target]))
    store.lock_blank(visit.tx, command.first, command.last)
    visit.enter(command, outlets_at=[command.target])
    target = require_open_outlet(visit.outlets, command.target)
    source_no = rules.require_below(target)
    source = outlets.load_outlets_by_no(visit.tx, [source_no])[source_no]
    require_permission(visit.staff, command.act, source)
    found = store.count_range(visit.tx, command.first, command.last)
    rules.require_allottable(source, numbers, found)
    store.write_allotted(
        visit.writes, numbers, source.outlet_no, target.outlet_no, visit.voucher_id
    )
    receipt = StockAllotted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        source=source.code,
        target=target.code,
        first=command.first,
        last=command.last,
        count=len(numbers),
    )
    change = book_changes.allotted(numbers[0], numbers[-1], source.outlet_no, target.outlet_no)
    visit.book(command, receipt, source, facts=facts_of(change))
    return receipt


def spoil(visit: Visit, command: SpoilPassbook) -> PassbookSpoiled:
    """Take a blank book out of use; the outlet that has it handles it."""
    visit.lock(())
    store.lock_blank(visit.tx, command.passbook, command.passbook)
    visit.enter(command)
    books = store.load_books(visit.tx, [command.passbook])
    if not books:
        raise UnknownPassbook(serial=format_passbook_no(command.passbook))
    book = books[0]
    outlet = outlets.load_outlets_by_no(visit.tx, [book.outlet_no])[book.outlet_no]
    require_permission(visit.staff, command.act, outlet)
    rules.require_state(book, (rules.BLANK,), command.act)
    store.write_states(visit.writes, books, rules.SPOILED, None, visit.voucher_id)
    receipt = PassbookSpoiled(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        passbook=book.passbook_no,
        outlet=outlet.code,
    )
    facts = facts_of(*book_changes.put(books, rules.SPOILED))
    visit.book(command, receipt, outlet, reason=command.reason, facts=facts)
    return receipt


def destroy(visit: Visit, command: DestroyPassbooks) -> PassbooksDestroyed:
    """Destroy books out of use; maker and checker must cover every outlet they lie at."""
    numbers = _numbers_to_destroy(command)
    visit.lock(())
    store.lock_discarded(visit.tx, numbers)
    visit.enter(command, people=[command.second_person])
    handled_at = visit.outlet_for(command.act, None)
    books = store.load_books(visit.tx, numbers)
    lying_at = outlets.load_outlets_by_no(visit.tx, {book.outlet_no for book in books})
    checker = visit.people.get(command.second_person)
    for _, outlet in sorted(lying_at.items()):
        require_permission(visit.staff, command.act, outlet)
        require_second_person(command.act, visit.staff, checker, command.second_person, outlet)
    rules.require_destroyable(books, numbers)
    store.write_states(visit.writes, books, rules.DESTROYED, None, visit.voucher_id)
    receipt = PassbooksDestroyed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        count=len(numbers),
        passbooks=tuple(numbers),
    )
    facts = facts_of(*book_changes.put(books, rules.DESTROYED))
    visit.book(command, receipt, handled_at, second=checker, reason=command.reason, facts=facts)
    return receipt


def _numbers_to_destroy(command: DestroyPassbooks) -> list[int]:
    """The books of the range or of the list, ascending and each once."""
    is_range = command.first is not None and command.last is not None
    if is_range == (command.passbooks is not None) or (command.first is None) != (
        command.last is None
    ):
        raise InvalidValue.of("passbooks", None, "give either first and last, or a list")
    if command.first is not None and command.last is not None:
        return rules.numbers_between(command.first, command.last, count_max=DESTROYED_MAX)
    return sorted(set(command.passbooks or ()))


# --- the customer's book -----------------------------------------------------------------------


def issue(visit: Visit, command: IssuePassbook) -> PassbookIssued:
    """Give an account its first book."""
    state, holding, outlet = _enter(visit, command)
    require_tier(outlet, SAVINGS_BRANCH)
    require_open(command.account, state)
    rules.require_none_in_use(holding)
    book = _take_blank(visit, outlet, command.passbook)
    store.write_issued(visit.writes, book, holding, visit.today, visit.voucher_id)
    receipt = PassbookIssued(**_given(visit, holding, book, outlet))
    facts = facts_of(*book_changes.issued(book, holding, visit.today))
    visit.book(command, receipt, outlet, facts=facts)
    return receipt


def renew(visit: Visit, command: RenewPassbook) -> PassbookRenewed:
    """A new book for a full or damaged one, which stays with the outlet until destroyed."""
    state, holding, outlet = _enter(visit, command)
    require_tier(outlet, SAVINGS_BRANCH)
    require_open(command.account, state)
    old = rules.require_current(holding)
    rules.require_not_lost(old, store.load_newest_report(visit.tx, command.account), visit.now)
    rules.require_renewable(old, damaged=command.damaged)
    book = _take_blank(visit, outlet, command.passbook)
    store.write_states(visit.writes, [old], rules.REPLACED, outlet.outlet_no, visit.voucher_id)
    store.write_issued(visit.writes, book, holding, visit.today, visit.voucher_id)
    receipt = PassbookRenewed(**_given(visit, holding, book, outlet), replaced=old.passbook_no)
    changes = book_changes.put([old], rules.REPLACED, outlet.outlet_no)
    changed = facts_of(*changes, *book_changes.issued(book, holding, visit.today))
    visit.book(command, receipt, outlet, facts=changed)
    return receipt


def reissue(visit: Visit, command: ReissuePassbook) -> PassbookReissued:
    """A new book for a lost one, which is void from now on."""
    state, holding, outlet = _enter(visit, command)
    require_tier(outlet, SAVINGS_BRANCH)
    require_open(command.account, state)
    lost = rules.require_current(holding)
    newest = store.load_newest_report(visit.tx, command.account)
    report = rules.require_reissuable(command.account, newest, visit.now, visit.today)
    book = _take_blank(visit, outlet, command.passbook)
    store.write_states(visit.writes, [lost], rules.VOID, None, visit.voucher_id)
    store.write_issued(visit.writes, book, holding, visit.today, visit.voucher_id)
    store.write_report_settled(visit.writes, report, "reissued", visit.voucher_id)
    receipt = PassbookReissued(**_given(visit, holding, book, outlet), voided=lost.passbook_no)
    changes = book_changes.put([lost], rules.VOID)
    changed = facts_of(*changes, *book_changes.issued(book, holding, visit.today))
    visit.book(command, receipt, outlet, facts=changed)
    return receipt


def update(visit: Visit, command: UpdatePassbook) -> PassbookUpdated:
    """Print the lines not printed yet; a closed account's last lines make its book void."""
    state, holding, outlet = _enter(visit, command)
    rules.require_known(command.account, state)
    book = rules.require_current(holding)
    rules.require_not_lost(book, store.load_newest_report(visit.tx, command.account), visit.now)
    count = rules.decide_printing(book, holding.newest_line_no, command.lines_max)
    first = holding.next_line_no
    last = first + count - 1
    lines = store.list_lines(visit.tx, command.account, first, last)
    is_done = state == CLOSED and last == holding.newest_line_no
    changes: list[Change | Run] = []
    if lines or is_done:
        after = rules.VOID if is_done else book.state
        changes = book_changes.updated(book, last, after)
        store.write_lines_printed(visit.writes, book, last, after, visit.voucher_id)
    receipt = PassbookUpdated(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        passbook=book.passbook_no,
        lines=tuple(_printed(book, line, visit.tx.bank.scale) for line in lines),
        rows_left=book.rows_left - count,
        lines_left=holding.newest_line_no - last,
    )
    visit.book(command, receipt, outlet, facts=facts_of(*changes))
    return receipt


def _printed(book: Book, line: BookLine, scale: int) -> PrintedLine:
    page, row = book.place_of(line.line_no)
    return PrintedLine(
        page=page,
        row=row,
        line_no=line.line_no,
        day=line.day,
        kind=line.kind,
        amount=Points.of_units(line.amount, scale),
        balance=Points.of_units(line.balance, scale),
    )


# --- loss --------------------------------------------------------------------------------------


def report_loss(visit: Visit, command: ReportLoss) -> LossReported:
    """Freeze a book at once."""
    state, holding, outlet = _enter(visit, command)
    require_open(command.account, state)
    book = rules.require_current(holding)
    newest = store.load_newest_report(visit.tx, command.account)
    fate = rules.decide_earlier_report(book, newest, command.kind, visit.now)
    policy = visit.policies.in_force(PassbookRules, visit.today)[1]
    terms = rules.report_terms(command.kind, visit.today, visit.tx.bank.zone, policy)
    report_no = newest.report_no + 1 if newest else 1
    if newest and fate:
        store.write_report_settled(visit.writes, newest, fate, visit.voucher_id)
    row = (
        command.account, report_no, book.passbook_no, command.kind, "in_force", visit.now,
        *terms, visit.voucher_id, None,
    )  # fmt: skip
    store.write_report(visit.writes, row)
    write_touch(visit.writes, command.account)
    receipt = LossReported(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        passbook=book.passbook_no,
        report_no=report_no,
        kind=command.kind,
        lapses_at=terms[0],
        reissue_from_on=terms[1],
    )
    visit.book(command, receipt, outlet)
    return receipt


def lift_loss(visit: Visit, command: LiftLoss) -> LossLifted:
    """The book was found; it is in use as before."""
    state, _, outlet = _enter(visit, command)
    rules.require_known(command.account, state)
    newest = store.load_newest_report(visit.tx, command.account)
    report = rules.require_liftable(command.account, newest, visit.now)
    store.write_report_settled(visit.writes, report, "lifted", visit.voucher_id)
    write_touch(visit.writes, command.account)
    receipt = LossLifted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        passbook=report.passbook_no,
        report_no=report.report_no,
    )
    visit.book(command, receipt, outlet, reason=command.reason)
    return receipt


# --- what these acts share ---------------------------------------------------------------------

AtTheCounter = (
    IssuePassbook | RenewPassbook | ReissuePassbook | UpdatePassbook | ReportLoss | LiftLoss
)


def _enter(visit: Visit, command: AtTheCounter) -> tuple[str | None, Holding, OutletFacts]:
    """Lock the account; then the customer's state, the account's books, the outlet."""
    visit.lock([command.account])
    visit.enter(command, outlets_at=[command.outlet] if command.outlet else [])
    visit.go_by_accounts()  # a loss report lapses by the clock that all else goes by
    outlet = visit.outlet_for(command.act, command.outlet)
    state, holding = store.load_holding(visit.tx, command.account)
    return state, holding, outlet


def _take_blank(visit: Visit, outlet: OutletFacts, wanted: int | None) -> Book:
    """Lock a blank book of the outlet's stock and read it as it then stands."""
    number = wanted
    if wanted is None:
        number = store.take_lowest_blank(visit.tx, outlet.outlet_no)
    else:
        store.lock_blank(visit.tx, wanted, wanted)
    books = store.load_books(visit.tx, [number] if number is not None else [])
    return rules.require_blank_at(outlet, books[0] if books else None, wanted)


def _given(visit: Visit, holding: Holding, book: Book, outlet: OutletFacts) -> dict[str, Any]:
    """What the receipt says of a book that comes into a customer's hand."""
    return {
        "voucher_id": visit.voucher_uuid,
        "business_day": visit.today,
        "booked_at": visit.now,
        "account": holding.account_no,
        "passbook": book.passbook_no,
        "volume_no": holding.next_volume_no,
        "first_line_no": holding.next_line_no,
        "outlet": outlet.code,
    }
