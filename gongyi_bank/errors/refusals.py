"""Refusals because something is not in the books, not permitted, or declined by a rule."""

from __future__ import annotations

from gongyi_bank.errors.base import GongyiBankError


class Refused(GongyiBankError):
    """A well-formed wish that the rules decline. Nothing was written."""

    code = "refused"


class NotFound(Refused):
    """The thing named is not in this bank's books."""

    code = "not_found"


class UnknownBank(NotFound):
    """No bank of this name in this database."""

    code = "unknown_bank"
    zh = "此数据库中没有公益银行 {bank}"
    en = "there is no bank {bank} in this database"
    next_zh = "请核对名称，或用 Bank.found 新建"
    next_en = "Check the name, or create it with Bank.found"


class UnknownOutlet(NotFound):
    """No outlet with this code."""

    code = "unknown_outlet"
    zh = "没有网点 {outlet}"
    en = "there is no outlet {outlet}"
    next_zh = "请核对网点代码"
    next_en = "Check the outlet code"


class UnknownStaff(NotFound):
    """No staff member with this code, or one who has left."""

    code = "unknown_staff"
    zh = "没有在岗人员 {staff}"
    en = "there is no staff member {staff} in service"
    next_zh = "请管理员先行聘任"
    next_en = "Ask an administrator to appoint them"


class UnknownCustomer(NotFound):
    """No account with this number or reference."""

    code = "unknown_customer"
    zh = "没有客户或账户 {account}"
    en = "there is no customer or account {account}"
    next_zh = "请核对账号，或先开户"
    next_en = "Check the number, or open the account first"


class UnknownCategory(NotFound):
    """The tariff in force that day has no such service category."""

    code = "unknown_category"
    zh = "{day} 施行的积分标准没有服务类别 {category}"
    en = "the tariff in force on {day} has no category {category}"
    next_zh = "请核对类别，或由总行发布新标准"
    next_en = "Check the category, or adopt a tariff that has it"


class UnknownStore(NotFound):
    """No partner store with this code."""

    code = "unknown_store"
    zh = "没有联盟商家 {store}"
    en = "there is no partner store {store}"
    next_zh = "请核对商家代码"
    next_en = "Check the store code"


class UnknownPool(NotFound):
    """No pool with this code."""

    code = "unknown_pool"
    zh = "没有积分池 {pool}"
    en = "there is no pool {pool}"
    next_zh = "请核对积分池代码，或先设立"
    next_en = "Check the pool's code, or open it first"


class UnknownOffer(NotFound):
    """The store does not offer this article."""

    code = "unknown_offer"
    zh = "商家 {store} 没有兑换品 {sku}"
    en = "store {store} has no offer {sku}"
    next_zh = "请核对货号"
    next_en = "Check the article number"


class UnknownRecord(NotFound):
    """No hour record with this reference or number."""

    code = "unknown_record"
    zh = "没有服务时长记录 {record}"
    en = "there is no hour record {record}"
    next_zh = "请核对记录编号"
    next_en = "Check the record's number"


class UnknownRedemption(NotFound):
    """No redemption with this id or reference."""

    code = "unknown_redemption"
    zh = "没有兑换 {redemption}"
    en = "there is no redemption {redemption}"
    next_zh = "请核对兑换编号"
    next_en = "Check the redemption's id"


class UnknownHold(NotFound):
    """No hold with this id."""

    code = "unknown_hold"
    zh = "没有预留 {hold}"
    en = "there is no hold {hold}"
    next_zh = "请核对预留编号"
    next_en = "Check the hold's id"


class UnknownPassbook(NotFound):
    """No passbook with this serial number, or none at that outlet."""

    code = "unknown_passbook"
    zh = "没有存折 {serial}"
    en = "there is no passbook {serial}"
    next_zh = "请核对存折号"
    next_en = "Check the passbook's serial number"


class UnknownPolicy(NotFound):
    """No policy of this kind is in force on that day."""

    code = "unknown_policy"
    zh = "{day} 没有施行中的规则 {kind}"
    en = "no policy {kind} is in force on {day}"
    next_zh = "请总行先发布该规则"
    next_en = "Adopt one first"


