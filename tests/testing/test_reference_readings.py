"""What can be read at the reference's desks is what the bank shows; the rest is refused by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest

from gongyi_bank import errors
from gongyi_bank.bank import Bank, Counter, Desks
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.periods import Period
from gongyi_bank.policies import Tariff
from gongyi_bank.testing import ReferenceBank, Story, small_district, small_reference
from gongyi_bank.testing.machine.shown import Form
from gongyi_bank.testing.reference import comparable
from gongyi_bank.testing.reference.readings import ABSENT, READINGS
from gongyi_bank.values import Points, compose_account_no
from tests.acts import ACTS
from tests.refusals import RULES, redeem, saver, shop
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_house import MORE

Reading = Callable[[Any], Any]
CASES = ACTS | MORE
#: What leaves something behind for every reading; the other acts come in the long form.
FEW = [
    name
    for name in sorted(CASES)
    if name.partition(".")[0] in ("holds", "redemptions")
    or name in ("closings.announce", "hours.approve", "hours.correct", "hours.record",
                "outlets.move", "outlets.open", "passbooks.report_loss", "passbooks.spoil",
                "points.grant", "staff.end", "stores.leave", "stores.withdraw_offer",
                "transfers.donate", "transfers.grant")
]  # fmt: skip
#: What answers with a number or a book, which is never empty.
SCALARS = {"customers.account_of", "policies.book", "pools.balance", "reports.balance",
           "reports.balances"}  # fmt: skip
NOBODY = compose_account_no(1002, 9999)
LATER = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
DAYS = (dt.date(2022, 10, 1), dt.date(2022, 10, 14))
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)


@pytest.fixture
def mirrored() -> Iterator[MirroredDistrict]:
    made = MirroredDistrict("sqlite://", policies=RULES)
    yield made
    made.close()


def shown(house: Any, pairs: dict[UUID, UUID], read: Callable[[Any], Any]) -> Any:
    """What a reading answers, in the form in which the machine compares it."""
    try:
        said = read(house)
    except errors.GongyiBankError as refusal:
        said = refusal
    return Form(pairs, {}).of(said)


def readings(accounts: list[int], pools: Iterable[str] = ()) -> dict[str, list[Reading]]:
    """Ways to ask for everything that the reference can be asked for, by desk and method."""
    return registers(accounts, pools) | reports(accounts, pools) | ratings(accounts[0])


def registers(accounts: list[int], pools: Iterable[str]) -> dict[str, list[Reading]]:
    """The readings of the desks about their own things."""
    per_account = [*accounts, NOBODY]
    return {
        "closings.register": [
            *by_outlet(lambda bank, code: bank.closings.register(code)),
            lambda bank: bank.closings.register(newest=0),
        ],
        "customers.account_of": [
            lambda bank, ref=ref: bank.customers.account_of(ref) for ref in ("C9", "C8", "no one")
        ],
        "holds.list": [
            lambda bank: bank.holds.list(),
            lambda bank: bank.holds.list(count_max=1),
            lambda bank: bank.holds.list(after=(LATER, UUID(int=0))),
            lambda bank: bank.holds.list(after=3),
        ],
        "holds.of": [lambda bank, no=no: bank.holds.of(no) for no in per_account]
        + [lambda bank: bank.holds.of(accounts[0], count_max=0)],
        "hours.of": [lambda bank, no=no: bank.hours.of(no, newest=3) for no in per_account]
        + [lambda bank: bank.hours.of(accounts[0], before=2)]
        + [lambda bank: bank.hours.of(accounts[0], before="2")]
        + [lambda bank: bank.hours.of(accounts[0], newest=1001)],
        "hours.waiting": by_outlet(lambda bank, code: bank.hours.waiting(code)),
        "outlets.tree": by_outlet(lambda bank, code: bank.outlets.tree(code)),
        "passbooks.of": [lambda bank, no=no: bank.passbooks.of(no) for no in per_account],
        "passbooks.stock": by_outlet(lambda bank, code: bank.passbooks.stock(code)),
        "policies.book": [lambda bank: bank.policies.book().history(Tariff.kind)],
        "pools.balance": [
            lambda bank, code=code: bank.pools.balance(code) for code in (*pools, "NO", "")
        ],
        "pools.list": [lambda bank: bank.pools.list()],
        "redemptions.of": [lambda bank, no=no: bank.redemptions.of(no) for no in per_account]
        + [lambda bank: bank.redemptions.of(accounts[0], count_max="all")],
        "redemptions.reserved": [
            lambda bank: bank.redemptions.reserved(),
            lambda bank: bank.redemptions.reserved("P1", account=accounts[0]),
            lambda bank: bank.redemptions.reserved("NO"),
        ],
        "staff.roles": [lambda bank: bank.staff.roles(), lambda bank: bank.staff.roles(ended=True)],
        "stores.offers": [
            lambda bank, code=code: bank.stores.offers(code) for code in (None, "P1", "NO", "")
        ],
    }  # fmt: skip


def reports(accounts: list[int], pools: Iterable[str]) -> dict[str, list[Reading]]:
    """The reports, and what a book's page and a pool's account say."""
    account, last = accounts[0], DAYS[1]
    lines = [(account, no) for no in (1, 2, 0, 99, "1")] + [(NOBODY, 1), (accounts[-1], 1)]
    pages: list[dict[str, Any]] = [
        {}, {"newest": 1}, {"before_line": 2}, {"before_line": 0}, {"between": DAYS},
        {"between": DAYS[::-1]}, {"between": last}, {"as_of": last}, {"as_of": NOON},
        {"as_of": "now"}, {"newest": 0},
    ]  # fmt: skip
    return {
        "passbooks.page": [
            lambda bank, page=page: bank.passbooks.page(account, **page)
            for page in ({}, {"page_no": 1, "show_name": True}, {"page_no": 99}, {"page_no": "1"})
        ] + [lambda bank: bank.passbooks.page(NOBODY)],
        "pools.statement": [
            lambda bank, code=code: bank.pools.statement(code, newest=2) for code in (*pools, "NO")
        ],
        "reports.balance": [
            lambda bank, no=no, moment=moment: bank.reports.balance(no, as_of=moment)
            for no in (account, NOBODY) for moment in (None, last, NOON, "now")
        ],
        "reports.balance_as_of": [
            lambda bank, day=day: bank.reports.balance_as_of(account, day) for day in (*DAYS, NOON)
        ] + [lambda bank: bank.reports.balance_as_of(NOBODY, last)],
        "reports.balances": [
            lambda bank: bank.reports.balances(accounts),
            lambda bank: bank.reports.balances([account, NOBODY]),
            lambda bank: bank.reports.balances("1"),
        ],
        "reports.clearing": [
            lambda bank, day=day: bank.reports.clearing(day) for day in (None, last, NOON)
        ],
        "reports.customer_summary": [
            lambda bank, no=no: bank.reports.customer_summary(no) for no in (*accounts, NOBODY)
        ],
        "reports.expiry_schedule": [
            lambda bank, no=no: bank.reports.expiry_schedule(no) for no in (*accounts, NOBODY)
        ],
        **{
            f"reports.{verb}": [
                lambda bank, verb=verb, at=at: getattr(bank.reports, verb)(*at) for at in lines
            ]
            for verb in ("explain", "proof", "provenance", "spent_on")
        },
        "reports.ledger_book": [
            lambda bank, of=of: bank.reports.ledger_book(*of, names=len(of) == 1)
            for of in (["H"], ["B01", "2022-10"], ["B01S01", "2022"], ["H", "9"], ["NO"])
        ],
        "reports.statement": [
            lambda bank, page=page: bank.reports.statement(account, **page) for page in pages
        ] + [lambda bank: bank.reports.statement(NOBODY)],
        "reports.totals": [
            lambda bank, dating=dating: bank.reports.totals(account, DAYS, dating=dating)
            for dating in ("booking", "value", "hope")
        ] + [lambda bank: bank.reports.totals(NOBODY, DAYS)],
        "reports.trial_balance": [
            lambda bank, of=of: bank.reports.trial_balance(*of)
            for of in ([], ["B01"], [None, last], ["B01S01", NOON.date()], [None, NOON], ["NO"])
        ],
    }  # fmt: skip


PERIODS = ("2022-10", Period.parse("2022Q4"), "2022-10-15", "last year")


def ratings(account: int) -> dict[str, list[Reading]]:
    """The readings of the desk of ratings."""
    return {
        "ratings.explain": [
            lambda bank, of=of: bank.ratings.explain(account, of) for of in (None, *PERIODS)
        ],
        "ratings.explain_outlet": [
            *by_period(lambda bank, of: bank.ratings.explain_outlet("B01S01", of)),
            lambda bank: bank.ratings.explain_outlet("B01", "2022"),
        ],
        "ratings.indicators": [
            lambda bank, some=some: bank.ratings.indicators("2022", some)
            for some in (None, "B01", ["B01S01", "B02"], ["H"], ["NO"])
        ],
        "ratings.outlet_league": [
            lambda bank, top=top: bank.ratings.outlet_league("2022", top=top) for top in (1, 0)
        ],
        "ratings.volunteer_league": [
            *by_period(lambda bank, of: bank.ratings.volunteer_league(of, names=True)),
            lambda bank: bank.ratings.volunteer_league("2022", kinds=["household"], top=1),
            lambda bank: bank.ratings.volunteer_league("2022", kinds=["robot"]),
        ],
        "ratings.volunteer_stars": [
            lambda bank, no=no: bank.ratings.volunteer_stars(no) for no in (account, NOBODY)
        ],
        "ratings.volunteers_by_stars": [lambda bank: bank.ratings.volunteers_by_stars()],
    }  # fmt: skip


def by_period(read: Callable[[Any, Any], Any]) -> list[Reading]:
    return [lambda bank, of=of: read(bank, of) for of in PERIODS]  # type: ignore[misc]


def by_outlet(read: Callable[[Any, str | None], Any]) -> list[Reading]:
    return [
        lambda bank, code=code: read(bank, code)  # type: ignore[misc]
        for code in (None, "H", "B01", "B01S01", "NO", "")
    ]


def compare(district: MirroredDistrict) -> set[str]:
    """Hold every reading against the bank's; the names of those that had something to show."""
    mirror, filled = district.mirror, set()
    other = mirror.reference.at(district.clock)
    accounts = sorted(mirror.reference.books.customers)
    pairs = dict(mirror.ids.pairs)
    own = {told: told for told in pairs.values()}
    for name, ways in readings(accounts or [NOBODY], mirror.reference.books.pools).items():
        for number, read in enumerate(ways):
            said = shown(district.bank, pairs, read)
            assert shown(other, own, read) == said, f"{name}, way {number}"
            is_report = isinstance(said, dict) and "" in said
            if is_report or (isinstance(said, list) and len(said) > 1):
                filled.add(name)
    return filled


