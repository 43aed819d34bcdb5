"""存折: printing, allotting, issuing, updating, renewing, losing and destroying books."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
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
from gongyi_bank.rules import passbooks as rules
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.customers import CLOSED, require_open
from gongyi_bank.rules.outlets import SAVINGS_BRANCH, require_tier
from gongyi_bank.rules.passbooks import Book, Holding, LossReport
from gongyi_bank.rules.staff import OutletFacts, require_permission, require_second_person
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.rows import Line
from gongyi_bank.values import Points, compose_passbook_no, format_passbook_no

# --- stock -----------------------------------------------------------------------------------


def print_stock(visit: Visit, command: PrintStock) -> StockPrinted:
    """Print blank books; their size is the policy's and stays with them."""
    visit.enter(command)
    head_office = visit.books.head_office
    require_permission(visit.staff, command.act, head_office)
    size = visit.policies.in_force(PassbookRules, visit.today)[1]
    first = len(visit.books.passbooks) + 1  # without gaps, unlike other numbers
    numbers = [compose_passbook_no(index) for index in range(first, first + command.count)]
    for number in numbers:
        blank = Book(number, rules.BLANK, head_office.outlet_no, size.pages, size.rows_per_page)
        visit.books.passbooks[number] = blank
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
    visit.book(command, receipt, head_office)
    return receipt


def allot(visit: Visit, command: AllotPassbooks) -> StockAllotted:
    """Hand a range of blank books to an outlet directly below; the giving outlet handles it."""
    books = visit.books.passbooks
    numbers = rules.numbers_between(command.first, command.last, count_max=BOOKS_MAX)
    visit.enter(command, outlets_at=[command.target])
    target = require_open_outlet(visit.outlets, command.target)
    source = visit.books.outlets[rules.require_below(target)]
    require_permission(visit.staff, command.act, source)
    wanted = [book for no, book in books.items() if command.first <= no <= command.last]
    found = Counter((book.state, book.outlet_no) for book in wanted)
    rules.require_allottable(source, numbers, dict(found))
    for book in wanted:
        books[book.passbook_no] = replace(book, outlet_no=target.outlet_no)
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
    visit.book(command, receipt, source)
    return receipt


def spoil(visit: Visit, command: SpoilPassbook) -> PassbookSpoiled:
    """Take a blank book out of use; the outlet that has it handles it."""
    visit.enter(command)
    book = visit.books.passbooks.get(command.passbook)
    if book is None:
        raise UnknownPassbook(serial=format_passbook_no(command.passbook))
    outlet = visit.books.outlets[book.outlet_no]
    require_permission(visit.staff, command.act, outlet)
    rules.require_state(book, (rules.BLANK,), command.act)
    visit.books.passbooks[book.passbook_no] = replace(book, state=rules.SPOILED)
    receipt = PassbookSpoiled(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        passbook=book.passbook_no,
        outlet=outlet.code,
    )
    visit.book(command, receipt, outlet, reason=command.reason)
    return receipt


def destroy(visit: Visit, command: DestroyPassbooks) -> PassbooksDestroyed:
    """Destroy books out of use; maker and checker must cover every outlet they lie at."""
    books = visit.books.passbooks
    numbers = _numbers_to_destroy(command)
    visit.enter(command, people=[command.second_person])
    handled_at = visit.outlet_for(command.act, None)
    found = [books[number] for number in numbers if number in books]
    checker = visit.people.get(command.second_person)
    for outlet_no in sorted({book.outlet_no for book in found}):
        outlet = visit.books.outlets[outlet_no]
        require_permission(visit.staff, command.act, outlet)
        require_second_person(command.act, visit.staff, checker, command.second_person, outlet)
    rules.require_destroyable(found, numbers)
    for book in found:
        books[book.passbook_no] = replace(book, state=rules.DESTROYED)
    receipt = PassbooksDestroyed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        count=len(numbers),
        passbooks=tuple(numbers),
    )
    visit.book(command, receipt, handled_at, second=checker, reason=command.reason)
    return receipt


