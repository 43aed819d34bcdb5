"""What every refusal of the table tells whoever reads it: its facts, to the letter.

A program reads a refusal by its facts, and a person's sentence is made of them. Of an id it is
only told that it is one; how each refusal comes about is in tests/refusals.py.
"""

from __future__ import annotations

import re
from uuid import UUID

from gongyi_bank.errors import GongyiBankError

#: By code: the name of each fact, and what it says in text. Those that are not here have none.
_TOLD = """
account_closed: account 100300000016
account_frozen: account 100300000016
account_not_dormant: account 100300000016; why it is active
account_not_empty: account 100300000016; left balance 4.00
account_not_frozen: account 100300000016
already_registered: what 证件 identity document; account 100300000016
bank_exists: bank 雁江
closing_unfinished: outlet H; kind day; through 2022-10-15
code_taken: what 网点 outlet; taken B01
day_closed: outlet B01S01; day 2022-10-15
four_eyes: act hours.record; staff T1
gifted_points_stay: account 100300000024; gifted 1.00
goods_not_given: redemption (id); state reserved
goods_returned: redemption (id); left 0; wanted 1
grantee_limit: account 100300000024; purpose 拨付 grant; period 本年积分 points this year; limit 1;
    used 1.00; wanted 1.00
hold_exceeded: hold (id); left 1.00; wanted 1.01
hold_lapsed: hold (id); deadline_at 2022-10-18T12:00:00+08:00
hold_of_reservation: hold (id)
hold_settled: hold (id); state released
hold_too_long: deadline_at 2022-11-14T12:00:01+08:00; latest_at 2022-11-14T12:00:00+08:00
insufficient_points: account 100300000016; available 4.00; needed 5.00
last_administrator: staff admin
line_not_reversible: account 100300000016; line_no 2; kind 兑换 redemption;
    instead 办理退货 return the goods (redemptions.refund)
line_not_sealed: account 100300000016; line_no 1
line_taken_back: account 100300000016; line_no 1; left 0.00; wanted 4.00
loss_not_reported: account 100300000016; kind 书面 (written)
no_passbook: account 100300000016
not_a_volunteer: account 100300000016; kind organisation
not_permitted: staff T1; act outlets.rename; outlet B01; roles administrator
nothing_to_reverse: voucher (id)
already_opened_balance: account 100300000016
offer_withdrawn: store P1; sku A
out_of_stock: sku A; left 1; wanted 2
outlet_closed: outlet B02S02
outlet_not_closed: outlet B02S02
outlet_not_empty: outlet B01; left 2 outlets, 2 staff roles
passbook_frozen: account 100300000016; serial 00000001 1
passbook_full: serial 00000001 1
passbook_in_use: account 100300000016; serial 00000001 1
passbook_not_available: serial 00000001 1; state spoiled; act passbooks.spoil
passbook_not_full: serial 00000001 1; rows_left 1
passbook_stock_short: outlet B01S01; first （任一 any）; last （任一 any）
period_already_closed: outlet H; kind day; through 2022-10-15
period_closed: outlet B01S01; day 2022-10-03; through 2022-10-31
period_not_over: period 2022-10-15; today 2022-10-15
policy_not_later: kind hour_limits; effective_on 2023-01-01; newest_on 2023-02-01
policy_too_late: kind tariff; effective_on 2022-10-01; earliest_on 2022-10-15
pool_closed: pool POOL
pool_limit: pool POOL; account 10000000000001; purpose 拨付 grant;
    period 本月次数 number this month; limit 2; used 2; wanted 1
pool_not_empty: pool POOL; balance 1.00
pool_short: pool POOL; account 10000000000001; available 0.00; needed 1.00
record_not_credited: record 100300000016/1; state voided
record_not_waiting: record 100300000016/1; state credited
redemption_settled: redemption (id); state released
reissue_too_early: account 100300000016; earliest_on 2022-10-22
reservation_exceeded: redemption (id); left 1; wanted 2
reservation_lapsed: redemption (id); deadline_at 2022-10-18T12:00:00+08:00
before_registration: service_on 2022-10-09; registered_on 2022-10-10
in_future: ended_at 2022-10-15T13:00:00+08:00; now 2022-10-15T12:00:00+08:00
not_positive: started_at 2022-10-03T08:00:00+08:00; ended_at 2022-10-03T08:00:00+08:00
overlap: other 1
too_long: minutes 4320; minutes_max 1440
shorter_period_open: outlet H; kind day; period 2022-10; through 2022-10-31
store_closed: store P1; day 2022-10-15
transfer_limit: account 100300000016; purpose 转赠 gift; period 本月次数 number this month; limit 2;
    used 2; wanted 1
transfer_not_allowed: account 100300000024; purpose 转赠 gift;
    why this kind of holder may not receive
unknown_bank: bank 临江
unknown_category: category singing; day 2022-10-03
unknown_customer: account 100399999999
unknown_hold: hold (id)
unknown_line: account 100300000016; line_no 1
unknown_offer: store P1; sku NONE
unknown_outlet: outlet NONE
unknown_passbook: serial 00000099 9
unknown_policy: kind house_rules; day 2022-10-15
unknown_pool: pool POOL
unknown_record: record 100300000016/1
unknown_redemption: redemption (id)
unknown_staff: staff NONE
unknown_store: store NONE
unknown_voucher: voucher (id)
wrong_closing_state: outlet H; kind day; through 2022-10-15; state not begun
wrong_tier: outlet B01S01; tier 储蓄所 savings branch; wanted 分行 branch
"""
TOLD = dict(line.split(": ", 1) for line in re.sub(r"\n +", " ", _TOLD.strip()).splitlines())


def told(error: GongyiBankError) -> str:
    """The facts of an error as text, each id as no more than that."""
    return "; ".join(f"{name} {_said(fact)}" for name, fact in error.shown_facts().items())


def _said(fact: str) -> str:
    try:
        UUID(fact)
    except ValueError:
        return fact
    return "(id)"
