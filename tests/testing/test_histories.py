"""Histories: a bank lives them and is sound, and they shrink to the steps that matter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings

from gongyi_bank.commands.holds import CaptureHold, PlaceHold
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.errors import EngineError, InvalidValue
from gongyi_bank.testing import (
    SMALL_CAST,
    Cast,
    Outcome,
    Step,
    assert_sound,
    play,
    small_district,
    small_reference,
)
from gongyi_bank.testing import strategies as gb
from gongyi_bank.values import Points

#: Refusals that no history of a district whose people behave would meet.
NONSENSE = {
    "invalid_value", "invalid_amount", "not_permitted", "unknown_customer",
    "unknown_staff", "unknown_outlet", "unknown_category", "unknown_store", "unknown_offer",
    "unknown_pool", "unknown_hold", "unknown_redemption", "in_future", "overlap", "four_eyes",
    "idempotency_conflict",
}  # fmt: skip


def lived(history: tuple[Step, ...], **founding: Any) -> tuple[Outcome, ...]:
    """What became of the steps, on a district of their own whose books are sound at the end."""
    story = small_district("sqlite://", **founding)
    try:
        outcomes = play(story.bank, history)
        assert_sound(story.bank)
    finally:
        story.bank.close()
    return outcomes


@given(gb.histories(steps_max=30))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_a_bank_that_lives_a_history_is_sound(history: tuple[Step, ...]) -> None:
    codes = {outcome.code for outcome in lived(history)}
    assert not codes & NONSENSE


@pytest.mark.slow
def test_every_act_of_histories_is_done_now_and_then() -> None:
    """The rarest within a hundred lives, mostly; so they go on until all acts were done."""
    undone = {*gb.HISTORY_ACTS} - {"again"}

    @given(gb.histories(steps_min=25, steps_max=40))
    @settings(
        max_examples=20, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    def run(history: tuple[Step, ...]) -> None:
        undone.difference_update(
            outcome.step.command.act for outcome in lived(history) if outcome.code == "done"
        )

    for number in range(20):
        seed(number)(run)()
        if not undone:
            return
    assert not undone


@pytest.mark.parametrize("act", [act for act in gb.HISTORY_ACTS if act != "again"])
def test_an_act_chosen_alone_brings_what_it_needs_and_is_done(act: str) -> None:
    """At its plainest: short service, single pieces, the first customer, no pauses."""
    history = shortest(lambda steps: bool(steps), acts=[act])
    outcomes = lived(history)
    assert [outcome.code for outcome in outcomes] == ["done"] * len(history)
    assert outcomes[-1].step.command.act == act
    acts = [step.command.act for step in history[:-1]]
    assert act == "passbooks.allot" or act not in acts


def test_there_are_no_more_steps_than_asked_for_and_no_fewer() -> None:
    """What a step needs counts, too; where there is no room for it the step is left out."""

    @given(gb.histories(steps_min=6, steps_max=7))
    @settings(max_examples=60, database=None)
    def run(history: tuple[Step, ...]) -> None:
        assert len(history) <= 7

    run()
    assert shortest(lambda steps: True, acts=["holds.capture"], steps_min=1, steps_max=1) == ()
    assert len(shortest(lambda steps: True, steps_min=5, steps_max=5)) == 5


def test_acts_that_cannot_happen_in_a_cast_are_refused_if_there_are_no_others() -> None:
    points = [replace(point, branch=None) for point in SMALL_CAST.service_points]
    bare = replace(
        SMALL_CAST, accounts=SMALL_CAST.accounts[:1], service_points=tuple(points), goods=(),
        pools=(),
    )  # fmt: skip
    for act in ("transfers.gift", "transfers.donate", "holds.release", "passbooks.issue", "again"):
        with pytest.raises(InvalidValue, match="acts"):
            gb.histories(bare, acts=[act])
    history = shortest(lambda steps: bool(steps), bare)
    assert history[0].command.act == "hours.record"


def shortest(
    wanted: Callable[[tuple[Step, ...]], bool], *cast: Cast, **chosen: Any
) -> tuple[Step, ...]:
    quick = settings(max_examples=2000, database=None, phases=[Phase.generate, Phase.shrink])
    return find(gb.histories(*cast, **chosen), wanted, settings=quick)


def test_a_history_shrinks_to_the_steps_that_matter() -> None:
    placing, capture = shortest(lambda h: any(isinstance(s.command, CaptureHold) for s in h))
    assert isinstance(placing.command, PlaceHold)
    assert (capture.of, capture.at, placing.at) == (0, *[SMALL_CAST.begins_at] * 2)
    assert placing.command.points == Points("0.01")
    (redeemed,) = shortest(lambda h: any(isinstance(s.command, Redeem) for s in h))
    assert (redeemed.command.sku, redeemed.command.account) == ("SOAP", SMALL_CAST.accounts[0])
    assert redeemed.command.quantity == 1


def test_a_request_that_is_sent_again_gives_the_same_receipt() -> None:
    first, again = shortest(lambda h: len({step.command.idempotency_key for step in h}) < len(h))
    outcomes = lived((first, again))
    assert outcomes[0].receipt == outcomes[1].receipt is not None


def redeem(quantity: int, key: str | None = None) -> Step:
    command = Redeem(
        account=SMALL_CAST.accounts[1], store="P01", sku="RICE", quantity=quantity,
        idempotency_key=key,
    )  # fmt: skip
    return Step(at=SMALL_CAST.begins_at, staff="admin", command=command)


def test_outcomes_are_receipts_refusals_or_moot() -> None:
    placed = PlaceHold(account=SMALL_CAST.accounts[2], points=Points(1), store="P01", hours=1)
    capture = CaptureHold(hold=UUID(int=0))
    at = SMALL_CAST.begins_at + dt.timedelta(minutes=1)
    history = (
        redeem(4), redeem(1),
        Step(at=at, staff="admin", command=placed),
        Step(at=at, staff="admin", command=capture, of=2),
    )  # fmt: skip
    outcomes = lived(history)
    assert [one.code for one in outcomes] == [
        "done", "insufficient_points", "insufficient_points", "moot",
    ]  # fmt: skip
    assert [one.is_moot for one in outcomes] == [False, False, False, True]


def test_one_bank_lives_several_histories_under_prefixes_of_their_own() -> None:
    story = small_district("sqlite://")
    for prefix in ("a-", "b-", "a-"):
        play(story.bank, [redeem(1, key="step-0")], prefix=prefix)
    assert story.bank.reports.balance(SMALL_CAST.accounts[1]) == Points(10)
    story.bank.close()


def test_a_step_can_only_be_about_an_earlier_one() -> None:
    step = redeem(1)
    wrong = Step(at=step.at, staff=step.staff, command=step.command, of=0)
    with pytest.raises(InvalidValue, match="of"):
        lived((wrong,))


@pytest.mark.parametrize("history", [[1], [redeem(1), None], None, "steps", [PlaceHold]])
def test_what_is_no_history_is_refused(history: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        lived(history)
    assert caught.value.facts["field"] == "history"


@pytest.mark.parametrize("bank", [None, "sqlite://", 1])
def test_what_is_no_bank_lives_no_history(bank: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        play(bank, [redeem(1)])
    assert caught.value.facts["field"] == "bank"


def test_a_reference_lives_a_history_as_a_bank_does() -> None:
    history, codes = (redeem(3), redeem(1, "K"), redeem(1, "K"), redeem(1)), []
    for story in (small_district("sqlite://"), small_reference()):
        codes.append([one.code for one in play(story.bank, history)])
        story.bank.close()
    assert codes[0] == codes[1] == ["done", "done", "done", "insufficient_points"]


def test_what_the_database_does_is_no_outcome() -> None:
    class Broken:
        def at(self, clock: dt.datetime) -> Broken:
            return self

        def acting_as(self, staff: str) -> Broken:
            return self

        def execute(self, command: object) -> Any:
            raise EngineError(reason="the disk is full")

    with pytest.raises(EngineError):
        play(Broken(), [redeem(1)])