class UnknownLine(NotFound):
    """The account has no line with this number."""

    code = "unknown_line"
    zh = "账户 {account} 没有第 {line_no} 行"
    en = "account {account} has no line {line_no}"
    next_zh = "请核对行号"
    next_en = "Check the line number"


class UnknownVoucher(NotFound):
    """No voucher with this id."""

    code = "unknown_voucher"
    zh = "没有凭证 {voucher}"
    en = "there is no voucher {voucher}"
    next_zh = "请核对凭证编号"
    next_en = "Check the voucher's id"


class NotAVolunteer(Refused):
    """Volunteer stars are for volunteers: an organisation or a household has none."""

    code = "not_a_volunteer"
    zh = "账户 {account} 属于 {kind}，不参加志愿者星级评定"
    en = "the account {account} is of the kind {kind}; volunteer stars are for volunteers"
    next_zh = "请查询志愿者账户"
    next_en = "Ask for a volunteer's account"


class NotPermitted(Refused):
    """The staff member's roles do not allow this act at this outlet."""

    code = "not_permitted"
    zh = "{staff} 无权在 {outlet} 办理 {act}"
    en = "{staff} may not do {act} at {outlet}"
    next_zh = "请由 {roles} 办理"
    next_en = "It takes: {roles}"


class FourEyesRequired(NotPermitted):
    """Maker and checker are the same person, or one decides on their own hours."""

    code = "four_eyes"
    zh = "{act} 须由两人经办，{staff} 不能既经办又复核"
    en = "{act} takes two people: {staff} cannot be both"
    next_zh = "请另一人复核"
    next_en = "Have another person check it"


class RowRefused(Refused):
    """A service row or a redemption row that a rule declines."""

    code = "row_refused"


class ServiceNotPositive(RowRefused):
    """The service ends before its first minute is over, at its start or before it."""

    code = "not_positive"
    zh = "服务自 {started_at} 至 {ended_at}，不足一分钟"
    en = "the service from {started_at} to {ended_at} is less than a minute long"
    next_zh = "请更正起止时间"
    next_en = "Correct the times"


class ServiceTooLong(RowRefused):
    """One record spans more minutes than the hour limits allow at all."""

    code = "too_long"
    zh = "单次服务 {minutes} 分钟，超过上限 {minutes_max}"
    en = "a single service of {minutes} minutes exceeds {minutes_max}"
    next_zh = "请按班次分别登记"
    next_en = "Record each shift by itself"


class ServiceInFuture(RowRefused):
    """The service ends after the bank's clock."""

    code = "in_future"
    zh = "服务结束时间 {ended_at} 晚于现在 {now}"
    en = "the service ends at {ended_at}, after now ({now})"
    next_zh = "请在服务结束后登记"
    next_en = "Record it when it is over"


class ServiceBeforeRegistration(RowRefused):
    """The service was given before the customer registered."""

    code = "before_registration"
    zh = "服务日 {service_on} 早于登记日 {registered_on}"
    en = "the service on {service_on} is before the registration on {registered_on}"
    next_zh = "登记前的服务不予记录"
    next_en = "Service before registration is not recorded"


class ServiceOverlap(RowRefused):
    """The time overlaps a record of the same customer that is credited or waiting."""

    code = "overlap"
    zh = "与记录 {other} 的时间重叠"
    en = "the time overlaps the record {other}"
    next_zh = "请核对起止时间"
    next_en = "Check the times"


class OutOfStock(RowRefused):
    """The store has fewer pieces left than asked for."""

    code = "out_of_stock"
    zh = "{sku} 只剩 {left} 件，需要 {wanted} 件"
    en = "{sku}: {left} left, {wanted} wanted"
    next_zh = "请减少数量或另选"
    next_en = "Take fewer, or choose another"


class HoldExceeded(RowRefused):
    """More points are captured than the hold still has."""

    code = "hold_exceeded"
    zh = "预留 {hold} 只剩 {left}，需要 {wanted}"
    en = "the hold {hold} has {left} points left, {wanted} are wanted"
    next_zh = "请减少积分；超出部分另行办理"
    next_en = "Capture fewer; what exceeds the hold is an act of its own"


