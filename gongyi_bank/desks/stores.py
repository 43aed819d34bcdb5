"""Desks about 爱心联盟: partner stores with their offers, and what is redeemed there."""

from __future__ import annotations

from uuid import UUID

from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.commands.redemptions import (
    Capture,
    Extend,
    Redeem,
    RedeemMany,
    Release,
    Reserve,
)
from gongyi_bank.commands.refunds import RefundGoods
from gongyi_bank.commands.stores import (
    LeaveAlliance,
    PublishOffers,
    RecruitStores,
    Restock,
    WithdrawOffer,
)
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.display import Column, Table
from gongyi_bank.errors import InvalidValue, UnknownStore
from gongyi_bank.reports.words import REDEMPTION_STATES
from gongyi_bank.rules.redemptions import LAPSED, RESERVED
from gongyi_bank.service import redemptions, refunds, reservations, stores
from gongyi_bank.store import redemptions as redemption_store
from gongyi_bank.store import stores as store
from gongyi_bank.store.ledger import load_moments
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, clean_code, format_account_no, parse_account_no

_STORE = Column("store", "商家", "Store")
_SKU = Column("sku", "货号", "Article")
_NAME = Column("name", "品名", "Name")
_QUANTITY = Column("quantity", "数量", "Pieces", "right")
_POINTS = Column("points", "积分", "Points", "right")
_STATE = Column("state", "状态", "State", words=REDEMPTION_STATES)
_ID = Column("redemption_id", "兑换编号", "Redemption")


class StoresDesk(Desk):
    """商家: who is in the alliance, and what they offer."""

    recruit = act(RecruitStores, stores.recruit)
    leave = act(LeaveAlliance, stores.leave)
    publish_offers = act(PublishOffers, stores.publish_offers)
    restock = act(Restock, stores.restock)
    withdraw_offer = act(WithdrawOffer, stores.withdraw_offer)

    def offers(self, store: str | None = None) -> Table:
        """What the stores, or one of them, offer, and how many pieces are free and reserved.

        Raises UnknownStore.
        """
        return self._house.read(lambda tx: _offers(tx, store))


class RedemptionsDesk(Desk):
    """兑换: goods for points, at once or by reservation."""

    redeem = act(Redeem, redemptions.redeem)
    redeem_many = act(RedeemMany, redemptions.redeem_many)
    reserve = act(Reserve, redemptions.reserve)
    capture = act(Capture, reservations.capture)
    extend = act(Extend, reservations.extend)
    release = act(Release, reservations.release)
    refund = act(RefundGoods, refunds.refund)

    def of(self, account: int | str, *, count_max: int = 100) -> Table:
        """An account's newest redemptions and reservations, newest first."""
        if type(count_max) is not int or not 1 <= count_max <= ROWS_MAX:
            raise InvalidValue.of("count_max", count_max, f"a whole number from 1 to {ROWS_MAX}")
        number = parse_account_no(account)
        return self._house.read(lambda tx: _of_account(tx, number, count_max))

    def reserved(self, store: str | None = None, *, account: int | str | None = None) -> Table:
        """What is put aside, first deadline first; `lapsed` where only the sweep is missing."""
        number = None if account is None else parse_account_no(account)
        code = None if store is None else clean_code(store, field="store")
        return self._house.read(lambda tx: _reserved(tx, code, number))


def _offers(tx: Transaction, code: str | None) -> Table:
    code = None if code is None else clean_code(code, field="store")
    if code is not None and not store.load_store_numbers(tx, [code]):
        raise UnknownStore(store=code)
    columns = (
        _STORE, Column("store_name", "商家名称", "Store name"), _SKU, _NAME, _POINTS,
        Column("stock", "可兑换", "Free", "right"),
        Column("reserved", "已预约", "Reserved", "right"), _STATE,
    )  # fmt: skip
    scale = tx.bank.scale
    rows = tuple(
        (*row[:4], Points.of_units(row[4], scale), *row[5:]) for row in store.list_offers(tx, code)
    )
    return Table(title="爱心联盟兑换品", title_en="Offers", columns=columns, rows=rows)


def _of_account(tx: Transaction, account_no: int, count_max: int) -> Table:
    columns = (
        _ID, Column("redeemed_on", "日期", "Day"), _STORE, _SKU, _NAME, _QUANTITY, _POINTS, _STATE,
        Column("line_no", "行号", "Line", "right"),
    )  # fmt: skip
    scale = tx.bank.scale
    rows = tuple(
        (UUID(bytes=row[0]), *row[1:6], Points.of_units(row[6], scale), *row[7:])
        for row in redemption_store.list_of_account(tx, account_no, count_max)
    )
    shown = format_account_no(account_no)
    return Table(
        title=f"账户 {shown} 兑换",
        title_en=f"Redemptions of account {shown}",
        columns=columns,
        rows=rows,
    )


def _reserved(tx: Transaction, code: str | None, account_no: int | None) -> Table:
    columns = (
        _ID, Column("deadline_at", "到期", "Deadline"),
        Column("account", "账号", "Account", "right"),
        _STORE, _SKU, _NAME, _QUANTITY, _POINTS, _STATE,
    )  # fmt: skip
    zone, scale = tx.bank.zone, tx.bank.scale
    found = [
        row for row in redemption_store.list_reserved(tx)
        if code in (None, row[3]) and account_no in (None, row[2])
    ]  # fmt: skip
    now = load_moments(tx, (row[2] for row in found))
    rows = tuple(
        (
            UUID(bytes=row[0]), row[1].astimezone(zone), *row[2:7], Points.of_units(row[7], scale),
            LAPSED if now[row[2]] >= row[1] else RESERVED,
        )
        for row in found
    )  # fmt: skip
    return Table(title="预约兑换", title_en="Reserved", columns=columns, rows=rows)
