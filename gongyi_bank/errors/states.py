"""Refusals because a thing is not in the state that the act needs."""

from __future__ import annotations

from gongyi_bank.errors.refusals import Refused


class WrongState(Refused):
    """The thing exists, but not in the state that the act needs."""

    code = "wrong_state"


class TransactionEnded(WrongState):
    """A counter was used after its `with` block, or the caller's transaction, had ended."""

    code = "transaction_ended"
    zh = "此柜台的事务已结束"
    en = "the transaction of this counter has ended"
    next_zh = "请另开一个 begin、within 或 simulate"
    next_en = "Begin another one"


class QueueEnded(WrongState):
    """A queue of acts was used after it was closed, or in a process forked from its own."""

    code = "queue_ended"
    zh = "合并提交的队列已关闭，或属于另一进程"
    en = "the queue was closed, or belongs to another process"
    next_zh = "请另建一个 GroupCommit；分叉后在各进程内建立"
    next_en = "Make another GroupCommit, in each process after the fork"


class CodeTaken(WrongState):
    """The code is already used in this bank."""

    code = "code_taken"
    zh = "{what} 代码 {taken} 已被使用"
    en = "the {what} code {taken} is already taken"
    next_zh = "请换一个代码"
    next_en = "Choose another"


class AlreadyRegistered(WrongState):
    """This identity document or external reference is already registered."""

    code = "already_registered"
    zh = "该{what}已登记，账号 {account}"
    en = "this {what} is already registered, as account {account}"
    next_zh = "请使用原有账户"
    next_en = "Use the account there is"


class BankExists(WrongState):
    """A bank of this name was founded before."""

    code = "bank_exists"
    zh = "公益银行 {bank} 已存在"
    en = "the bank {bank} already exists"
    next_zh = "请用 Bank.open 打开"
    next_en = "Open it with Bank.open"


class OutletClosed(WrongState):
    """The outlet is closed."""

    code = "outlet_closed"
    zh = "网点 {outlet} 已停办"
    en = "the outlet {outlet} is closed"
    next_zh = "请到其他网点办理，或重新开办"
    next_en = "Use another outlet, or reopen it"


class DayClosed(WrongState):
    """The business day is closed at this outlet: nothing more is booked on it."""

    code = "day_closed"
    zh = "网点 {outlet} 的 {day} 已日结"
    en = "the day {day} is closed at {outlet}"
    next_zh = "请核对本机时钟，次日再办"
    next_en = "Check this machine's clock, and submit it on the next day"


class LineNotSealed(WrongState):
    """No seal covers the line's day yet, so it cannot be proved."""

    code = "line_not_sealed"
    zh = "账户 {account} 第 {line_no} 行所在的日子尚未封账"
    en = "the day of line {line_no} of account {account} is not sealed yet"
    next_zh = "总行日结之后再取凭据"
    next_en = "Ask again after the head office has closed that day"


class PeriodClosed(WrongState):
    """The day lies in a closed month, quarter or year, and the policy refuses late work."""

    code = "period_closed"
    zh = "网点 {outlet} 已结账至 {through}，不能再记 {day} 的账"
    en = "{outlet} is closed through {through}; nothing more is booked for {day}"
    next_zh = "请改用未结账的日期，或由总行调整结账规则"
    next_en = "Use a day that is open, or let the head office adopt other closing rules"


class PeriodNotOver(WrongState):
    """Only a period that has ended can be closed: its last day lies before today."""

    code = "period_not_over"
    zh = "{period} 尚未结束（今日 {today}），不能结账"
    en = "{period} is not over (today is {today}), so it cannot be closed"
    next_zh = "请在其最后一天之后结账"
    next_en = "Close it after its last day"


class PeriodAlreadyClosed(WrongState):
    """The period is closed already, by this outlet's closing or one above it."""

    code = "period_already_closed"
    zh = "网点 {outlet} 已结账（{kind}）至 {through}"
    en = "{outlet} is closed ({kind}) through {through} already"
    next_zh = "请结下一期"
    next_en = "Close the period after it"


class ClosingUnfinished(WrongState):
    """A closing of this kind is under way at the outlet and must be finished first."""

    code = "closing_unfinished"
    zh = "网点 {outlet} 至 {through} 的结账（{kind}）尚未完成"
    en = "the closing ({kind}) of {outlet} through {through} is not finished"
    next_zh = "请再次办理该期结账，使其完成"
    next_en = "Close that period again, which finishes it"


