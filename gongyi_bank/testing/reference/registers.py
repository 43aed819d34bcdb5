"""名册 in the reference: outlets, people, policies, customers' records, passbooks, closings."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from gongyi_bank.arguments import require_flag
from gongyi_bank.display import PassbookPage, PassbookRow, Table
from gongyi_bank.errors import InvalidValue, UnknownCustomer
from gongyi_bank.policies import PolicyBook
from gongyi_bank.rules.outlets import TIER_NAMES
from gongyi_bank.rules.passbooks import (
    BLANK,
    DESTROYED,
    IN_USE,
    REPLACED,
    SPOILED,
    VOID,
    Book,
    Holding,
    require_current,
    require_known,
    summary_of,
)
from gongyi_bank.testing.arguments import require_whole
from gongyi_bank.testing.reference.books import WAITING
from gongyi_bank.testing.reference.looking import Look, below, table_of
from gongyi_bank.testing.reference.rows import HourRecord, Line
from gongyi_bank.values import clean_code, format_account_no, mask_name, parse_account_no

_ROWS_MAX: Final = 1000
#: More records than an account can have.
_BEYOND: Final = 2**62
_RECORD = (
    "account record_no ref state outlet category project started_at ended_at minutes points"
    " client_rating"
)
_LOST: Final = "lost"
#: The states of a book as tables of the bank have them, and their words where it shows these.
_BOOK_STATES: Final = {
    BLANK: "空白", IN_USE: "在用", _LOST: "挂失", REPLACED: "已换", VOID: "作废", SPOILED: "损坏",
    DESTROYED: "已销毁",
}  # fmt: skip


# --- the house -------------------------------------------------------------------------------


def outlet_tree(look: Look, outlet: str | None = None) -> Table:
    """An outlet with everything below it. Raises UnknownOutlet."""
    codes = {number: one.code for number, one in look.books.outlets.items()}
    rows = (
        (
            one.code, one.name, TIER_NAMES[one.tier], codes.get(one.parent_no or 0, ""),
            look.books.settings[one.outlet_no], "open" if one.is_open else "closed",
        )
        for one in below(look, outlet)
    )  # fmt: skip
    return table_of("outlets.tree", "code name tier parent setting state", rows)


def staff_roles(look: Look, *, ended: bool = False) -> Table:
    """Who has which role where; those that have ended too if asked for."""
    require_flag(ended, field="ended")
    stores = {one.store_no: one.code for one in look.books.stores.values()}
    given = sorted(
        (role.facts.outlet_no, person.staff_no, role.role_no, person, role)
        for person in look.books.people.values()
        for role in (person.roles if ended else person.in_force)
    )
    rows = (
        (
            person.code, role.facts.role, look.books.outlets[outlet_no].code,
            stores.get(role.facts.store_no or 0, ""), role.since_on, role.ended_on or "",
        )
        for outlet_no, _, _, person, role in given
    )  # fmt: skip
    return table_of("staff.roles", "staff role outlet store since_on ended_on", rows)


def policy_book(look: Look) -> PolicyBook:
    """Every policy ever adopted."""
    return look.books.policy_book()


# --- customers and their hours ---------------------------------------------------------------


def account_of(look: Look, ref: str) -> int:
    """The account registered under an external reference. Raises UnknownCustomer."""
    found = look.books.customer_of_ref(clean_code(ref, field="ref", length_max=100))
    if found is None:
        raise UnknownCustomer(account=ref)
    return found.account_no


def waiting_records(look: Look, outlet: str | None = None) -> Table:
    """What waits for an approval in an outlet's subtree, oldest service first."""
    places = {one.outlet_no for one in below(look, outlet)}
    every = (one for kept in look.books.records.values() for one in kept)
    found = [one for one in every if one.outlet_no in places and one.state in WAITING]
    found.sort(key=lambda one: (one.started_at, one.account_no, one.record_no))
    return table_of("hours.waiting", _RECORD, (_record(look, one) for one in found))


def records_of(
    look: Look, account: int | str, *, before: int | None = None, newest: int = 50
) -> Table:
    """An account's hour records, newest first. Raises UnknownCustomer."""
    number = parse_account_no(account)
    require_whole("newest", newest, 1, _ROWS_MAX)
    if before is not None and (type(before) is not int or not 1 <= before <= _BEYOND):
        raise InvalidValue.of("before", before, "the number of a record")
    if number not in look.books.customers:
        raise UnknownCustomer(account=number)
    kept = look.books.records.get(number, ())
    found = [one for one in reversed(kept) if before is None or one.record_no < before]
    return table_of("hours.of", _RECORD, (_record(look, one) for one in found[:newest]))


def _record(look: Look, one: HourRecord) -> tuple[Any, ...]:
    times = (f"{look.local(moment):%Y-%m-%d %H:%M}" for moment in (one.started_at, one.ended_at))
    return (
        format_account_no(one.account_no), one.record_no, one.ref or "", one.state,
        look.books.outlets[one.outlet_no].code, one.category or "", one.project or "", *times,
        one.minutes, look.points(one.points), one.client_rating or "",
    )  # fmt: skip


