"""The audit of how things stand, and of what sense tells of the ledger where no hash would.

Some changes are in no hash at all; the others are made as if every hash had been computed anew:
what is asked for here are the faults that sense tells.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.policies import HourLimits
from gongyi_bank.reports import change_checks
from gongyi_bank.reports.faults import Verification
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store import changes, house
from gongyi_bank.store.stay_checks import StrangeStay
from gongyi_bank.store.tables import metadata
from gongyi_bank.values import Points, compose_passbook_no
from tests.district import District
from tests.reports.tampering import HASHES
from tests.reports.test_verification import tampered
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop, new_offer, new_store


class Standing:
    """A district in which everything that stands somehow has changed once."""

    def __init__(self, url: str) -> None:
        self.district = District(url)
        a_shop(self.district, new_offer(sku="A"), new_offer(sku="B"))
        self._stores()
        self._customers()
        self._outlets()
        self.district.clock.advance(days=1)
        self.district.bank.closings.close("2022-10-17")
        self._records()

    def _stores(self) -> None:
        bank = self.district.bank
        bank.stores.withdraw_offer(store="P1", sku="B", reason="停供")
        bank.stores.recruit(stores=[new_store("P2")])
        bank.stores.leave(store="P2", reason="歇业")
        for code in ("X", "Y"):
            bank.pools.open(code=code, name="爱心池", outlet="H")
        bank.pools.close(pool="X", reason="结束")
        bank.policies.adopt(policy=HourLimits(), effective_on=dt.date(2023, 1, 1))

    def _customers(self) -> None:
        district, bank = self.district, self.district.bank
        self.saver = saver(district, 120)
        self.frozen, self.mover, self.gone = (district.customer() for _ in range(3))
        self.sleeper = district.customer(registered_on=dt.date(2019, 1, 1))
        bank.accounts.freeze(account=self.frozen, reason="争议")
        bank.accounts.freeze(account=self.mover, reason="争议")
        bank.accounts.unfreeze(account=self.mover, reason="已了结")
        bank.accounts.mark_dormant(account=self.sleeper)
        bank.accounts.close(account=self.gone, reason="迁出")
        for outlet in ("B02S01", "B01S02"):
            district.clock.advance(days=1)
            bank.customers.move(account=self.mover, outlet=outlet)
        for outlet, own in (("B01S01", self.saver), ("B01S02", self.frozen)):
            new = Appointment(code="T9", role="teller", outlet=outlet, own_account=own)
            bank.staff.appoint(appointments=[new])
        bank.staff.end(code="T9", role="teller", outlet="B01S01", reason="调岗")
        first, last = compose_passbook_no(1), compose_passbook_no(2)
        bank.passbooks.print_stock(count=2)
        for target in ("B01", "B01S01"):
            bank.passbooks.allot(target=target, first=first, last=last)
        bank.passbooks.issue(account=self.saver, outlet="B01S01")
        bank.passbooks.report_loss(account=self.saver, outlet="B01S01", kind="oral")
        bank.passbooks.lift_loss(account=self.saver, outlet="B01S01", reason="找回")

    def _outlets(self) -> None:
        outlets = self.district.bank.outlets
        new = [("B03", "H"), ("B03S01", "B03")]
        outlets.open(outlets=[NewOutlet(code=code, name="新", parent=above) for code, above in new])
        outlets.move(outlet="B03S01", branch="B02")
        for code in ("B03S01", "B03"):
            outlets.close(outlet=code, reason="撤并")

    def _records(self) -> None:
        district, bank = self.district, self.district.bank
        redeem = bank.redemptions.redeem
        redeem(account=self.saver, store="P1", sku="A")
        held = bank.redemptions.reserve(account=self.saver, store="P1", sku="A")
        bank.redemptions.capture(redemption=held.redemption_id)
        district.serve(self.saver, "10-10 08:00", 500)  # waits
        district.serve(self.saver, "10-11 08:00", 60)
        district.acting("K1").hours.correct(
            account=self.saver, record_no=3, category="sanitation", project=None,
            started_at=dt.datetime.fromisoformat("2022-10-11T08:00+08:00"),
            ended_at=dt.datetime.fromisoformat("2022-10-11T08:30+08:00"),
            recorded_by="T1", checked_by="K1", reason="录错",
        )  # fmt: skip


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Standing]:
    """The file of such a district, clean."""
    path = tmp_path_factory.mktemp("standing") / "bank.db"
    standing = Standing(f"sqlite:///{path}")
    assert standing.district.bank.verify().is_clean, str(standing.district.bank.verify())
    standing.district.close()
    return path, standing


def sense(books: tuple[Path, Standing], tmp_path: Path, sql: str) -> dict[str, list[str]]:
    """By kind, where sense finds a fault once somebody has done this."""
    who = {name: value for name, value in vars(books[1]).items() if type(value) is int}
    found = tampered(books, tmp_path, (sql.format(**who), ()))  # type: ignore[arg-type]
    return by_kind(found)


def by_kind(found: Verification) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for fault in found.faults:
        if fault.kind not in HASHES:
            kinds.setdefault(fault.kind, []).append(str(fault))
    return kinds


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "UPDATE gb_customer SET state = 'active' WHERE account_no = {frozen}",
            "账户 {frozen}: active, 2022-10-15, expected frozen, 2022-10-15",
        ),
        (
            "UPDATE gb_customer SET state_since_on = '2020-10-15' WHERE account_no = {sleeper}",
            "账户 {sleeper}: dormant, 2020-10-15, expected dormant, 2022-10-15",
        ),
        (
            "UPDATE gb_customer SET state = 'frozen' WHERE account_no = {saver}",
            "账户 {saver}: frozen, 2022-01-01, expected nothing told of it",
        ),
        (
            "UPDATE gb_customer SET state = 'active', closed_on = NULL,"
            " state_since_on = registered_on WHERE account_no = {gone}",
            "账户 {gone}: as at first, expected closed, 2022-10-15",
        ),
        ("UPDATE gb_staff_role SET ended_on = NULL", "岗位 11 1: as at first, expected 2022-10-17"),
        (
            "UPDATE gb_staff_role SET ended_on = '2022-10-18' WHERE staff_no = 5",
            "岗位 5 1: 2022-10-18, expected nothing told of it",
        ),
        (
            "UPDATE gb_staff SET own_account_no = {saver} WHERE code = 'T9'",
            "人员 11: {saver}, expected {frozen}",
        ),
        ("UPDATE gb_staff SET own_account_no = NULL", "人员 11: as at first, expected {frozen}"),
        ("UPDATE gb_partner_store SET left_on = NULL", "商家 2: as at first, expected 2022-10-15"),
        (
            "UPDATE gb_partner_store SET left_on = '2022-10-16' WHERE code = 'P1'",
            "商家 1: 2022-10-16, expected nothing told of it",
        ),
        ("UPDATE gb_offer SET state = 'listed'", "兑换品 1 B: as at first, expected withdrawn"),
        ("UPDATE gb_pool SET state = 'closed'", "积分池 2: closed, expected nothing told of it"),
    ],
)
def test_a_state_that_no_voucher_tells_is_found_and_named(
    books: tuple[Path, Standing], tmp_path: Path, sql: str, said: str
) -> None:
    who = vars(books[1])
    assert f"changes @ {said.format(**who)}" in sense(books, tmp_path, sql)["changes"]


def test_many_states_that_differ_are_counted_beyond_a_few(
    books: tuple[Path, Standing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_checks, "_LOOKED_AT_MAX", 1)
    sql = "UPDATE gb_customer SET state = 'frozen' WHERE state = 'active'"
    named, counted = sense(books, tmp_path, sql)["changes"]
    assert named.startswith("changes @ 账户")
    assert "more of 1024 sums differ" in counted


def test_states_are_told_alike_whatever_the_batches(
    books: tuple[Path, Standing], monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = Bank.open(f"sqlite:///{books[0]}")
    for size in (1, 2, 5):
        monkeypatch.setattr(changes, "ROWS_MAX", size)
        monkeypatch.setattr(house, "ROWS_MAX", size)
        assert bank.verify().is_clean
    bank.close()


MOVED = "UPDATE gb_customer_stay SET {change} WHERE account_no = {{mover}} AND stay_no = {number}"


@pytest.mark.parametrize(
    ("number", "change", "expected"),
    [
        (2, "since_on = '2022-10-20'", "expected since 2022-10-16"),
        (2, "since_on = '2022-10-01'", "expected since 2022-10-16"),
        (3, "since_on = '2022-10-16'", "expected since 2022-10-17"),
        (2, "stay_no = 9", "expected numbered from 1 without a gap"),
        (1, "since_on = '2021-12-31'", "expected from 2022-01-01 to 2022-10-15"),
        (1, "since_on = '2022-10-19'", "expected from 2022-01-01 to 2022-10-15"),
        (2, "outlet_no = 1001", "expected at an outlet of tier 3"),
        (2, "outlet_no = 4711", "expected at an outlet of tier 3"),
        (2, "voucher_id = zeroblob(16)", "expected a voucher"),
    ],
)
def test_a_stay_of_a_customer_that_cannot_be_is_found(
    books: tuple[Path, Standing], tmp_path: Path, number: int, change: str, expected: str
) -> None:
    found = sense(books, tmp_path, MOVED.format(change=change, number=number))
    assert any(text.endswith(expected) for text in found["customer_stay"]), found


def test_a_stay_that_is_gone_leaves_a_gap(books: tuple[Path, Standing], tmp_path: Path) -> None:
    for number in (1, 2, 3):
        sql = f"DELETE FROM gb_customer_stay WHERE account_no = {{mover}} AND stay_no = {number}"
        assert "customer_stay" in sense(books, tmp_path, sql)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("since_on = '2022-10-01' WHERE outlet_no = 1008 AND stay_no = 2", "since 2022-10-17"),
        ("since_on = '2022-10-14' WHERE outlet_no = 1003", "from 2022-10-15 to 2022-10-15"),
        ("parent_no = 1003 WHERE outlet_no = 1008 AND stay_no = 1", "at an outlet of tier 2"),
    ],
)
def test_a_stay_of_an_outlet_that_cannot_be_is_found(
    books: tuple[Path, Standing], tmp_path: Path, change: str, expected: str
) -> None:
    found = sense(books, tmp_path, f"UPDATE gb_outlet_stay SET {change}")
    assert any(text.endswith(expected) for text in found["outlet_stay"]), found


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("UPDATE gb_customer SET outlet_no = 1008 WHERE account_no = {mover}", "1 accounts"),
        ("UPDATE gb_passbook SET outlet_no = 1007 WHERE state = 'blank'", "1 blank passbooks"),
        ("UPDATE gb_hour_record SET outlet_no = 1008", "1 waiting records"),
        ("UPDATE gb_staff_role SET outlet_no = 1008 WHERE staff_no = 6", "1 staff roles"),
        ("UPDATE gb_partner_store SET recruited_by_no = 1008", "1 partner stores"),
        ("UPDATE gb_pool SET outlet_no = 1007", "1 pools"),
    ],
)
def test_what_is_open_at_a_closed_outlet_is_found(
    books: tuple[Path, Standing], tmp_path: Path, sql: str, left: str
) -> None:
    found = sense(books, tmp_path, sql)["outlet_left"]
    assert any(f": {left}, expected nothing open" in text for text in found), found


@pytest.mark.parametrize("day", ["2022-10-16", "2022-10-18"])
@pytest.mark.parametrize("code", ["B03", "B03S01"])
def test_another_day_of_closing_is_found(
    books: tuple[Path, Standing], tmp_path: Path, code: str, day: str
) -> None:
    sql = f"UPDATE gb_outlet SET closed_on = '{day}' WHERE code = '{code}'"
    told = f"outlet_closed @ 网点 {code}: {day}, expected 2022-10-17"
    assert sense(books, tmp_path, sql) == {"outlet_closed": [told]}


def test_an_outlet_was_closed_by_the_last_act_that_did_so(district: District) -> None:
    """It was closed before, and moved since; the host that closed it is behind, too."""
    outlets, clock = district.bank.outlets, district.clock
    behind = district.bank.at(clock.now)
    for act in (
        lambda: outlets.close(outlet="B02S02", reason="撤并"),
        lambda: outlets.reopen(outlet="B02S02"),
        lambda: outlets.move(outlet="B02S02", branch="B01"),
        lambda: behind.outlets.close(outlet="B02S02", reason="撤并"),
        lambda: outlets.move(outlet="B02S02", branch="B02"),
    ):
        clock.advance(days=1)
        act()
        found = district.bank.verify()
        assert found.is_clean, str(found)
    table = metadata.tables["gb_outlet"]
    is_it = table.c.code == "B02S02"
    with district.bank.engine.connect() as connection:
        (closed_on,) = connection.scalars(sa.select(table.c.closed_on).where(is_it))
    assert closed_on == dt.date(2022, 10, 15)
    for day in (16, 18, 20):
        with district.bank.engine.begin() as connection:
            said = dt.date(2022, 10, day)
            connection.execute(sa.update(table).where(is_it).values(closed_on=said))
        (fault,) = district.bank.verify().faults
        assert (fault.kind, fault.expected) == ("outlet_closed", "2022-10-15")


def test_an_account_at_an_outlet_that_was_closed_behind_its_back_is_found(
    books: tuple[Path, Standing], tmp_path: Path
) -> None:
    """The state of the outlet itself is changed, in every place that says it."""
    closed = "SET state = 'closed', closed_on = '2022-10-18' WHERE outlet_no = 1003"
    outlet = (f"UPDATE gb_outlet {closed}", ())
    stay = ("UPDATE gb_outlet_stay SET state = 'closed' WHERE outlet_no = 1003", ())
    found = by_kind(tampered(books, tmp_path, outlet, stay))  # type: ignore[arg-type]
    assert found.keys() == {"outlet_left"}
    assert [text.split(": ")[1].split(",")[0] for text in found["outlet_left"]] == [
        "3 accounts", "1 blank passbooks", "1 partner stores", "2 staff roles", "1 waiting records",
    ]  # fmt: skip


STORE = internal_no("store", 1)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE gb_account SET kind = 'returned' WHERE kind = 'issued'", "account"),
        ("UPDATE gb_account SET outlet_no = 1004 WHERE account_no = {saver}", "account"),
        (f"UPDATE gb_account SET outlet_no = 1004 WHERE account_no = {STORE}", "account"),
        ("DELETE FROM gb_account WHERE kind = 'brought_forward' AND outlet_no = 1008", "account"),
        ("UPDATE gb_redemption SET store_no = 2, sku = 'A'", "redemption_store"),
        ("UPDATE gb_redemption SET redeemed_on = '2022-10-17'", "redemption_day"),
        (
            "UPDATE gb_redemption SET voucher_id = (SELECT voucher_id FROM gb_hold)",
            "redemption_voucher",
        ),
        ("UPDATE gb_hour_record SET service_on = '2022-10-02' WHERE record_no = 1", "record_day"),
        ("UPDATE gb_hour_record SET value_on = '2022-10-04' WHERE record_no = 1", "record_day"),
        ("UPDATE gb_hour_record SET outlet_no = 1004 WHERE record_no = 1", "record_day"),
        ("UPDATE gb_account_line SET value_on = '2022-10-04' WHERE line_no = 1", "record_day"),
        ("UPDATE gb_account_line SET origin_on = '2022-10-01' WHERE line_no = 1", "record_day"),
        ("UPDATE gb_account_line SET policy_id = 1 WHERE line_no = 1", "record_tariff"),
        ("UPDATE gb_hour_record SET first_state = 'credited'", "record_state"),
        ("UPDATE gb_hour_record SET first_state = 'waiting_branch'", "record_state"),
        ("UPDATE gb_hour_record SET replaces_record_no = 1 WHERE record_no = 4", "record_replaces"),
        (
            "UPDATE gb_hour_record SET started_at = '2022-10-03T00:00:00.000000+00:00',"
            " ended_at = '2022-10-03T00:30:00.000000+00:00', service_on = '2022-10-03',"
            " value_on = '2022-10-03' WHERE record_no = 4",
            "record_overlap",
        ),
        ("UPDATE gb_account_line SET business_day = '2022-10-16' WHERE line_no = 1", "line_day"),
        (
            "UPDATE gb_account_line SET booked_at = '2022-10-15T03:59:00.000000+00:00'"
            " WHERE line_no = 1",
            "line_day",
        ),
        ("DELETE FROM gb_account_total", "account_total"),
        ("UPDATE gb_voucher SET staff_no = 77", "disagreement"),
        ("UPDATE gb_voucher SET second_staff_no = 77", "disagreement"),
        ("UPDATE gb_voucher SET outlet_no = 77", "disagreement"),
        ("UPDATE gb_hour_record SET voided_voucher_id = zeroblob(16)", "disagreement"),
        ("UPDATE gb_hold SET placed_at = '2022-10-18T03:59:00.000000+00:00'", "disagreement"),
        ("UPDATE gb_loss_report SET passbook_no = passbook_no + 9", "disagreement"),
        ("UPDATE gb_passbook SET account_no = {mover} WHERE state = 'in_use'", "disagreement"),
        ("UPDATE gb_outlet SET opened_on = '2022-10-14'", "disagreement"),
        ("UPDATE gb_staff_role SET since_on = '2022-10-14'", "disagreement"),
        ("UPDATE gb_policy SET effective_on = '1899-01-01' WHERE policy_id > 10", "disagreement"),
        ("UPDATE gb_seal SET closing_no = 2", "reference"),
        ("UPDATE gb_customer SET registered_on = '2022-10-30'", "customer_stay"),
        ("DELETE FROM gb_voucher WHERE act = 'outlets.move'", "reference"),
        ("UPDATE gb_account_line SET contra_no = contra_no + 90", "reference"),
    ],
)
def test_sense_tells_what_hashes_would_have_told(
    books: tuple[Path, Standing], tmp_path: Path, sql: str, kind: str
) -> None:
    assert kind in sense(books, tmp_path, sql)


def test_a_stay_at_an_outlet_that_another_clock_opened_is_no_fault(district: District) -> None:
    """The outlet was opened by a host ahead of midnight, the customer comes by one behind it."""
    ahead = district.bank.at(dt.datetime.fromisoformat("2022-10-16T00:01+08:00"))
    ahead.outlets.open(outlets=[NewOutlet(code="B01S09", name="新", parent="B01")])
    account = district.customer("B01S09", registered_on=dt.date(2022, 10, 15))
    assert district.bank.reports.balance(account) == Points(0)
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_sealed_changes_are_not_told_to_who_trusts_the_root(tmp_path: Path) -> None:
    """Their vouchers are not read, so states that they led to are nobody's fault."""
    standing = Standing(f"sqlite:///{tmp_path / 'bank.db'}")
    bank = standing.district.bank
    with bank.engine.connect() as connection:
        root = connection.scalar(sa.text("SELECT root FROM gb_seal"))
    assert bank.verify(since=1, trusted_root=root.hex()).is_clean
    assert bank.verify(since="last_seal").is_clean
    standing.district.close()


@pytest.mark.parametrize(("days", "is_told"), [(31, False), (32, True)])
def test_an_outlet_that_was_not_there_yet_is_told_beyond_what_clocks_may_differ(
    days: int, is_told: bool
) -> None:
    booked_on = dt.date(2022, 10, 15)
    stay = StrangeStay(
        owner_no=1, stay_no=1, since_on=booked_on, earlier_on=None, booked_on=booked_on, tier=3,
        opened_on=booked_on + dt.timedelta(days=days), begun_on=booked_on, own_tier=3,
    )  # fmt: skip
    wanted = "at an outlet that was there on 2022-10-15" if is_told else None
    assert stay.expected() == wanted
