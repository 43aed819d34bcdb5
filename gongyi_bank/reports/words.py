"""What codes and fixed words in tables are called in Chinese and English; see `Column.words`."""

from __future__ import annotations

from typing import Final

Words = dict[str, tuple[str, str]]

TOTAL: Final[Words] = {"合计": ("合计", "Total"), "辖外网点 outside": ("辖外网点", "outside")}

HOLDERS: Final[Words] = {
    "志愿者": ("志愿者", "volunteer"),
    "单位": ("单位", "organisation"),
    "家庭": ("家庭", "household"),
}

OUTLET_STATES: Final[Words] = {
    "open": ("开办", "open"),
    "closed": ("停办", "closed"),
    "urban": ("城镇", "urban"),
    "rural": ("农村", "rural"),
    "总行 head office": ("总行", "head office"),
    "分行 branch": ("分行", "branch"),
    "储蓄所 savings branch": ("储蓄所", "savings branch"),
}

ROLES: Final[Words] = {
    "administrator": ("管理员", "administrator"),
    "auditor": ("审计员", "auditor"),
    "ledger_keeper": ("记账员", "ledger keeper"),
    "service_account": ("系统账号", "service account"),
    "store_clerk": ("商家店员", "store clerk"),
    "teller": ("柜员", "teller"),
}

RECORD_STATES: Final[Words] = {
    "credited": ("计入", "credited"),
    "waiting_branch": ("待分行审批", "waits for the branch"),
    "waiting_head_office": ("待总行审批", "waits for the head office"),
    "refused": ("已驳回", "refused"),
    "voided": ("已冲正", "voided"),
    "taken_back": ("以前期间的记录，本期冲正", "of earlier periods, voided in this one"),
}

PERIOD_KINDS: Final[Words] = {
    "day": ("日", "day"),
    "month": ("月", "month"),
    "quarter": ("季", "quarter"),
    "year": ("年", "year"),
}

CLOSING_STATES: Final[Words] = {
    "closing": ("结账中", "announced"),
    "drained": ("已停止记账", "drained"),
    "closed": ("已结账", "closed"),
}

HOLD_STATES: Final[Words] = {
    "held": ("预留中", "held"),
    "captured": ("已支用", "captured"),
    "released": ("已取消", "released"),
    "lapsed": ("已到期", "lapsed"),
}

REDEMPTION_STATES: Final[Words] = {
    "redeemed": ("已兑换", "redeemed"),
    "reserved": ("已预约", "reserved"),
    "captured": ("已领取", "captured"),
    "released": ("已取消", "released"),
    "lapsed": ("已到期", "lapsed"),
    "listed": ("在架", "listed"),
    "withdrawn": ("已下架", "withdrawn"),
}

LINE_SUMMARIES_EN: Final[Words] = {
    "服务入折": ("服务入折", "service"),
    "期初": ("期初", "opening"),
    "人工入账": ("人工入账", "grant"),
    "兑换": ("兑换", "redemption"),
    "预留支用": ("预留支用", "capture"),
    "冲正": ("冲正", "reversal"),
    "退回": ("退回", "refund"),
    "到期": ("到期", "expiry"),
    "销户": ("销户", "close"),
    "转赠": ("转赠", "gift given"),
    "受赠": ("受赠", "gift received"),
    "捐赠": ("捐赠", "donation given"),
    "受捐": ("受捐", "donation received"),
    "积分池拨付": ("积分池拨付", "granted by the pool"),
    "积分池拨入": ("积分池拨入", "granted from a pool"),
}

LEDGER_ACCOUNTS: Final[Words] = {
    "客户积分": ("客户积分", "customers"),
    "积分发放": ("积分发放", "issued"),
    "期初转入": ("期初转入", "brought forward"),
    "商家收兑": ("商家收兑", "stores"),
    "到期积分": ("到期积分", "expired"),
    "销户收回": ("销户收回", "returned"),
    "积分池": ("积分池", "pools"),
    "转账过渡": ("转账过渡", "in transit"),
    "分行清算": ("分行清算", "clearing"),
}

#: The facts of a customer's summary and of an explanation.
FACTS: Final[Words] = {
    zh: (zh, en)
    for zh, en in (
        ("户名", "Holder"), ("类别", "Kind"), ("状态", "State"), ("外部编号", "Reference"),
        ("开户网点", "Registered at"), ("开户日期", "Registered on"), ("销户日期", "Closed on"),
        ("累计存入", "Ever credited"), ("累计支取", "Ever debited"), ("余额", "Balance"),
        ("预留", "Held"), ("已过期待销", "Past their date"), ("可用", "Available"),
        ("服务时长", "Service"), ("星级", "Stars"), ("服务记录", "Hour records"),
        ("明细行数", "Lines"), ("最近入账", "Newest line"), ("存折", "Passbook"),
        ("摘要", "Line"), ("业务", "Act"), ("凭证", "Voucher"), ("入账时间", "Booked at"),
        ("经办人员", "Staff"), ("复核人员", "Second person"), ("事由", "Reason"),
        ("项目", "Project"), ("服务分钟", "Minutes"), ("经办", "Recorded by"),
        ("复核", "Checked by"), ("积分标准", "Tariff"), ("标准施行日", "In force from"),
        ("每小时积分", "Points per hour"), ("计算", "Arithmetic"), ("商家", "Store"),
        ("兑换品", "Article"), ("数量", "Pieces"),
    )
}  # fmt: skip

#: Values of a customer's summary.
SUMMARY_VALUES: Final[Words] = HOLDERS | {
    "正常": ("正常", "active"),
    "冻结": ("冻结", "frozen"),
    "休眠": ("休眠", "dormant"),
    "销户": ("销户", "closed"),
}