class WrongClosingState(WrongState):
    """The closing has not begun, or has gone further already."""

    code = "wrong_closing_state"
    zh = "网点 {outlet} 至 {through} 的结账（{kind}）状态为 {state}"
    en = "the closing ({kind}) of {outlet} through {through} is {state}"
    next_zh = "请用 closings.close 完成结账"
    next_en = "Finish it with closings.close"


class ShorterPeriodOpen(WrongState):
    """A month needs all its days closed, a quarter its months, a year its quarters."""

    code = "shorter_period_open"
    zh = "网点 {outlet} 的 {period} 尚有未结账的{kind}，须先结至 {through}"
    en = "{outlet} has a {kind} open in {period}; close each {kind} through {through} first"
    next_zh = "请先结较短的期间"
    next_en = "Close the shorter periods first"


class OutletNotClosed(WrongState):
    """The outlet is open already."""

    code = "outlet_not_closed"
    zh = "网点 {outlet} 并未停办"
    en = "the outlet {outlet} is not closed"
    next_zh = "无需重新开办"
    next_en = "There is nothing to reopen"


class OutletNotEmpty(WrongState):
    """Something is still open at the outlet; the facts count what."""

    code = "outlet_not_empty"
    zh = "网点 {outlet} 尚有未了事项：{left}"
    en = "the outlet {outlet} still has: {left}"
    next_zh = "请先移交或办结"
    next_en = "Move or finish these first"


class WrongTier(WrongState):
    """The outlet is of the wrong tier for this: 总行 > 分行 > 储蓄所."""

    code = "wrong_tier"
    zh = "{outlet} 是{tier}，此处需要{wanted}"
    en = "{outlet} is a {tier}; a {wanted} is needed here"
    next_zh = "请选择正确层级的网点"
    next_en = "Name an outlet of that tier"


class AccountFrozen(WrongState):
    """The account is frozen; nothing may be taken from it."""

    code = "account_frozen"
    zh = "账户 {account} 已冻结"
    en = "the account {account} is frozen"
    next_zh = "请由记账员解冻"
    next_en = "A ledger keeper can unfreeze it"


class AccountNotFrozen(WrongState):
    """The account is not frozen."""

    code = "account_not_frozen"
    zh = "账户 {account} 并未冻结"
    en = "the account {account} is not frozen"
    next_zh = "无需解冻"
    next_en = "There is nothing to unfreeze"


class AccountClosed(WrongState):
    """The account was closed."""

    code = "account_closed"
    zh = "账户 {account} 已销户"
    en = "the account {account} is closed"
    next_zh = "请另开新户"
    next_en = "Open a new one"


class AccountNotEmpty(WrongState):
    """Holds, waiting hours, a debt, or points of which nobody said where they go, are left."""

    code = "account_not_empty"
    zh = "账户 {account} 尚有：{left}"
    en = "the account {account} still has: {left}"
    next_zh = "请先办结，或指明余额去向"
    next_en = "Settle these first, or say where the balance goes"


class AccountNotDormant(WrongState):
    """The account is not dormant, or not inactive for long enough to become so."""

    code = "account_not_dormant"
    zh = "账户 {account} 不符合休眠条件：{why}"
    en = "the account {account} does not qualify: {why}"
    next_zh = "无需处理"
    next_en = "Nothing needs doing"


class NoPassbook(WrongState):
    """The account has no passbook in use."""

    code = "no_passbook"
    zh = "账户 {account} 没有在用存折"
    en = "the account {account} has no passbook in use"
    next_zh = "请先发放存折"
    next_en = "Issue one first"


class PassbookInUse(WrongState):
    """The account already has a passbook in use."""

    code = "passbook_in_use"
    zh = "账户 {account} 已有在用存折 {serial}"
    en = "the account {account} already has the passbook {serial}"
    next_zh = "换折或补发请走相应手续"
    next_en = "Renew it, or report its loss"


class PassbookFrozen(WrongState):
    """A loss of the passbook is reported; payment stops at once (储蓄管理条例 31)."""

    code = "passbook_frozen"
    zh = "账户 {account} 的存折 {serial} 已挂失"
    en = "the passbook {serial} of account {account} is reported lost"
    next_zh = "找回后解挂，或到期补发"
    next_en = "Lift the report, or reissue when the waiting time is over"