# --- passbooks and closings ------------------------------------------------------------------


def stock(look: Look, outlet: str | None = None) -> Table:
    """Books by outlet and state, of the bank or of one outlet with all below it."""
    code = None if outlet is None else clean_code(outlet, field="outlet")
    counts = Counter((one.outlet_no, _state_now(look, one)) for one in _books(look))
    rows: list[tuple[Any, ...]] = []
    for place in below(look, code):
        cells = [counts[place.outlet_no, state] for state in _BOOK_STATES]
        if any(cells) or place.code == code:
            rows.append((place.code, place.name, *cells, sum(cells)))
    sums = [sum(row[number] for row in rows) for number in range(2, 3 + len(_BOOK_STATES))]
    keys = " ".join(("outlet", "name", *_BOOK_STATES, "printed"))
    return table_of("passbooks.stock", keys, [*rows, ("合计", "", *sums)])


def books_of(look: Look, account: int | str) -> Table:
    """The books that an account ever had, first to last. Raises UnknownCustomer."""
    number = parse_account_no(account)
    customer = look.books.customers.get(number)
    require_known(number, customer.state if customer else None)
    lost = look.books.frozen([number], look.moment_of(number)).get(number)
    rows = (
        (
            one.volume_no, one.serial,
            _BOOK_STATES[_LOST if one.passbook_no == lost else one.state], one.issued_on,
            look.books.outlets[one.outlet_no].code, one.first_line_no, one.printed_line_no,
            one.rows_left,
        )
        for one in sorted(_books(look), key=lambda one: one.volume_no or 0)
        if one.account_no == number
    )  # fmt: skip
    keys = "volume serial state issued_on outlet first_line printed_line rows_left"
    return table_of("passbooks.of", keys, rows)


def page(
    look: Look, account: int | str, page_no: int | None = None, *, show_name: bool = False
) -> PassbookPage:
    """A page of the account's book in use, as far as it is printed; the newest by default."""
    number = parse_account_no(account)
    require_flag(show_name, field="show_name")
    customer = look.books.customers.get(number)
    require_known(number, customer.state if customer else None)
    mine = tuple(one for one in _books(look) if one.account_no == number)
    book = require_current(Holding(number, mine, len(look.books.lines[number])))
    shown_no = book.newest_page_no if page_no is None else page_no
    if type(shown_no) is not int or not 1 <= shown_no <= book.pages:
        raise InvalidValue.of("page_no", shown_no, f"the book has pages 1 to {book.pages}")
    printed = look.books.lines[number][(book.first_line_no or 1) - 1 : book.printed_line_no]
    first = (shown_no - 1) * book.rows_per_page
    rows = enumerate(printed[first : first + book.rows_per_page], start=1)
    name = customer.name if customer else ""
    return PassbookPage(
        serial=book.serial,
        holder=name if show_name else mask_name(name),
        account=format_account_no(number),
        page_no=shown_no,
        rows=tuple(_printed(look, row_no, line) for row_no, line in rows),
        rows_per_page=book.rows_per_page,
        bank=look.bank.name,
    )


def _printed(look: Look, row_no: int, line: Line) -> PassbookRow:
    points = look.points(abs(line.amount))
    return PassbookRow(
        row_no=row_no,
        day=line.business_day,
        summary=summary_of(line.kind, line.value_on, line.business_day),
        credit=points if line.amount > 0 else None,
        debit=points if line.amount < 0 else None,
        balance=look.points(line.credited_after - line.debited_after),
        outlet=look.books.outlets[line.outlet_no].code,
    )


def _books(look: Look) -> list[Book]:
    return list(look.books.passbooks.values())


def _state_now(look: Look, one: Book) -> str:
    """The state of a book in the stock, where a book in use may be reported lost."""
    if one.state != IN_USE or one.account_no is None:
        return one.state
    lost = look.books.frozen([one.account_no], look.now).get(one.account_no)
    return _LOST if lost == one.passbook_no else one.state


def closings(look: Look, outlet: str | None = None, *, newest: int = 50) -> Table:
    """The newest closings of the bank, or of an outlet and everything below it."""
    require_whole("newest", newest, 1, _ROWS_MAX)
    places = {place.outlet_no: place for place in below(look, outlet)}
    found = [one for one in look.books.closings.values() if one.outlet_no in places]
    found.sort(key=lambda one: one.closing_no, reverse=True)
    rows = (
        (
            one.closing_no, places[one.outlet_no].code, places[one.outlet_no].name, one.kind,
            one.first_on, one.last_on, one.state,
        )
        for one in found[:newest]
    )  # fmt: skip
    return table_of(
        "closings.register", "closing_no outlet outlet_name kind first_on last_on state", rows
    )
