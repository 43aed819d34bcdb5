"""One file at a time through the bank's desks: which act, which rows, and at what hour."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    EngineError,
    GongyiBankError,
    IdempotencyConflict,
    InsufficientPoints,
    NotPermitted,
    UnknownOutlet,
    WrongTier,
)
from gongyi_bank.identities import IdentityKind
from gongyi_bank.policies import Tariff, TariffRate
from gongyi_bank.receipts.hours import RowOutcome
from gongyi_bank.rules.outlets import TIER_NAMES
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.store.outlets import load_head_office, load_outlets, load_outlets_by_no
from gongyi_bank.store.staff import load_staff
from gongyi_bank.store.stores import load_offers, load_store_numbers
from gongyi_bank.store.takeover import load_late_balances, load_redeemed_refs
from gongyi_bank.takeover.chunks import (
    REFUSED,
    REPLAYED,
    Office,
    Step,
    in_parts,
    is_booked,
    key_of,
    keyed,
    outcomes_of,
    run,
)
from gongyi_bank.takeover.reading import Line, Sheet
from gongyi_bank.takeover.report import RowProblem, StepReport
from gongyi_bank.values import Points

#: Staff codes tell the outlet: a teller's TB09S08-2, a ledger keeper's KB09-1.
_STAFF_CODE = re.compile(r"(?P<role>[TK])(?P<outlet>.+)-[0-9]+")
_ROLES: dict[str, Any] = {"T": "teller", "K": "ledger_keeper"}


# --- outlets -------------------------------------------------------------------------------


def outlets(office: Office, sheet: Sheet, as_at: dt.datetime) -> StepReport:
    """网点: open branches and savings branches in one act; the head office is there already."""
    step = Step(
        name="outlets",
        build=dict,
        act=_open_outlets,
        columns={
            "unknown_outlet": "parent_code", "outlet_closed": "parent_code", "wrong_tier": "tier",
            "idempotency_conflict": "code", "parent": "parent_code",
        },
    )  # fmt: skip
    whole = Office(bank=office.bank, rows_per_chunk=max(sheet.lines, 1), progress=office.progress)
    return run(whole, sheet, step, as_at)


def _open_outlets(counter: Counter, rows: Sequence[dict[str, Any]]) -> list[RowOutcome]:
    head_office = counter.read(load_head_office)
    known = counter.read(lambda tx: load_outlets(tx, [row["code"] for row in rows]))
    above = [facts.parent_no for facts in known.values() if facts.parent_no]
    parents = counter.read(lambda tx: load_outlets_by_no(tx, above)) if above else {}
    tiers = {facts.code: facts.tier for facts in (head_office, *known.values())}
    results: list[RowOutcome | None] = [None] * len(rows)
    new: list[int] = []
    # Parents first, whatever the order of the file.
    for index in sorted(range(len(rows)), key=lambda index: rows[index]["tier"]):
        row = rows[index]
        try:
            if row["code"] in known or row["tier"] == head_office.tier:
                facts = known.get(row["code"])
                parent = parents.get(facts.parent_no or 0) if facts else None
                _require_same_outlet(row, facts, parent.code if parent else None)
                results[index] = RowOutcome(index, None, REPLAYED)
                continue
            _require_place(row, tiers)
        except GongyiBankError as error:
            results[index] = RowOutcome(index, None, REFUSED, error=error)
            continue
        tiers[row["code"]] = row["tier"]
        new.append(index)
    opened = in_parts([rows[index] for index in new], lambda part: _open(counter, part))
    for index, outcome in zip(new, opened, strict=True):
        results[index] = outcome
    return [result for result in results if result is not None]


def _open(counter: Counter, rows: Sequence[dict[str, Any]]) -> list[RowOutcome]:
    if rows:
        counter.outlets.open(
            outlets=tuple(
                NewOutlet(
                    code=row["code"],
                    name=row["name"],
                    parent=row["parent_code"],
                    setting=row["setting"],
                )
                for row in rows
            )
        )
    return outcomes_of([False] * len(rows))


def _require_same_outlet(
    row: dict[str, Any], known: OutletFacts | None, parent: str | None
) -> None:
    """An outlet in the books must be what the row says; a second head office never is."""
    if known is None:
        raise WrongTier(outlet=row["code"], tier=TIER_NAMES[1], wanted=TIER_NAMES[2])
    said = (row["name"], row["tier"], row["parent_code"])
    if said != (known.name, known.tier, parent):
        raise IdempotencyConflict(key=row["code"])


def _require_place(row: dict[str, Any], tiers: dict[str, int]) -> None:
    """A new code under a known parent, one tier below it."""
    if row["code"] in tiers:
        raise IdempotencyConflict(key=row["code"])
    tier = tiers.get(row["parent_code"] or "")
    if tier is None:
        raise UnknownOutlet(outlet=row["parent_code"])
    if tier != row["tier"] - 1:
        wanted = TIER_NAMES[row["tier"] - 1]
        raise WrongTier(outlet=row["parent_code"], tier=TIER_NAMES[tier], wanted=wanted)


# --- stores and offers ---------------------------------------------------------------------


def stores(office: Office, sheet: Sheet, as_at: dt.datetime) -> StepReport:
    """爱心联盟: recruit the partner stores."""
    step = Step(
        name="stores",
        build=lambda values: NewStore(**values),
        act=lambda counter, rows: in_parts(rows, lambda part: _recruit(counter, part)),
        columns={
            "unknown_outlet": "recruited_by", "outlet_closed": "recruited_by",
            "idempotency_conflict": "code", "code_taken": "code",
        },
    )  # fmt: skip
    return run(office, sheet, step, as_at)


def _recruit(counter: Counter, rows: Sequence[NewStore]) -> list[RowOutcome]:
    replayed = set(counter.stores.recruit(stores=tuple(rows)).replayed)
    return outcomes_of([row.code in replayed for row in rows])


def offers(office: Office, sheet: Sheet, as_at: dt.datetime) -> StepReport:
    """兑换品: publish what the stores give for points, with its stock."""
    step = Step(
        name="offers",
        build=lambda values: NewOffer(store=values.pop("store_code"), **values),
        act=lambda counter, rows: in_parts(rows, lambda part: _publish(counter, part)),
        columns={
            "unknown_store": "store_code", "store_closed": "store_code", "store": "store_code",
            "idempotency_conflict": "sku", "code_taken": "sku",
        },
    )  # fmt: skip
    return run(office, sheet, step, as_at)


def _publish(counter: Counter, rows: Sequence[NewOffer]) -> list[RowOutcome]:
    published = counter.stores.publish_offers(offers=tuple(rows)).published
    # The receipt counts and does not name them; so does the report.
    return outcomes_of([index >= published for index in range(len(rows))])


# --- tariff --------------------------------------------------------------------------------


def tariff(office: Office, sheet: Sheet, as_at: dt.datetime) -> StepReport:
    """积分标准: adopt the tariff from the day after, unless it is in force already."""
    report = StepReport(name="tariff")
    wanted, lines = read_tariff(sheet, report)
    if wanted is not None:
        effective_on = as_at.date() + dt.timedelta(days=1)
        bank = office.bank.at(as_at)
        if bank.policies.book().in_force(Tariff, effective_on)[1] == wanted:
            report.replayed += len(lines)
        else:
            _adopt(bank, wanted, effective_on, sheet, lines, report)
    report.problems.sort(key=lambda problem: problem.line)
    office.report("tariff", report.rows, report.rows)
    return report


def read_tariff(sheet: Sheet, report: StepReport) -> tuple[Tariff | None, list[Line]]:
    """The tariff that a file says, and its lines.

    A row that cannot be read, or whose category comes a second time, is reported.
    """
    rates: dict[str, TariffRate] = {}
    lines: list[Line] = []
    for row in sheet.rows():
        report.rows += 1
        if isinstance(row, RowProblem):
            report.refuse(row)
        elif row.values["category"] in rates:
            error = IdempotencyConflict(key=row.values["category"])
            report.refuse(sheet.problem(row.line, "category", row.cells["category"], error))
        else:
            rates[row.values["category"]] = TariffRate(**row.values)
            lines.append(row)
    return (Tariff(rates=tuple(rates.values())) if rates else None), lines


def _adopt(
    bank: Bank,
    wanted: Tariff,
    effective_on: dt.date,
    sheet: Sheet,
    lines: Sequence[Line],
    report: StepReport,
) -> None:
    try:
        bank.policies.adopt(policy=wanted, effective_on=effective_on)
    except EngineError:
        raise
    except GongyiBankError as error:
        for line in lines:
            report.refuse(sheet.problem(line.line, None, None, error))
    else:
        report.taken += len(lines)


# --- customers and their opening balances --------------------------------------------------


def customers(office: Office, sheet: Sheet, moments: Sequence[dt.datetime]) -> StepReport:
    """客户: register the customers, each as at the first of these moments after they joined.

    So nobody's account is older than its voucher says. Whoever joined after the last moment
    is refused.
    """
    step = Step(
        name="customers",
        build=_customer,
        act=lambda counter, rows: in_parts(rows, lambda part: _register(counter, part)),
        columns={
            "unknown_outlet": "outlet_code", "outlet_closed": "outlet_code",
            "wrong_tier": "outlet_code", "idempotency_conflict": "ref", "outlet": "outlet_code",
            "already_registered": "id_no", "document_no": "id_no", "customer": "id_no",
        },
    )  # fmt: skip
    report: StepReport | None = None
    days = [dt.date.min, *(moment.date() for moment in moments[:-1]), dt.date.max]
    for moment, (after, until) in zip(moments, pairwise(days), strict=True):

        def joined(line: Line, after: dt.date = after, until: dt.date = until) -> bool:
            registered_on: dt.date = line.values["registered_on"]
            return after < registered_on <= until

        report = run(office, sheet, step, moment, report, concerns=joined)
    return report or StepReport(name=step.name)


def _customer(values: dict[str, Any]) -> NewCustomer:
    document_no = values["id_no"]
    return NewCustomer(
        kind=values["kind"],
        outlet=values["outlet_code"],
        name=values["name"],
        document_kind=IdentityKind.RESIDENT_ID if document_no else None,
        document_no=document_no,
        birth_on=values["birth_on"],
        phone=values["phone"],
        ref=values["ref"],
        registered_on=values["registered_on"],
    )


def _register(counter: Counter, rows: Sequence[NewCustomer]) -> list[RowOutcome]:
    receipt = counter.customers.register(customers=tuple(rows))
    replayed = set(receipt.replayed)
    return outcomes_of([account in replayed for account in receipt.accounts])


def opening(office: Office, sheet: Sheet, as_at: dt.datetime) -> StepReport:
    """期初: bring the minutes and points of the paper books forward."""
    step = Step(
        name="opening",
        build=lambda values: OpeningRow(**values),
        act=lambda counter, rows: in_parts(
            rows, lambda part: keyed(counter, as_at, part, counter.points.bring_forward)
        ),
        columns={
            "unknown_customer": "customer_ref", "account_closed": "customer_ref",
            "idempotency_conflict": "customer_ref", "already_opened_balance": "customer_ref",
        },
    )  # fmt: skip
    return run(office, sheet, step, as_at)


# --- services ------------------------------------------------------------------------------


def services(office: Office, sheet: Sheet, as_at: dt.datetime, *, name: str) -> StepReport:
    """服务时长: record a month's services as at its end; unknown recorders are appointed."""
    appointing = _Appointing()

    def act(counter: Counter, rows: Sequence[ServiceRow]) -> Sequence[RowOutcome]:
        appointing.appoint_unknown(counter, rows)
        return in_parts(rows, lambda part: keyed(counter, as_at, part, counter.hours.record_many))

    step = Step(name=name, build=_service, act=act, columns=_SERVICE_COLUMNS,
                 staff_columns=("recorded_by", "checked_by"))  # fmt: skip
    return run(office, sheet, step, as_at)