class PassbookNotAvailable(WrongState):
    """The passbook is not in the state or at the outlet that the act needs."""

    code = "passbook_not_available"
    zh = "存折 {serial} 状态为 {state}，不能办理 {act}"
    en = "the passbook {serial} is {state}; it cannot be used for {act}"
    next_zh = "请换一本"
    next_en = "Use another one"


class PassbookStockShort(WrongState):
    """The outlet does not hold this range of blank passbooks."""

    code = "passbook_stock_short"
    zh = "{outlet} 库存中没有完整的空白存折 {first}–{last}"
    en = "{outlet} does not hold all blank passbooks {first}–{last}"
    next_zh = "请核对库存"
    next_en = "Check the stock"


class PassbookFull(WrongState):
    """All pages are printed; the book must be renewed."""

    code = "passbook_full"
    zh = "存折 {serial} 已打满"
    en = "the passbook {serial} is full"
    next_zh = "请换折"
    next_en = "Renew it"


class PassbookNotFull(WrongState):
    """The book still has room, so there is no reason to renew it."""

    code = "passbook_not_full"
    zh = "存折 {serial} 还有 {rows_left} 行可用"
    en = "the passbook {serial} still has {rows_left} rows"
    next_zh = "打满后再换折"
    next_en = "Renew it when it is full, or say that it is damaged"


class LossNotReported(WrongState):
    """No (written) loss report is in force for this account's passbook."""

    code = "loss_not_reported"
    zh = "账户 {account} 没有有效的{kind}挂失"
    en = "the account {account} has no {kind} loss report in force"
    next_zh = "请先挂失"
    next_en = "Report the loss first"


class ReissueTooEarly(WrongState):
    """The waiting time after a written loss report is not over."""

    code = "reissue_too_early"
    zh = "账户 {account} 须到 {earliest_on} 方可补发"
    en = "the account {account} may have a new passbook from {earliest_on}"
    next_zh = "请届时再来"
    next_en = "Come back then"


class RecordNotWaiting(WrongState):
    """The hour record is not waiting for anybody's approval."""

    code = "record_not_waiting"
    zh = "记录 {record} 状态为 {state}，不在待批"
    en = "the record {record} is {state}, not waiting"
    next_zh = "无需审批"
    next_en = "There is nothing to decide"


class RecordNotCredited(WrongState):
    """Only a credited record can be voided or corrected."""

    code = "record_not_credited"
    zh = "记录 {record} 状态为 {state}，不能更正"
    en = "the record {record} is {state}; it cannot be corrected"
    next_zh = "待批记录请予驳回"
    next_en = "Refuse it if it is waiting"


class StoreClosed(WrongState):
    """The store has left the alliance, or had not joined yet on that day."""

    code = "store_closed"
    zh = "商家 {store} 在 {day} 不在爱心联盟"
    en = "the store {store} is not in the alliance on {day}"
    next_zh = "请到其他商家兑换"
    next_en = "Redeem at another store"


class PoolClosed(WrongState):
    """The pool is closed; it neither gives nor receives."""

    code = "pool_closed"
    zh = "积分池 {pool} 已关闭"
    en = "the pool {pool} is closed"
    next_zh = "请另选积分池"
    next_en = "Choose another pool"


class PoolNotEmpty(WrongState):
    """The pool still has points; only an empty one is closed."""

    code = "pool_not_empty"
    zh = "积分池 {pool} 尚有 {balance} 分"
    en = "the pool {pool} still has {balance} points"
    next_zh = "请先拨付或转入其他积分池"
    next_en = "Grant them, or send them to another pool first"


class OfferWithdrawn(WrongState):
    """The offer is no longer on the list."""

    code = "offer_withdrawn"
    zh = "商家 {store} 的兑换品 {sku} 已下架"
    en = "the offer {sku} of {store} is withdrawn"
    next_zh = "请另选兑换品"
    next_en = "Choose another one"


class RedemptionSettled(WrongState):
    """The reservation was captured, released or lapsed before; a settled one stays settled."""

    code = "redemption_settled"
    zh = "兑换 {redemption} 状态为 {state}"
    en = "the redemption {redemption} is {state}"
    next_zh = "不能再次办理"
    next_en = "It cannot be settled again"


class ReservationLapsed(WrongState):
    """The deadline is past; the points are free again whether or not a sweep has run."""

    code = "reservation_lapsed"
    zh = "预约 {redemption} 已于 {deadline_at} 到期"
    en = "the reservation {redemption} lapsed at {deadline_at}"
    next_zh = "请重新预约"
    next_en = "Reserve again"


