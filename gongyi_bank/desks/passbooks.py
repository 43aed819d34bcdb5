"""The desk for passbooks: its acts, and what can be read about books and their stock."""

from __future__ import annotations

from collections.abc import Mapping

from gongyi_bank.arguments import require_flag
from gongyi_bank.commands.passbooks import (
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
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.display import Column, PassbookPage, PassbookRow, Table
from gongyi_bank.errors import InvalidValue, UnknownOutlet
from gongyi_bank.reports.words import TOTAL
from gongyi_bank.rules.passbooks import (
    BLANK,
    DESTROYED,
    IN_USE,
    REPLACED,
    SPOILED,
    VOID,
    Book,
    BookLine,
    require_current,
    require_known,
    summary_of,
)
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.service import passbooks
from gongyi_bank.store import passbooks as store
from gongyi_bank.store.customers import load_names
from gongyi_bank.store.ledger import load_moment
from gongyi_bank.store.outlets import load_all_outlets, load_outlets_by_no
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, clean_code, format_account_no, mask_name, parse_account_no

_LOST = "lost"
_STATE_TITLES = {
    BLANK: ("空白", "Blank"),
    IN_USE: ("在用", "In use"),
    _LOST: ("挂失", "Lost"),
    REPLACED: ("已换", "Replaced"),
    VOID: ("作废", "Void"),
    SPOILED: ("损坏", "Spoiled"),
    DESTROYED: ("已销毁", "Destroyed"),
}
_STOCK_COLUMNS = (
    Column("outlet", "网点", "Outlet", words=TOTAL),
    Column("name", "名称", "Name"),
    *(Column(key, zh, en, "right") for key, (zh, en) in _STATE_TITLES.items()),
    Column("printed", "合计", "Printed", "right"),
)
_BOOK_COLUMNS = (
    Column("volume", "册", "Volume", "right"),
    Column("serial", "存折号", "Serial"),
    Column("state", "状态", "State", words={zh: (zh, en) for zh, en in _STATE_TITLES.values()}),
    Column("issued_on", "发放日期", "Issued on"),
    Column("outlet", "网点", "Outlet"),
    Column("first_line", "首行", "First line", "right"),
    Column("printed_line", "已打至", "Printed to", "right"),
    Column("rows_left", "余行", "Rows left", "right"),
)


class PassbooksDesk(Desk):
    """存折: stock, and the books in the customers' hands."""

    print_stock = act(PrintStock, passbooks.print_stock)
    allot = act(AllotPassbooks, passbooks.allot)
    issue = act(IssuePassbook, passbooks.issue)
    update = act(UpdatePassbook, passbooks.update)
    renew = act(RenewPassbook, passbooks.renew)
    report_loss = act(ReportLoss, passbooks.report_loss)
    lift_loss = act(LiftLoss, passbooks.lift_loss)
    reissue = act(ReissuePassbook, passbooks.reissue)
    spoil = act(SpoilPassbook, passbooks.spoil)
    destroy = act(DestroyPassbooks, passbooks.destroy)

    def stock(self, outlet: str | None = None) -> Table:
        """Books by outlet and state, of the bank or of one outlet with all below it.

        Every book ever printed is counted once, at the outlet that has it or gave it out,
        so a row's states add up to its last column. Raises UnknownOutlet.
        """
        code = None if outlet is None else clean_code(outlet, field="outlet")
        return self._house.read(lambda tx: _stock(tx, code))

    def page(
        self, account: int | str, page_no: int | None = None, *, show_name: bool = False
    ) -> PassbookPage:
        """A page of the account's book in use, as far as it is printed; the newest by default.

        The holder's name is masked unless asked for. Raises UnknownCustomer, NoPassbook,
        and InvalidValue for a page that the book does not have.
        """
        account_no = parse_account_no(account)
        require_flag(show_name, field="show_name")
        return self._house.read(lambda tx: _page(tx, account_no, page_no, show_name=show_name))

    def of(self, account: int | str) -> Table:
        """The books that an account ever had, first to last. Raises UnknownCustomer."""
        account_no = parse_account_no(account)
        return self._house.read(lambda tx: _books(tx, account_no))


def _stock(tx: Transaction, code: str | None) -> Table:
    outlets = _chosen_outlets(tx, code)
    counts, lost = store.count_stock(tx), store.count_lost(tx, tx.clock())
    named, counted = [], []
    for facts in outlets:
        if facts.outlet_no in counts or facts.code == code:
            named.append((facts.code, facts.name))
            here = counts.get(facts.outlet_no, {})
            counted.append(_by_state(here, lost.get(facts.outlet_no, 0)))
    totals = [sum(column) for column in zip(*counted, strict=True)]
    named.append(("合计", ""))
    counted.append(totals or _by_state({}, 0))
    rows = [(*names, *cells) for names, cells in zip(named, counted, strict=True)]
    return Table(
        title="存折库存",
        title_en="Passbook stock",
        columns=_STOCK_COLUMNS,
        rows=tuple(rows),
    )


def _by_state(here: Mapping[str, int], lost: int) -> list[int]:
    """One count per state, those reported lost apart from those in use, and their sum."""
    states = dict(here) | {_LOST: lost, IN_USE: here.get(IN_USE, 0) - lost}
    cells = [states.get(state, 0) for state in _STATE_TITLES]
    return [*cells, sum(cells)]


def _chosen_outlets(tx: Transaction, code: str | None) -> list[OutletFacts]:
    """All outlets, or the one asked for with those below it."""
    outlets = list(load_all_outlets(tx).values())
    if code is None:
        return outlets
    top = next((facts for facts in outlets if facts.code == code), None)
    if top is None:
        raise UnknownOutlet(outlet=code)
    return [facts for facts in outlets if facts.lies_within(top.outlet_no, top.tier)]


def _page(
    tx: Transaction, account_no: int, page_no: int | None, *, show_name: bool
) -> PassbookPage:
    state, holding = store.load_holding(tx, account_no)
    require_known(account_no, state)
    book = require_current(holding)
    page_no = book.newest_page_no if page_no is None else page_no
    if type(page_no) is not int or not 1 <= page_no <= book.pages:
        raise InvalidValue.of("page_no", page_no, f"the book has pages 1 to {book.pages}")
    name = load_names(tx, [account_no]).get(account_no, "")
    lines = store.list_lines(tx, account_no, *book.lines_on(page_no))
    return PassbookPage(
        serial=book.serial,
        holder=name if show_name else mask_name(name),
        account=format_account_no(account_no),
        page_no=page_no,
        rows=tuple(_row(book, line, tx.bank.scale) for line in lines),
        rows_per_page=book.rows_per_page,
        bank=tx.bank.name,
    )


def _row(book: Book, line: BookLine, scale: int) -> PassbookRow:
    points = Points.of_units(abs(line.amount), scale)
    return PassbookRow(
        row_no=book.place_of(line.line_no)[1],
        day=line.day,
        summary=summary_of(line.kind, line.value_on, line.day),
        credit=points if line.amount > 0 else None,
        debit=points if line.amount < 0 else None,
        balance=Points.of_units(line.balance, scale),
        outlet=line.outlet,
    )


def _books(tx: Transaction, account_no: int) -> Table:
    state, holding = store.load_holding(tx, account_no)
    require_known(account_no, state)
    outlets = load_outlets_by_no(tx, [book.outlet_no for book in holding.books])
    now = load_moment(tx, [account_no])
    lost = store.load_frozen(tx, [account_no], now).get(account_no)
    rows = []
    for book in holding.books:
        shown = _LOST if book.passbook_no == lost else book.state
        rows.append((
            book.volume_no, book.serial, _STATE_TITLES[shown][0], book.issued_on,
            outlets[book.outlet_no].code, book.first_line_no, book.printed_line_no,
            book.rows_left,
        ))  # fmt: skip
    return Table(
        title=f"账户 {format_account_no(account_no)} 的存折",
        title_en=f"Passbooks of account {format_account_no(account_no)}",
        columns=_BOOK_COLUMNS,
        rows=tuple(rows),
    )