_SERVICE_COLUMNS = {
    "idempotency_conflict": "ref", "unknown_customer": "customer_ref",
    "account_closed": "customer_ref", "unknown_category": "category", "not_positive": "ended_at",
    "too_long": "ended_at", "in_future": "ended_at", "before_registration": "started_at",
    "unknown_outlet": "outlet_code", "outlet_closed": "outlet_code", "four_eyes": "checked_by",
    "overlap": "started_at", "outlet": "outlet_code",
}  # fmt: skip


def _service(values: dict[str, Any]) -> ServiceRow:
    return ServiceRow(outlet=values.pop("outlet_code"), **values)


class _Appointing:
    """聘任: makes the people known whom rows name and the bank does not know yet."""

    def __init__(self) -> None:
        self._may_appoint = True

    def appoint_unknown(self, counter: Counter, rows: Sequence[ServiceRow]) -> None:
        """Appoint them at the outlet in their code; rows of those who cannot be are refused.

        Only an administrator may appoint; under anybody else the rows are refused as well.
        """
        if not self._may_appoint:
            return
        # In the order of the rows, so that staff numbers do not depend on the size of a chunk.
        codes = dict.fromkeys(code for row in rows for code in (row.recorded_by, row.checked_by))
        people = counter.read(lambda tx: load_staff(tx, codes))
        named = {
            code: found
            for code in codes
            if code not in people and (found := _STAFF_CODE.fullmatch(code))
        }
        places = {found["outlet"] for found in named.values()}
        known = counter.read(lambda tx: load_outlets(tx, places)) if places else {}
        appointments = [
            Appointment(code=code, role=_ROLES[found["role"]], outlet=found["outlet"])
            for code, found in named.items()
            if found["outlet"] in known and known[found["outlet"]].is_open
        ]
        if appointments:
            try:
                counter.staff.appoint(appointments=tuple(appointments))
            except NotPermitted:
                self._may_appoint = False