def _numbers_to_destroy(command: DestroyPassbooks) -> list[int]:
    """The books of the range or of the list, ascending and each once."""
    first, last, listed = command.first, command.last, command.passbooks
    if listed is not None and first is None and last is None:
        return sorted(set(listed))
    if listed is None and first is not None and last is not None:
        return rules.numbers_between(first, last, count_max=DESTROYED_MAX)
    raise InvalidValue.of("passbooks", None, "give either first and last, or a list")


# --- the customer's book -----------------------------------------------------------------------


def issue(visit: Visit, command: IssuePassbook) -> PassbookIssued:
    """Give an account its first book."""
    state, holding, outlet = _enter(visit, command)
    require_tier(outlet, SAVINGS_BRANCH)
    require_open(command.account, state)
    rules.require_none_in_use(holding)
    book = _take_blank(visit, outlet, command.passbook)
    receipt = PassbookIssued(**_give(visit, holding, book, outlet))
    visit.book(command, receipt, outlet)
    return receipt


def renew(visit: Visit, command: RenewPassbook) -> PassbookRenewed:
    """A new book for a full or damaged one, which stays with the outlet until destroyed."""
    state, holding, outlet = _enter(visit, command)
    require_tier(outlet, SAVINGS_BRANCH)
    require_open(command.account, state)
    old = rules.require_current(holding)
    rules.require_not_lost(old, visit.books.newest_report(command.account), visit.now)
    rules.require_renewable(old, damaged=command.damaged)
    book = _take_blank(visit, outlet, command.passbook)
    replaced = replace(old, state=rules.REPLACED, outlet_no=outlet.outlet_no)
    visit.books.passbooks[old.passbook_no] = replaced
    given = _give(visit, holding, book, outlet)
    receipt = PassbookRenewed(**given, replaced=old.passbook_no)
    visit.book(command, receipt, outlet)
    return receipt


def reissue(visit: Visit, command: ReissuePassbook) -> PassbookReissued:
    """A new book for a lost one, which is void from now on."""
    state, holding, outlet = _enter(visit, command)
    require_tier(outlet, SAVINGS_BRANCH)
    require_open(command.account, state)
    lost = rules.require_current(holding)
    newest = visit.books.newest_report(command.account)
    report = rules.require_reissuable(command.account, newest, visit.now, visit.today)
    book = _take_blank(visit, outlet, command.passbook)
    visit.books.passbooks[lost.passbook_no] = replace(lost, state=rules.VOID)
    _settle_report(visit, report, "reissued")
    given = _give(visit, holding, book, outlet)
    receipt = PassbookReissued(**given, voided=lost.passbook_no)
    visit.book(command, receipt, outlet)
    return receipt


def update(visit: Visit, command: UpdatePassbook) -> PassbookUpdated:
    """Print the lines not printed yet; a closed account's last lines make its book void."""
    state, holding, outlet = _enter(visit, command)
    rules.require_known(command.account, state)
    book = rules.require_current(holding)
    rules.require_not_lost(book, visit.books.newest_report(command.account), visit.now)
    count = rules.decide_printing(book, holding.newest_line_no, command.lines_max)
    last = holding.next_line_no + count - 1
    lines = visit.books.lines[command.account][holding.next_line_no - 1 : last]
    is_done = state == CLOSED and last == holding.newest_line_no
    visit.books.passbooks[book.passbook_no] = replace(
        book, printed_line_no=last, state=rules.VOID if is_done else book.state
    )
    receipt = PassbookUpdated(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        passbook=book.passbook_no,
        lines=tuple(_printed(book, line, visit.bank.scale) for line in lines),
        rows_left=book.rows_left - count,
        lines_left=holding.newest_line_no - last,
    )
    visit.book(command, receipt, outlet)
    return receipt


def _printed(book: Book, line: Line, scale: int) -> PrintedLine:
    page, row = book.place_of(line.line_no)
    return PrintedLine(
        page=page,
        row=row,
        line_no=line.line_no,
        day=line.business_day,
        kind=line.kind,
        amount=Points.of_units(line.amount, scale),
        balance=Points.of_units(line.credited_after - line.debited_after, scale),
    )


# --- loss --------------------------------------------------------------------------------------


