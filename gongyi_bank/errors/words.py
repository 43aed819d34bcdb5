"""What the facts of an error are called in Chinese: reasons, roles, acts, states, things left.

Facts are written in English, once, where an error is raised; a Chinese message says them in
Chinese, also for an error that was read back from a receipt. What is not listed here is said
as it stands.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from contextlib import suppress

_REASONS = {
    "Field required": "必须填写",
    "Input should be a valid boolean": "应为是或否",
    "Input should be a valid date": "应为日期",
    "Input should be a valid integer": "应为整数",
    "Input should be a valid string": "应为文本",
    "Input should be a valid tuple": "应为列表",
    "Input should be an instance of Points": "应为积分数",
    "Input should be an instance of UUID": "应为编号（UUID）",
    "ASCII digits are needed": "只能用半角数字",
    "True or False": "应为 True 或 False",
    "a balance leaves the account: name the person who checked it": "余额转出须写明复核人",
    "a Bank or a ReferenceBank is needed": "须给出 Bank 或 ReferenceBank",
    "a Bank or a counter of one is needed": "须给出 Bank 或其柜台",
    "a Cast is needed: story.cast, or SMALL_CAST": "须给出一组人物：story.cast 或 SMALL_CAST",
    "a date": "应为日期",
    "a date is written YYYY-MM-DD": "日期写作 2022-10-31",
    "a day is a date without a time": "应为不带时间的日期",
    "a period reads 2022-10-31, 2022-10, 2022Q4 or 2022":
        "期间写作 2022-10-31、2022-10、2022Q4 或 2022",
    "a strategy is needed, for example codes()": "须给出策略，例如 codes()",
    'a ZoneInfo is needed: ZoneInfo("Asia/Shanghai")': '须给出时区：ZoneInfo("Asia/Shanghai")',
    "a quotation mark is not closed": "引号没有闭合",
    "a store clerk, and nobody else, has a store": "商家店员须指定商家，其他岗位不得指定",
    "a time is written YYYY-MM-DDTHH:MM": "时间写作 2022-10-31T14:00",
    "a whole number from 1, or None for all": "应为 1 以上的整数，或 None 表示全部",
    "a whole number above zero": "应为大于零的整数",
    "a whole number is needed": "应为整数",
    "a whole number, in digits": "应为整数，用数字书写",
    "allow or refuse": "应为 allow 或 refuse",
    "an account number does not start with 0": "账号不以 0 开头",
    "an amount reads 12 or 12.50, with at most 4 decimals": "积分写作 12 或 12.50，至多四位小数",
    "a SQLAlchemy Connection or Session": "应为 SQLAlchemy 的 Connection 或 Session",
    "an asynchronous driver: use gongyi_bank.aio.AsyncBank, or a synchronous driver":
        "异步驱动：请改用 gongyi_bank.aio.AsyncBank，或换成同步驱动",
    "an instant is a datetime with a time zone": "应为带时区的时间",
    "booking or value": "应为 booking 或 value",
    "comes twice": "重复出现",
    "a pool gives: name the person who checked it": "积分池拨付须写明复核人",
    "a pool gives: say why": "积分池拨付须写明事由",
    "give pool or organisation": "积分池与单位账户须填其一，且只填其一",
    "give source or source_pool": "付方账户与积分池须填其一，且只填其一",
    "give target or target_pool": "收方账户与积分池须填其一，且只填其一",
    "is the giver": "正是付方",
    "milliseconds from 0 to 1000": "应为 0 至 1000 毫秒",
    "this kind of holder may not give": "此类客户不得付出",
    "this kind of holder may not receive": "此类客户不得接受",
    "this relation is not among those allowed": "不在允许的关系之内",
    "give account or customer_ref": "账号与外部编号须填其一，且只填其一",
    "give hours or deadline_at, not both": "小时数与期限只能填其一",
    "it is no later than the deadline there is": "不晚于现有期限",
    "it is past": "已经过去",
    "give both days of the month or none": "起止两日须同时填写或都不填",
    "give document_kind and document_no together": "证件种类与号码须同时填写",
    "give either first and last, or a list": "填起止号或清单，只能其一",
    "give the first and the last day": "须填起止两日",
    "goes with balance_to='account', and only then": "只有余额转入账户时才填写，且必须填写",
    "is in the future": "晚于今天",
    "is needed": "必须填写",
    "it draws nothing; take for example codes()": "该策略取不出值；可用 codes() 等",
    "it must draw texts, as codes() does": "该策略须取出文本，如 codes()",
    "is the account that closes": "正是要销的账户",
    "it ends before it begins": "止日早于起日",
    "it holds a control character": "含有控制字符",
    "it holds a lone surrogate": "含有不完整的字符",
    "it holds a mobile or identity number": "含有手机号或证件号",
    "it has no date of birth since 1800": "其中没有 1800 年以来的出生日期",
    "it is also listed as a working weekend": "同时又列为调休工作日",
    "it is before 1970": "早于 1970 年",
    "it is a credit: ask spent_on": "这是存入的明细，请用 spent_on 查询",
    "it is a debit: ask provenance": "这是支取的明细，请用 provenance 查询",
    "it is blank or too short": "为空或太短",
    "it is in the future": "晚于今天",
    "it is no kind of document": "没有这种证件",
    "it is not open yet": "尚未打开",
    "it is one of day, month, quarter, year": "应为日、月、季、年之一",
    "it leaves the calendar (0001–9999)": "超出日历范围（0001–9999）",
    "it must be above zero": "必须大于零",
    "it must be a date": "应为日期",
    "it must be text": "应为文本",
    "it must not be negative": "不得为负",
    "letters, digits, 汉字 and - _ . : / # only": "只能用字母、数字、汉字和 - _ . : / #",
    "no IANA time zone": "没有这个时区",
    "no command of this library": "不是本系统的指令",
    "no such field": "没有这一项",
    "it is no receipt of a list": "不是批量办理的回执",
    "no identity number has a day before 1800": "没有 1800 年以前的身份证号码",
    "what is below it is called B01, B01S01, …": "其下网点的代码就是 B01、B01S01 等",
    "more than an account can be credited in its life": "超过一个账户所能累计存入的积分",
    "not an ISO 8601 instant": "应为 ISO 8601 格式的时间",
    "not the key that the bank was founded with": "不是开行时所用的密钥",
    "64 hexadecimal digits": "应为 64 位十六进制数",
    "nothing is sealed yet": "尚未封账",
    "say which seal the trusted root is of": "请说明该根属于第几号封账",
    "the number of a seal, or last_seal": "应为封账号或 last_seal",
    "the number of a line": "应为行号",
    "the number of a record": "应为记录号",
    "the deadline and the id of the last row": "应为上页末行的到期时间与编号",
    "nothing is brought forward": "时长和积分都为零，无可登记",
    "only an administrator or a service account registers in the past":
        "只有管理员或系统账号可以补登以前的日期",
    "pieces to add, or negative to write off": "应为增加的件数，核减写负数",
    "points are text, an int or a Decimal, never a float":
        "积分须为文本、整数或 Decimal，不得为浮点数",
    "say who acts: Bank.open(…, staff=…)": "须写明经办人：Bank.open(…, staff=…)",
    "stars are given for a month, a quarter or a year": "星级按月、季或年评定",
    "the books hold the years 1900 to 9000": "账册只记 1900 至 9000 年",
    "the check character is wrong": "校验码不符",
    "the check digit is wrong": "校验位不符",
    "the check digit is wrong; look for a slip": "校验位不符，请查是否抄错",
    "the time has no time zone": "时间没有时区",
    "a category is named twice": "同一类别出现两次",
    "a clock only goes on; see `set`": "时钟只能向前；另见 set",
    "a list is needed": "须为列表",
    "a list is needed, not a text": "须为列表，不是文本",
    "an AsyncConnection or AsyncSession": "应为 AsyncConnection 或 AsyncSession",
    "at least one is needed": "至少须有一个",
    "others cannot open it: give a file": "内存数据库他人无法打开，请用文件",
    "give a list of account numbers": "请给出账号列表",
    "letters, digits and _ . $ -, at most 63": "只能用字母、数字和 _ . $ -，至多 63 个字符",
    "name or name@host": "写作 名称 或 名称@主机",
    "no savings branch of this story": "本故事没有这个储蓄所",
    "none of them can happen in this cast": "这组人物做不了其中任何一项",
    "refuse, warn or allow": "应为 refuse、warn 或 allow",
    "say on which day it happens: story.day(…)": "须写明日期：story.day(…)",
    "say who acts: ReferenceBank.acting_as(…)": "须写明经办人：ReferenceBank.acting_as(…)",
    "the connection was closed before": "连接此前已关闭",
    "the session has no engine: make it with Session(engine)": "会话没有引擎：请用 Session(engine)",
    "the story has its own clock: see story.day(…)": "故事自有时钟：请用 story.day(…)",
    "it has its own first day: see story.day(…)": "首日已定：请用 story.day(…)",
    "the story has no savings branch yet": "本故事尚无储蓄所",
    "a command is needed, for example Redeem(…)": "须给出指令，例如 Redeem(…)",
    "a bank's clock shows the years 1970 (UTC) to 9000": "银行的时钟只走 1970 年（UTC）至 9000 年",
    "a FrozenClock is needed": "须给出 FrozenClock",
    "a function that tells the time is needed": "须给出报时的函数",
    'a Loss is needed: Loss("answer")': '须给出 Loss，例如 Loss("answer")',
    "a receipt or a refusal is needed": "须给出回执或拒绝",
    "a refusal of this library is needed": "须给出本系统的拒绝",
    "a ServicePoint is needed": "须给出 ServicePoint",
    "a Step is needed": "须给出 Step",
    "a store and an article are needed": "须给出商家与兑换品",
    "a Wish is needed: Wish(who=1)": "须给出 Wish，例如 Wish(who=1)",
    "an AsyncBank is needed, or nothing": "须给出 AsyncBank，或不填",
    "give a receipt or an error, not both": "回执与拒绝只能填其一",
    "texts by their columns are needed": "须按列名给出文本",
    "two people are needed": "须有两人",
    "values by their names are needed": "须按名称给出各项的值",
    "what may be lost needs a key": "可能中断的请求须有键",
    "the usual time must not be longer than the longest": "通常时长不得超过最长时长",
    "the thresholds must rise": "各级门槛须逐级升高",
    "at least one indicator must have a weight": "至少有一项指标的权重大于零",
    "fewer stars must be for the same share or a larger one": "星级越低，比例不得越小",
    "there is no such day in the calendar": "日历上没有这一天",
    "two columns have the same key": "两列同名",
}  # fmt: skip

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), chinese)
    for pattern, chinese in (
        (r"a whole number from (\S+) to (\S+?)(?: is needed)?", r"应为 \1 至 \2 的整数"),
        (r"give (\w+=) instead", r"请改填 \1"),
        (r"a whole number up to (\S+)", r"应为不超过 \1 的整数"),
        (r"a number is needed: (\S+)", r"应为数字，例如 \1"),
        (r"a Step is needed in place (\d+)", r"第 \1 项（从 0 起）须为 Step"),
        (r"step (\d+) is about none before it", r"第 \1 步（从 0 起）所指的不是其前的一步"),
        (r"this run is about (.+)", r"本次运行的是 \1"),
        (r"less than (\w+)=(\S+)", r"小于 \1=\2"),
        (r"before (\w+)=(\S+)", r"早于 \1=\2"),
        (r"earlier than (.+); say backwards=True", r"早于 \1；须写明 backwards=True"),
        (r"written (\S+)", r"应写作 \1"),
        (r"columns are (.+)", r"各列为 \1"),
        (r"Input should be greater than or equal to (\S+)", r"不得小于 \1"),
        (r"Input should be less than or equal to (\S+)", r"不得大于 \1"),
        (r"Input should be greater than (\S+)", r"必须大于 \1"),
        (r"Input should be less than (\S+)", r"必须小于 \1"),
        (r"Input should be a valid dictionary or instance of (\S+)", r"应为 \1"),
        (r"Input should be (.+)", r"应为 \1"),
        (r"the bank was founded on (\S+)", r"本行于 \1 开办"),
        (r"a place from 0 to (\d+)", r"应为 0 至 \1 的序号"),
        (r"it is not a whole (\S+)", r"不是完整的期间（\1）"),
        (r"Tuple should have at least (\d+) items? .*", r"至少须有 \1 项"),
        (r"Tuple should have at most (\d+) items? .*", r"至多可有 \1 项"),
        (r"(?:it is )?one of (.+)", r"应为其中之一：\1"),
        (r"a policy is one of (.+)", r"规则应为其中之一：\1"),
        (r"it is not finite, over (\S+) or finer than (\S+) decimals",
         r"不是有限的数，或超过 \1，或多于 \2 位小数"),
        (r"more than (\S+) points", r"超过 \1 分"),
        (r"this bank keeps (\d+) decimals", r"本行记到小数点后 \1 位"),
        (r"a scale is 0 to (\d+)", r"小数位数应为 0 至 \1"),
        (r"(?:over|longer than) (\d+)(?: characters)?", r"超过 \1 个字符"),
        (r"(\S+) digits 0-9 are needed", r"须为 \1 位数字"),
        (r"at most (\S+) at once", r"一次至多 \1"),
        (r"at least (\S+) bytes", r"至少 \1 字节"),
        (r"a (\w+) reads (.+)", r"应写作 \2"),
        (r"the header has (\d+) columns", r"表头有 \1 列"),
        (r"the book has pages 1 to (\d+)", r"存折只有第 1 至 \1 页"),
        (r"it takes 1 to (\d+) books from first to last", r"起止号之间须为 1 至 \1 本"),
        (r"no working day within a year of (\S+)", r"\1 起一年内没有工作日"),
        (r"a \S+ has another length or other characters", r"长度或字符不符"),
        (r"last used on (\S+)", r"最近使用于 \1"),
        # Files that cannot be taken over.
        (r"there is no such file", r"没有这个文件"),
        (r"it is no file", r"不是文件"),
        (r"it is no path", r"不是路径"),
        (r"it is empty", r"文件是空的"),
        (r"neither UTF-8 nor GB18030", r"既不是 UTF-8 也不是 GB18030"),
        (r"its first line is no CSV header", r"第一行不是 CSV 表头"),
        (r"its name holds no date", r"文件名中没有日期"),
        (r"it changed while it was read", r"读取时文件有变动"),
        (r"no row is the head office", r"没有总行一行"),
        (r"no file services_YYYY-MM.csv", r"没有 services_YYYY-MM.csv 文件"),
        (r"(\d+) files opening_YYYY-MM-DD.csv, one is needed",
         r"有 \1 个 opening_YYYY-MM-DD.csv 文件，应有一个"),
        (r"the column (.+) comes twice", r"列 \1 出现两次"),
        (r"a month's name is (.+)", r"月份写作 \1"),
        (r"No such file or directory", r"没有这个文件或文件夹"),
        (r"Permission denied", r"没有权限"),
        (r"Not a directory", r"不是文件夹"),
    )
)  # fmt: skip

_ROLES = {
    "administrator": "管理员",
    "auditor": "审计员",
    "ledger_keeper": "记账员",
    "nobody": "无人",
    "service_account": "系统账号",
    "staff of the outlet or above": "该网点或上级网点的人员",
    "store_clerk": "商家店员",
    "teller": "柜员",
    "the row's own recorder or checker": "该行的经办人或复核人",
    "two people": "两人",
}

_STATES = {
    "active": "正常", "blank": "空白", "captured": "已领取", "closed": "销户",
    "credited": "已入账", "destroyed": "已销毁", "dormant": "休眠", "frozen": "冻结",
    "closing": "已预告", "day": "日", "drained": "已停记", "month": "月", "not begun": "未开始",
    "quarter": "季", "year": "年",
    "held": "预留中", "household": "家庭", "in_use": "在用", "lapsed": "已到期", "lost": "挂失",
    "oral": "口头", "organisation": "单位", "redeemed": "已兑换", "refused": "已驳回",
    "released": "已取消", "replaced": "已换", "reserved": "已预约", "spoiled": "损坏",
    "void": "作废", "voided": "已冲正", "volunteer": "志愿者", "waiting_branch": "待分行审批",
    "waiting_head_office": "待总行审批", "written": "书面",
}  # fmt: skip

_LEFT = {
    "accounts": "个账户", "blank passbooks": "本空白存折", "outlets": "个下级网点",
    "partner stores": "家联盟商家", "pools": "个积分池", "staff roles": "个岗位",
    "waiting records": "条待批记录",
}  # fmt: skip
_LEFT_POINTS = {"balance": "余额", "debt": "欠分", "held": "预留"}

_NOUNS = {
    "accounts": "账户", "closings": "结账", "customers": "客户", "holds": "预留",
    "hours": "服务时长", "outlets": "网点", "passbooks": "存折", "pools": "积分池",
    "points": "积分", "policies": "规则", "redemptions": "兑换", "reversals": "冲正",
    "staff": "人员", "stores": "商家", "transfers": "转账",
}  # fmt: skip
_VERBS = {
    "adopt": "发布", "allot": "调拨", "announce": "预告", "drain": "停记", "appoint": "聘任",
    "approve": "批准", "bring_forward": "期初登记", "capture": "领取", "capture_many": "批量领取",
    "close": "关闭", "correct": "更正", "destroy": "销毁", "donate": "捐赠", "gift": "转赠",
    "send": "多方转账", "end": "解聘", "extend": "延期", "freeze": "冻结", "grant": "人工入账",
    "issue": "发放", "lapse_overdue": "到期清理", "leave": "退出", "lift_loss": "解挂",
    "mark_dormant": "转休眠", "move": "迁移", "open": "开办", "place": "登记",
    "print_stock": "印制", "publish_offers": "上架兑换品", "record": "登记",
    "record_many": "批量登记", "recruit": "吸纳", "redeem": "兑换", "redeem_many": "批量兑换",
    "refuse": "驳回", "register": "登记", "reissue": "补发", "release": "取消",
    "release_many": "批量取消", "rename": "更名", "renew": "换折", "reopen": "重新开办",
    "report_loss": "挂失", "reserve": "预约", "restock": "补货", "spoil": "登记损坏",
    "refund": "退货", "reverse_line": "明细", "reverse_voucher": "凭证", "unfreeze": "解冻",
    "update": "补登", "void": "冲正", "wake": "唤醒", "withdraw_offer": "下架兑换品",
}  # fmt: skip
_ACT = re.compile(r"([a-z]+)\.([a-z_]+)(?: \((复核|过户)\))?")
#: A moment in ISO 8601 with its offset, as a receipt keeps it.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d(:\d\d)?")
#: A thing in both languages: "网点 outlet".
_BOTH = re.compile(r"([^\x00-\x7f]+) ([\x20-\x7f]+)")


def _reason(text: str) -> str:
    if text in _REASONS:
        return _REASONS[text]
    for pattern, chinese in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return found.expand(chinese)
    state = text.removeprefix("it is ")
    return _STATES.get(state, text)


def _roles(text: str) -> str:
    return "、".join(_ROLES.get(role, role) for role in text.split(", "))


def _left(text: str) -> str:
    return "、".join(_one_left(thing) for thing in text.split(", "))


def _one_left(thing: str) -> str:
    first, _, rest = thing.partition(" ")
    if rest in _LEFT:
        return f"{first} {_LEFT[rest]}"
    return f"{_LEFT_POINTS[first]} {rest}" if first in _LEFT_POINTS else thing


def _act(text: str) -> str:
    found = _ACT.fullmatch(text)
    if found is None or found[1] not in _NOUNS or found[2] not in _VERBS:
        return text
    noun, verb = _NOUNS[found[1]], _VERBS[found[2]]
    return f"{noun}{verb}{found[3] or ''}".replace("兑换兑换", "兑换").replace(
        "转账人工入账", "积分池拨付"
    )


def _moment(moment: dt.datetime) -> str:
    """To the minute, and finer where it is not a full one."""
    precision = "auto" if moment.second or moment.microsecond else "minutes"
    clock = moment.replace(tzinfo=None).isoformat(" ", precision)
    return f"{clock} UTC" if moment.utcoffset() == dt.timedelta() else clock


def _value(text: str) -> str:
    if text.endswith(" not shown>"):
        return "（不显示）"
    return {"nothing": "（无）", "None": "（无）", "''": "（空）"}.get(text, text)


_SAID: dict[str, Callable[[str], str]] = {
    "act": _act, "kind": lambda text: _STATES.get(text, text), "left": _left,
    "reason": _reason, "roles": _roles, "state": lambda text: _STATES.get(text, text),
    "value": _value, "why": _reason,
}  # fmt: skip


def moment_in(name: str, fact: object) -> dt.datetime | None:
    """The moment that a fact is, also where it was read back from a receipt, as text."""
    if isinstance(fact, dt.datetime):
        return fact
    # A key may look like a moment, and is then taken letter by letter.
    is_moment = name == "now" or name.endswith("_at")
    if is_moment and type(fact) is str and _MOMENT.fullmatch(fact):
        with suppress(ValueError):  # no day of the calendar
            return dt.datetime.fromisoformat(fact)
    return None


def said(name: str, fact: object, language: str) -> object:
    """A fact as a message in "zh" or "en" says it; a thing in both languages in one.

    A moment is said as the clock showed it where it was taken from: the bank's, whose staff
    read this. Only UTC, which no wall shows, is named.
    """
    moment = moment_in(name, fact)
    if moment is not None:
        return _moment(moment)
    # Read back from a receipt every fact is text, and says the same.
    text = str(fact)
    both = _BOTH.fullmatch(text)
    if both and name in (
        "what",
        "tier",
        "wanted",
        "holding",
        "kind",
        "instead",
        "purpose",
        "period",
    ):
        return both[1] if language == "zh" else both[2]
    return _SAID[name](text) if language == "zh" and name in _SAID else fact
