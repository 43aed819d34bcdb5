"""名册: lists of what there is, for people: outlets, staff, hour records, references."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gongyi_bank.display import Column, Table
from gongyi_bank.errors import InvalidValue, UnknownCustomer, UnknownOutlet
from gongyi_bank.reports.words import OUTLET_STATES, RECORD_STATES, ROLES
from gongyi_bank.rules.outlets import TIER_NAMES
from gongyi_bank.store import hours, outlets, staff
from gongyi_bank.store.customers import ask_stored_by_ref
from gongyi_bank.store.outlets import load_head_office
from gongyi_bank.store.transaction import Rows, Transaction
from gongyi_bank.values import Points, clean_code, format_account_no, parse_account_no

#: Records in one list at the most.
RECORDS_MAX = 1000
#: Above the number of any record.
_BEYOND = 2**62
_OUTLET_COLUMNS = (
    Column("code", "代码", "Code"),
    Column("name", "名称", "Name"),
    Column("tier", "层级", "Tier", words=OUTLET_STATES),
    Column("parent", "上级", "Parent"),
    Column("setting", "城乡", "Setting", words=OUTLET_STATES),
    Column("state", "状态", "State", words=OUTLET_STATES),
)
_ROLE_COLUMNS = (
    Column("staff", "人员", "Staff"),
    Column("role", "岗位", "Role", words=ROLES),
    Column("outlet", "网点", "Outlet"),
    Column("store", "商家", "Store"),
    Column("since_on", "自", "Since"),
    Column("ended_on", "至", "Until"),
)
_RECORD_COLUMNS = (
    Column("account", "账号", "Account"),
    Column("record_no", "记录号", "Record", "right"),
    Column("ref", "外部编号", "Reference"),
    Column("state", "状态", "State", words=RECORD_STATES),
    Column("outlet", "网点", "Outlet"),
    Column("category", "类别", "Category"),
    Column("project", "项目", "Project"),
    Column("started_at", "开始", "Start"),
    Column("ended_at", "结束", "End"),
    Column("minutes", "分钟", "Minutes", "right"),
    Column("points", "积分", "Points", "right"),
    Column("client_rating", "评价", "Rating", "right"),
)


def outlet_tree(tx: Transaction, code: str | None) -> Table:
    """An outlet with everything below it, the whole bank by default; one query."""
    top = load_head_office(tx).code if code is None else clean_code(code, field="outlet")
    found = outlets.list_subtree(tx, top)
    if not found:
        raise UnknownOutlet(outlet=top)
    rows = tuple(
        (own, name, TIER_NAMES[tier], parent or "", setting, state)
        for _, own, name, tier, parent, setting, state in found
    )
    return Table(title=f"网点 {top}", title_en=f"Outlets {top}", columns=_OUTLET_COLUMNS, rows=rows)


def staff_roles(tx: Transaction, *, ended: bool) -> Table:
    """Who has which role where; those that have ended too if asked for."""
    rows = tuple(
        (code, role, outlet, store or "", since_on, ended_on or "")
        for code, role, outlet, store, since_on, ended_on in staff.list_roles(tx)
        if ended or ended_on is None
    )
    return Table(title="岗位", title_en="Roles", columns=_ROLE_COLUMNS, rows=rows)


def waiting_records(tx: Transaction, code: str | None) -> Table:
    """What waits for an approval in an outlet's subtree, oldest service first."""
    top = load_head_office(tx).code if code is None else clean_code(code, field="outlet")
    found = outlets.list_subtree(tx, top)
    if not found:
        raise UnknownOutlet(outlet=top)
    listed = hours.list_waiting(tx, [row[0] for row in found])
    return _records((f"待批 {top}", f"Waiting {top}"), listed, tx)


def records_of(tx: Transaction, account: int | str, before: int | None, newest: int) -> Table:
    """An account's hour records, newest first. Raises UnknownCustomer."""
    account_no = parse_account_no(account)
    if type(newest) is not int or not 1 <= newest <= RECORDS_MAX:
        raise InvalidValue.of("newest", newest, f"a whole number from 1 to {RECORDS_MAX}")
    if before is not None and (type(before) is not int or not 1 <= before <= _BEYOND):
        raise InvalidValue.of("before", before, "the number of a record")
    if account_no not in tx.look(hours.ask_customers([account_no])):
        raise UnknownCustomer(account=account_no)
    listed = hours.list_records(tx, account_no, before or _BEYOND, newest)
    shown = format_account_no(account_no)
    return _records((f"服务记录 {shown}", f"Hour records {shown}"), listed, tx)


def _records(titles: tuple[str, str], listed: Rows, tx: Transaction) -> Table:
    zone, scale = tx.bank.zone, tx.bank.scale
    rows = tuple(_record(row, zone, scale) for row in listed)
    return Table(title=titles[0], title_en=titles[1], columns=_RECORD_COLUMNS, rows=rows)


def _record(row: tuple[object, ...], zone: ZoneInfo, scale: int) -> tuple[object, ...]:
    account_no, record_no, ref, state, outlet, category, project, start, end, *rest = row
    minutes, points, rating = rest
    assert isinstance(account_no, int)
    assert isinstance(points, int)
    times = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" for moment in (start, end))  # type: ignore[attr-defined]
    return (
        format_account_no(account_no), record_no, ref or "", state, outlet, category or "",
        project or "", *times, minutes, Points.of_units(points, scale), rating or "",
    )  # fmt: skip


def account_of(tx: Transaction, ref: str) -> int:
    """The account registered under an external reference. Raises UnknownCustomer."""
    ref = clean_code(ref, field="ref", length_max=100)
    found = tx.look(ask_stored_by_ref([ref])).get(ref)
    if found is None:
        raise UnknownCustomer(account=ref)
    return found.account_no