def report_loss(visit: Visit, command: ReportLoss) -> LossReported:
    """Freeze a book at once."""
    account_no, kept = command.account, visit.books.loss_reports
    state, holding, outlet = _enter(visit, command)
    require_open(account_no, state)
    book = rules.require_current(holding)
    newest = visit.books.newest_report(account_no)
    fate = rules.decide_earlier_report(book, newest, command.kind, visit.now)
    if newest is not None and fate is not None:
        _settle_report(visit, newest, fate)
    policy = visit.policies.in_force(PassbookRules, visit.today)[1]
    terms = rules.report_terms(command.kind, visit.today, visit.bank.zone, policy)
    reports = kept.get(account_no, ())
    report = LossReport(
        account_no, len(reports) + 1, book.passbook_no, command.kind, "in_force", *terms
    )
    kept[account_no] = (*reports, report)
    receipt = LossReported(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=account_no,
        passbook=book.passbook_no,
        report_no=report.report_no,
        kind=command.kind,
        lapses_at=report.lapses_at,
        reissue_from_on=report.reissue_from_on,
    )
    visit.book(command, receipt, outlet)
    return receipt


def lift_loss(visit: Visit, command: LiftLoss) -> LossLifted:
    """The book was found; it is in use as before."""
    state, _, outlet = _enter(visit, command)
    rules.require_known(command.account, state)
    newest = visit.books.newest_report(command.account)
    report = rules.require_liftable(command.account, newest, visit.now)
    _settle_report(visit, report, "lifted")
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


def _settle_report(visit: Visit, report: LossReport, state: str) -> None:
    """Say what became of the account's newest report."""
    *earlier, _ = visit.books.loss_reports[report.account_no]
    visit.books.loss_reports[report.account_no] = (*earlier, replace(report, state=state))


# --- what these acts share ---------------------------------------------------------------------

AtTheCounter = (
    IssuePassbook | RenewPassbook | ReissuePassbook | UpdatePassbook | ReportLoss | LiftLoss
)


def _enter(visit: Visit, command: AtTheCounter) -> tuple[str | None, Holding, OutletFacts]:
    """The customer's state, the account's books, and the outlet that handles it."""
    visit.enter(command, outlets_at=[command.outlet] if command.outlet else [])
    visit.go_by_accounts([command.account])
    outlet = visit.outlet_for(command.act, command.outlet)
    state = visit.books.states([command.account]).get(command.account)
    return state, holding_of(visit.books, command.account), outlet


def holding_of(books: Books, account_no: int) -> Holding:
    """An account's books in the order in which it had them."""
    mine = [book for book in books.passbooks.values() if book.account_no == account_no]
    mine.sort(key=lambda book: book.volume_no or 0)
    return Holding(account_no, tuple(mine), len(books.lines.get(account_no, ())))


def _take_blank(visit: Visit, outlet: OutletFacts, wanted: int | None) -> Book:
    """A blank book of the outlet's stock: the one asked for, or the lowest number."""
    books = visit.books.passbooks
    if wanted is not None:
        return rules.require_blank_at(outlet, books.get(wanted), wanted)
    here = [
        book.passbook_no
        for book in books.values()
        if (book.state, book.outlet_no) == (rules.BLANK, outlet.outlet_no)
    ]
    return rules.require_blank_at(outlet, books[min(here)] if here else None, None)


def _give(visit: Visit, holding: Holding, book: Book, outlet: OutletFacts) -> dict[str, Any]:
    """Put a blank book into a customer's hand, and what the receipt says of it."""
    first = holding.next_line_no
    given = replace(
        book,
        state=rules.IN_USE,
        account_no=holding.account_no,
        volume_no=holding.next_volume_no,
        issued_on=visit.today,
        first_line_no=first,
        printed_line_no=first - 1,
    )
    visit.books.passbooks[book.passbook_no] = given
    return {
        "voucher_id": visit.voucher_uuid,
        "business_day": visit.today,
        "booked_at": visit.now,
        "account": holding.account_no,
        "passbook": book.passbook_no,
        "volume_no": given.volume_no,
        "first_line_no": first,
        "outlet": outlet.code,
    }


ACTS: Acts = {
    PrintStock: print_stock,
    AllotPassbooks: allot,
    IssuePassbook: issue,
    UpdatePassbook: update,
    RenewPassbook: renew,
    ReissuePassbook: reissue,
    ReportLoss: report_loss,
    LiftLoss: lift_loss,
    SpoilPassbook: spoil,
    DestroyPassbooks: destroy,
}