# --- redemptions ---------------------------------------------------------------------------


def redemptions(office: Office, sheet: Sheet, as_at: dt.datetime, *, name: str) -> StepReport:
    """兑换: redeem a month's rows as at its end."""

    def act(counter: Counter, rows: Sequence[RedemptionRow]) -> Sequence[RowOutcome]:
        late = {} if is_booked(counter, key_of(as_at, rows)) else _too_late(counter, rows, as_at)
        sent = [row for index, row in enumerate(rows) if index not in late]
        judged = iter(in_parts(sent, lambda part: _redeem(counter, as_at, part)) if sent else ())
        return [late.get(index) or next(judged) for index in range(len(rows))]

    step = Step(
        name=name,
        build=lambda values: RedemptionRow(store=values.pop("store_code"), **values),
        act=act,
        columns={
            "idempotency_conflict": "ref", "unknown_customer": "customer_ref",
            "account_closed": "customer_ref", "account_frozen": "customer_ref",
            "unknown_store": "store_code", "store_closed": "store_code", "unknown_offer": "sku",
            "offer_withdrawn": "sku", "out_of_stock": "quantity", "store": "store_code",
            "insufficient_points": "quantity",
        },
    )  # fmt: skip
    return run(office, sheet, step, as_at)


def _redeem(
    counter: Counter, as_at: dt.datetime, rows: Sequence[RedemptionRow]
) -> list[RowOutcome]:
    return keyed(counter, as_at, rows, counter.redemptions.redeem_many)


