"""Whoever approves, approves one record as it was sent; whoever agrees, agrees to one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.hours import ApproveHours, RefuseHours, VoidHours
from gongyi_bank.errors import IdempotencyConflict, RecordNotWaiting
from gongyi_bank.policies import Tariff, TariffRate
from gongyi_bank.store import tables
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District, at

RECORD, VOUCHER = tables.hour_record, tables.voucher
#: What a decision fills in.
DECIDED = {
    "state", "value_on", "voided_on", "points", "line_no", "policy_id", "decided_voucher_id",
    "voided_voucher_id",
}  # fmt: skip
#: What was sent, with its digest.
SENT = [one for one in RECORD.columns if one.name not in DECIDED]


@pytest.fixture
def district(sqlite_tables_url: str) -> Iterator[District]:
    made = District(sqlite_tables_url)
    yield made
    made.close()


def waiting(district: District, start: str = "10-03 08:00", **fields: Any) -> dict[str, int]:
    """A record that waits for the branch: its account and its number."""
    account = fields.pop("account", None) or district.customer()
    receipt = district.serve(account, start, 481, **fields)
    assert receipt.state == "waiting_branch"
    return {"account": account, "record_no": receipt.record_no}


def row_of(district: District, record: dict[str, int], columns: list[Any]) -> dict[str, Any]:
    """Some columns of a record."""
    which = sa.and_(
        RECORD.c.account_no == record["account"], RECORD.c.record_no == record["record_no"]
    )
    with district.bank.engine.connect() as connection:
        return dict(connection.execute(sa.select(*columns).where(which)).mappings().one())


# --- one record, as it was sent -------------------------------------------------------------------


def approve(district: District, record: dict[str, int]) -> Any:
    return district.acting("K1b").hours.approve(**record)


def refuse(district: District, record: dict[str, int]) -> Any:
    return district.acting("K1b").hours.refuse(**record, reason="不实")


def void(district: District, record: dict[str, int]) -> Any:
    approve(district, record)
    return district.acting("K1").hours.void(**record, reason="误记", second_person="K1b")


def correct(district: District, record: dict[str, int]) -> Any:
    approve(district, record)
    return district.acting("K1").hours.correct(
        **record, reason="时间有误", category="sanitation", started_at=at("10-03 09:00"),
        ended_at=at("10-03 10:00"), recorded_by="T1", checked_by="K1",
    )  # fmt: skip


MEANWHILE: dict[str, tuple[Callable[[District, dict[str, int]], Any], str]] = {
    "approved": (approve, "credited"),
    "refused": (refuse, "refused"),
    "voided": (void, "voided"),
    "corrected": (correct, "voided"),
}


@pytest.mark.parametrize("decide", [approve, refuse])
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_was_decided_meanwhile_is_not_decided_again(
    district: District, meanwhile: str, decide: Callable[[District, dict[str, int]], Any]
) -> None:
    record = waiting(district)
    act, state = MEANWHILE[meanwhile]
    act(district, record)
    before = everything(district.bank)
    with pytest.raises(RecordNotWaiting) as caught:
        decide(district, record)
    assert caught.value.facts["state"] == state
    assert everything(district.bank) == before


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_no_decision_changes_what_was_sent(district: District, meanwhile: str) -> None:
    """So what is approved is what the digest of the row says, whenever it is looked at."""
    record = waiting(district)
    before = row_of(district, record, SENT)
    sent = district.row(record["account"], "10-03 08:00", 481)
    assert before["row_digest"] == sent.digest()
    MEANWHILE[meanwhile][0](district, record)
    assert row_of(district, record, SENT) == before
    found = district.bank.verify()
    assert found.is_clean, str(found)


def test_what_was_sent_cannot_be_changed_under_who_approves_it(district: District) -> None:
    """The database itself refuses, column by column."""
    record = waiting(district)
    before = everything(district.bank)
    for column in SENT:
        other = b"\0" * 32 if column.name.endswith(("digest", "voucher_id")) else "7"
        change = sa.text(f"UPDATE gb_hour_record SET {column.name} = :other")
        refused = pytest.raises(sa.exc.IntegrityError, match="never changed")
        with refused, district.bank.engine.begin() as connection:
            connection.execute(change, {"other": other})
    assert everything(district.bank) == before
    assert approve(district, record).minutes == 481


def test_a_number_once_decided_on_never_names_another_record(district: District) -> None:
    record = waiting(district, ref="A")
    refuse(district, record)
    again = waiting(district, account=record["account"], ref="B")
    assert again["record_no"] == record["record_no"] + 1
    with pytest.raises(IdempotencyConflict):  # nor is its reference one for other hours
        district.serve(record["account"], "10-04 08:00", 60, ref="A")
    assert district.serve(record["account"], "10-03 08:00", 481, ref="A").state == "refused"


def test_a_tariff_of_another_day_changes_nothing_in_what_is_approved(district: District) -> None:
    record = waiting(district)
    dear = TariffRate(category="sanitation", name="环境整治", points_per_hour=Points("9.00"))
    district.clock.advance(days=1)
    district.bank.policies.adopt(
        policy=Tariff(rates=(dear,)), effective_on=district.clock.now.date()
    )
    assert approve(district, record).points == Points("8.01")


# --- one request ----------------------------------------------------------------------------------


def digest_of(district: District, receipt: Any) -> bytes:
    """The digest of the request that a voucher keeps."""
    query = sa.select(VOUCHER.c.request_digest)
    with district.bank.engine.connect() as connection:
        which = VOUCHER.c.voucher_id == receipt.voucher_id.bytes
        return connection.execute(query.where(which)).scalar_one()


def test_the_voucher_of_an_approval_binds_account_and_record(district: District) -> None:
    first = waiting(district)
    second = waiting(district, "10-04 08:00", account=first["account"])
    other = waiting(district)
    assert other["record_no"] == first["record_no"]
    digests = [digest_of(district, approve(district, one)) for one in (first, second, other)]
    assert digests == [ApproveHours(**one).request_digest() for one in (first, second, other)]
    assert len({*digests, RefuseHours(**first, reason="不实").request_digest()}) == 4


def test_the_key_of_an_approval_approves_nothing_else(district: District) -> None:
    first = waiting(district)
    second = waiting(district, "10-04 08:00", account=first["account"])
    elsewhere = waiting(district)
    hours = district.acting("K1b").hours
    receipt = hours.approve(**first, idempotency_key="K")
    before = everything(district.bank)
    assert hours.approve(**first, idempotency_key="K") == receipt
    for another in (second, elsewhere):
        with pytest.raises(IdempotencyConflict):
            hours.approve(**another, idempotency_key="K")
    with pytest.raises(IdempotencyConflict):
        hours.refuse(**first, reason="不实", idempotency_key="K")
    assert everything(district.bank) == before


def test_who_agrees_is_bound_to_the_request_with_its_reason(district: District) -> None:
    """The second person's name and what they agree to are one digest, and one effect."""
    record = waiting(district)
    approve(district, record)
    wish = {**record, "reason": "误记", "second_person": "K1b"}
    hours = district.acting("K1").hours
    receipt = hours.void(**wish, idempotency_key="V")
    assert digest_of(district, receipt) == VoidHours(**wish).request_digest()
    before = everything(district.bank)
    assert hours.void(**wish, idempotency_key="V") == receipt
    for change in ({"second_person": "ADM2"}, {"reason": "重复"}, {"record_no": 2}):
        with pytest.raises(IdempotencyConflict):
            hours.void(**(wish | change), idempotency_key="V")
    assert everything(district.bank) == before