def test_every_reading_is_compared() -> None:
    assert readings([NOBODY]).keys() == READINGS.keys()


@pytest.mark.parametrize(
    "names", [FEW, pytest.param(sorted(CASES), marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_what_is_read_after_an_act_is_what_the_bank_shows(
    mirrored: MirroredDistrict, names: list[str]
) -> None:
    compare(mirrored)
    filled: set[str] = set()
    for name in names:
        made = MirroredDistrict("sqlite://", policies=RULES)
        staff, command, _ = CASES[name](made)
        if name == "hours.approve":
            filled |= compare(made)
        made.acting(staff).execute(command)
        filled |= compare(made)
        if name.partition(".")[0] in ("holds", "redemptions", "passbooks"):
            made.clock.advance(days=40)
            filled |= compare(made)
        made.close()
    assert READINGS.keys() - SCALARS - filled <= {"reports.clearing", "reports.proof"}


def test_what_is_sealed_is_proved_and_netted_alike(mirrored: MirroredDistrict) -> None:
    shop(mirrored)
    redeem(mirrored, saver(mirrored))
    mirrored.clock.advance(days=1)
    mirrored.bank.closings.close("2022-10-15")
    assert compare(mirrored) >= {"reports.clearing", "reports.proof", "reports.provenance"}


def test_what_is_wrong_in_a_reading_of_the_reference_is_seen(
    mirrored: MirroredDistrict, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(mirrored)
    honest = READINGS["stores.offers"]
    monkeypatch.setitem(READINGS, "stores.offers", lambda look, store=None: honest(look, "P1"))
    with pytest.raises(AssertionError, match=r"stores\.offers"):
        compare(mirrored)


def test_a_counter_reads_what_its_block_did_until_it_ends() -> None:
    story = small_reference()
    account = story.account("zhang")
    with story.bank.begin() as counter:
        counter.redemptions.redeem(account=account, store="P01", sku="RICE")
        assert counter.reports.balance(account) == Points(45)
    with pytest.raises(errors.TransactionEnded):
        counter.reports.balance(account)
    with story.bank.simulate() as counter:
        counter.redemptions.redeem(account=account, store="P01", sku="RICE")
    assert story.bank.reports.balance(account) == Points(45)


def test_the_small_district_is_the_same_in_memory() -> None:
    told, mirrored = small_district("sqlite://"), small_reference()
    assert isinstance(mirrored.bank, ReferenceBank)
    assert mirrored.cast == told.cast
    assert comparable(mirrored.receipts) == comparable(told.receipts)
    for story in (told, mirrored):
        story.records("wang", minutes=90).redeems("zhang", "P01", "RICE", quantity=2)
        story.gives("zhang", "wang", 3).donates("li", "POOL", 4)
        assert story.bank.pools.balance("POOL") == Points(4)
    assert comparable(mirrored.receipts) == comparable(told.receipts)
    told.bank.close()
    mirrored.bank.close()


@pytest.mark.parametrize(
    "periods", [("2022-10-31",), ("2022-12-31", "2022-10"), ("2022-12-31", "2022-12", "2022Q4")]
)
def test_books_are_closed_in_the_same_steps(periods: tuple[str, ...]) -> None:
    acts = []
    for story in (small_district("sqlite://"), small_reference()):
        story.records("wang").day("2023-01-02")
        for period in (*periods, periods[-1]):
            story.closes(period)
        acts.append(comparable(story.receipts))
    assert acts[0] == acts[1]


def test_a_closing_that_was_begun_is_gone_on_with_as_in_the_bank() -> None:
    said = []
    for story in (small_district("sqlite://"), small_reference()):
        story.day("2022-11-02")
        story.bank.closings.announce(period="2022-10-31")
        story.closes("2022-10-31")
        with story.bank.begin() as counter:
            done = counter.closings.close("2022-10", idempotency_key="K")
        again = story.bank.closings.close_at_once(period="2022-10", idempotency_key="K")
        assert again == done
        with pytest.raises(errors.UnknownOutlet):
            story.bank.closings.close("2022-10", outlet="NO")
        said.append(comparable([story.last, done]))
    assert said[0] == said[1]


# --- what is not there -----------------------------------------------------------------------


def names_of_the_bank() -> Iterator[str]:
    """Every public name of a bank, of a counter and of their desks."""
    yield from (name for name in {*dir(Bank), *dir(Counter)} if not name.startswith("_"))
    bank = small_district("sqlite://").bank
    for desk, found in vars(Desks).items():
        if isinstance(found, property):
            window = getattr(bank, desk)
            yield from (f"{desk}.{verb}" for verb in dir(window) if not verb.startswith("_"))


def asked(reference: ReferenceBank, name: str) -> Any:
    noun, _, verb = name.partition(".")
    desk = getattr(reference, noun)
    return getattr(desk, verb) if verb else desk


def test_the_reference_has_every_name_of_the_bank_or_refuses_it_by_name() -> None:
    reference, refused = small_reference().bank, set()
    for name in names_of_the_bank():
        noun = name.partition(".")[0]
        if noun in ABSENT or name in ABSENT:
            refused.add(noun if noun in ABSENT else name)
            with pytest.raises(NotImplementedError, match=f"has no {noun}"):
                asked(reference, name)("sqlite://")  # type: ignore[arg-type]
        else:
            assert asked(reference, name) is not None, name  # type: ignore[arg-type]
    assert refused == ABSENT
    acts = {command.act for command in SERVICES}
    assert not ABSENT & {*READINGS, *acts, *(act.partition(".")[0] for act in acts)}


def test_a_refused_name_says_what_has_it() -> None:
    reference = ReferenceBank.found()
    for ask in (
        lambda: reference.within(None),
        lambda: reference.verify(),
        lambda: ReferenceBank.open("sqlite://"),
        lambda: reference.outbox.read("x"),
    ):
        with pytest.raises(NotImplementedError, match="Ask a Bank for it"):
            ask()
    for name in ("gardens", "outlets.dig", "_repr_html_"):
        with pytest.raises(AttributeError):
            asked(reference, name)


def test_a_reference_takes_no_zone_that_a_bank_would_not() -> None:
    for zone in ("Mars/Olympus", "", "../x", 8):
        for found in (ReferenceBank.found, lambda **said: Bank.found("sqlite://", **said)):
            with pytest.raises(errors.InvalidValue, match="time_zone"):
                found(time_zone=zone)  # type: ignore[operator]


def test_a_story_is_told_on_a_reference_as_on_a_bank() -> None:
    clock = small_reference().clock
    story = Story(ReferenceBank.found(bank="资阳", clock=clock), clock=clock)
    story.branch("B01").savings_branch("B01S01", "B01").customer("mei").records("mei", minutes=90)
    assert story.bank.reports.balance(story.account("mei")) == Points("1.50")