class HoldTooLong(RowRefused):
    """The deadline lies beyond the longest life that the policy gives a hold."""

    code = "hold_too_long"
    zh = "期限 {deadline_at} 超过最迟期限 {latest_at}"
    en = "the deadline {deadline_at} is beyond {latest_at}, the latest that is allowed"
    next_zh = "请缩短期限；到期后可另行预留"
    next_en = "Choose an earlier one; when it is over, the points can be held anew"


class ReservationExceeded(RowRefused):
    """More pieces are captured than the reservation still has."""

    code = "reservation_exceeded"
    zh = "预约 {redemption} 只剩 {left} 件，需要 {wanted} 件"
    en = "the reservation {redemption} has {left} pieces left, {wanted} are wanted"
    next_zh = "请减少数量；超出部分另行兑换"
    next_en = "Capture fewer; redeem the others by themselves"


class InsufficientPoints(RowRefused):
    """The points that may be spent now are fewer than needed."""

    code = "insufficient_points"
    zh = "账户 {account} 可用积分 {available}，需要 {needed}"
    en = "the account {account} has {available} points available, {needed} are needed"
    next_zh = "请减少所需积分，或待积分足够时再办"
    next_en = "Ask for fewer points, or do it when there are enough"


class PoolShort(InsufficientPoints):
    """The pool has fewer points than it should give."""

    code = "pool_short"
    zh = "积分池 {pool} 可用积分 {available}，需要 {needed}"
    en = "the pool {pool} has {available} points available, {needed} are needed"
    next_zh = "请减少拨付，或待捐入后再办"
    next_en = "Grant fewer, or wait for donations"


class TransferNotAllowed(RowRefused):
    """The transfer rules do not let this account give, or that one receive, in this way."""

    code = "transfer_not_allowed"
    zh = "按转赠规则，账户 {account} 不能办理{purpose}：{why}"
    en = "the transfer rules do not allow account {account} this {purpose}: {why}"
    next_zh = "请改为规则允许的对象，或由总行调整规则"
    next_en = "Choose what the rules allow, or let the head office adopt others"


class TransferLimitReached(RowRefused):
    """The account would give more in a month or a year than the transfer rules allow."""

    code = "transfer_limit"
    zh = "账户 {account} {period}{purpose}上限 {limit}，已用 {used}，本次 {wanted}"
    en = "account {account} may give {limit} ({purpose}, {period}): {used} used, {wanted} wanted"
    next_zh = "请减少，或待下一期再办"
    next_en = "Give less, or wait for the next period"


class PoolLimitReached(TransferLimitReached):
    """The pool would grant more in a month or a year than the transfer rules allow."""

    code = "pool_limit"
    zh = "积分池 {pool} {period}拨付上限 {limit}，已用 {used}，本次 {wanted}"
    en = "the pool {pool} may grant {limit} ({period}): {used} used, {wanted} wanted"
    next_zh = "请减少拨付，或待下一期再办"
    next_en = "Grant less, or wait for the next period"


class GranteeLimitReached(TransferLimitReached):
    """The account would be granted more in a month or a year than the transfer rules allow."""

    code = "grantee_limit"
    zh = "账户 {account} {period}受拨上限 {limit}，已用 {used}，本次 {wanted}"
    en = "account {account} may be granted {limit} ({period}): {used} used, {wanted} wanted"
    next_zh = "请减少拨给该账户的积分，或待下一期再办"
    next_en = "Grant that account less, or wait for the next period"


class GiftedPointsStay(RowRefused):
    """Points that came as a gift would be given on, which the transfer rules do not allow."""

    code = "gifted_points_stay"
    zh = "账户 {account} 最早的积分中有 {gifted} 为受赠所得，不得再转赠"
    en = (
        "of the oldest points of account {account}, {gifted} came as a gift and may not be given on"
    )
    next_zh = "受赠积分请先用于兑换或捐赠"
    next_en = "Redeem or donate the gifted points first"


class NothingToTakeOver(RowRefused):
    """The account already has lines or hours: an opening balance comes first or not at all."""

    code = "already_opened_balance"
    zh = "账户 {account} 已有记录，不能再登记期初余额"
    en = "the account {account} already has entries; an opening balance must come first"
    next_zh = "请改用人工入账"
    next_en = "Use a manual grant"