class HoldSettled(WrongState):
    """The hold was captured, released or lapsed before; a settled one stays settled."""

    code = "hold_settled"
    zh = "预留 {hold} 状态为 {state}"
    en = "the hold {hold} is {state}"
    next_zh = "不能再次办理"
    next_en = "It cannot be settled again"


class HoldLapsed(WrongState):
    """The deadline is past; the points are free again whether or not a sweep has run."""

    code = "hold_lapsed"
    zh = "预留 {hold} 已于 {deadline_at} 到期"
    en = "the hold {hold} lapsed at {deadline_at}"
    next_zh = "请重新预留"
    next_en = "Hold the points anew"


class HoldOfReservation(WrongState):
    """The hold belongs to a reservation of goods, which is settled as a whole with them."""

    code = "hold_of_reservation"
    zh = "预留 {hold} 属于预约兑换"
    en = "the hold {hold} belongs to a reservation of goods"
    next_zh = "请在兑换（redemptions）柜台办理"
    next_en = "Settle it at the redemptions desk"


class LineNotReversible(WrongState):
    """A line of this kind cannot be reversed; another act does what is wanted."""

    code = "line_not_reversible"
    zh = "账户 {account} 第 {line_no} 行是{kind}，不能冲正"
    en = "line {line_no} of account {account} is of the kind {kind}; it cannot be reversed"
    next_zh = "请改为：{instead}"
    next_en = "Instead: {instead}"


class LineTakenBack(WrongState):
    """The parts of a line never add up to more than the line: that much is not left of it."""

    code = "line_taken_back"
    zh = "账户 {account} 第 {line_no} 行尚可冲正 {left}，需要 {wanted}"
    en = "of line {line_no} of account {account} {left} is left to reverse, {wanted} is wanted"
    next_zh = "请核对已冲正的部分"
    next_en = "Look at what was reversed of it before"


class NothingToReverse(WrongState):
    """The voucher wrote no lines into any passbook, or all of them are taken back."""

    code = "nothing_to_reverse"
    zh = "凭证 {voucher} 没有可冲正的明细"
    en = "the voucher {voucher} has no lines left to reverse"
    next_zh = "请核对凭证编号，或办理相应的撤销"
    next_en = "Check its id, or undo the act by its own counterpart"


class GoodsNotGiven(WrongState):
    """The redemption gave out no goods: it is reserved still, or was released, or lapsed."""

    code = "goods_not_given"
    zh = "兑换 {redemption} 状态为 {state}，没有货品可退"
    en = "the redemption {redemption} is {state}; no goods were given out"
    next_zh = "预约请予取消"
    next_en = "Release it if it is reserved"


class GoodsReturned(WrongState):
    """More pieces than are left of the redemption: returned before, they are not refunded again."""

    code = "goods_returned"
    zh = "兑换 {redemption} 尚有 {left} 件可退，需要 {wanted} 件"
    en = "of the redemption {redemption} {left} pieces may be returned, {wanted} are wanted"
    next_zh = "请核对已退回的件数"
    next_en = "Look at what was returned before"


class PolicyNotLater(WrongState):
    """A policy can only be adopted from a day after the newest one of its kind."""

    code = "policy_not_later"
    zh = "规则 {kind} 的生效日 {effective_on} 须晚于现行版本的 {newest_on}"
    en = "a {kind} policy effective {effective_on} must start after the newest one, {newest_on}"
    next_zh = "请改期；已生效的规则不得修改"
    next_en = "Choose a later day; what was in force is never edited"


class PolicyTooLate(WrongState):
    """Days on which the policy would hold were decided on already; those stand."""

    code = "policy_too_late"
    zh = "{effective_on} 起的日子已按原规则 {kind} 办理"
    en = "days from {effective_on} on were decided under the {kind} policy there was"
    next_zh = "请改为 {earliest_on} 或以后生效"
    next_en = "Let it begin on {earliest_on} or later"


class LastAdministrator(WrongState):
    """The head office would be left without an administrator, and nobody could appoint one."""

    code = "last_administrator"
    zh = "{staff} 是总行最后一位管理员"
    en = "{staff} is the last administrator of the head office"
    next_zh = "请先聘任继任者"
    next_en = "Appoint a successor first"
