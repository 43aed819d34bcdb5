"""A campaign of the machine gets every act of the bank done, and says so where it does not."""

from __future__ import annotations

import pytest

from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import MAKERS
from tests.testing.campaign import CHOICES, campaign, main, settings_of


@pytest.mark.slow
def test_every_act_of_the_bank_is_booked_in_a_campaign() -> None:
    """An act that is always refused is not tested, however often it is tried.

    What one campaign leaves out by chance, the rarest acts now and then, another one does.
    """
    undone = set(MAKERS)
    for first_seed in range(0, 10_000, 1_000):
        undone &= set(campaign(runs=40, steps=50, first_seed=first_seed).below(1))
        if not undone:
            return
    assert not undone


@pytest.mark.slow
def test_a_campaign_under_settings_that_chance_chose_finds_nothing() -> None:
    """The long form is in docs/explanation/reliability.md."""
    tally = campaign(runs=40, steps=50, first_seed=9_000, name="various")
    assert tally.booked.total() > 500


def test_settings_belong_to_their_seed_and_differ() -> None:
    drawn = [settings_of("various", number) for number in range(20)]
    assert drawn == [settings_of("various", number) for number in range(20)]
    assert len({repr(one) for one in drawn}) == 20
    assert {found["scale"] for found, _ in drawn} == {2, 3, 4}
    adopted = {policy.kind for found, _ in drawn for policy in found["policies"]}
    assert adopted == {kinds[0].kind for kinds in CHOICES}
    assert settings_of("plain", 7) == ({"policies": ()}, BankMachine.begins_at)


def test_a_campaign_that_leaves_acts_undone_fails_and_names_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--runs", "1", "--steps", "3"]) == 1
    *table, missing = capsys.readouterr().out.splitlines()
    assert missing.startswith("booked less than 1 times: accounts.")
    acts = [line.split()[0] for line in table[1:-1]]
    assert sorted(acts) == sorted(MAKERS)
    assert table[-1].startswith(f"{len(MAKERS)} acts: ")