def _too_late(
    counter: Counter, rows: Sequence[RedemptionRow], as_at: dt.datetime
) -> dict[int, RowOutcome]:
    """Rows that only points credited after `as_at` could pay, and that are not in the books.

    The row was refused when the month was taken over. Where its list is judged again, because
    other rows were mended, chunks are of another size or nothing of it was accepted, it must
    not find the points of later months in the book and spend them in this one.
    """
    refs = [row.customer_ref for row in rows if row.customer_ref]
    left = counter.read(lambda tx: load_late_balances(tx, refs, as_at))
    if not left:
        return {}
    done = counter.read(lambda tx: load_redeemed_refs(tx, [row.ref for row in rows if row.ref]))
    numbers = counter.read(lambda tx: load_store_numbers(tx, [row.store for row in rows]))
    keys = {(numbers[row.store], row.sku) for row in rows if row.store in numbers}
    offered = counter.read(lambda tx: load_offers(tx, keys))
    scale = counter.read(lambda tx: tx.bank.scale)
    late = {}
    for index, row in enumerate(rows):
        found = offered.get((numbers.get(row.store, 0), row.sku))
        if row.customer_ref not in left or row.ref in done or found is None:
            continue
        needed = found.points * row.quantity
        if needed <= left[row.customer_ref]:
            left[row.customer_ref] -= needed
            continue
        error = InsufficientPoints(
            account=row.customer_ref,
            available=str(Points.of_units(max(left[row.customer_ref], 0), scale)),
            needed=str(Points.of_units(needed, scale)),
        )
        late[index] = RowOutcome(index, row.ref, REFUSED, error=error)
    return late
