"""Conformance: founding, opening, tenancy, the schema, and settings."""

from __future__ import annotations

import warnings

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import BankExists, EngineSettingsUnsafe, InvalidValue, UnknownBank
from gongyi_bank.testing.conformance.ground import Ground
from gongyi_bank.testing.story_builder import SMALL_CAST, Story, small_district
from gongyi_bank.values import Points

Database = str | sa.URL | sa.Engine


class FoundingTests(Ground):
    """A bank is founded once, opened again, and keeps to itself."""

    def test_a_bank_is_founded_once(self, database: Database, bank: Bank) -> None:
        with pytest.raises(BankExists):
            Bank.found(database, bank=bank.name, unsafe_settings=self.unsafe_settings)

    def test_a_bank_is_opened_again_by_its_name(self, database: Database, bank: Bank) -> None:
        again = Bank.open(database, bank=bank.name, unsafe_settings=self.unsafe_settings)
        assert again.reports.balance(SMALL_CAST.accounts[0]) == Points(50)
        self._give_back(database, again)
        with pytest.raises(UnknownBank):
            Bank.open(database, bank="没有的银行", unsafe_settings=self.unsafe_settings)

    def test_the_same_founding_always_gives_the_same_account_numbers(self, story: Story) -> None:
        assert story.cast == SMALL_CAST

    def test_two_banks_in_one_database_know_nothing_of_each_other(
        self, database: Database, story: Story
    ) -> None:
        name = f"{story.bank.name} 邻"
        other = small_district(database, bank=name, unsafe_settings=self.unsafe_settings)
        other.redeems("zhang", "P01", "RICE", quantity=10)
        assert other.bank.reports.balance(other.account("zhang")) == Points(0)
        assert story.bank.reports.balance(story.account("zhang")) == Points(50)
        assert other.bank.verify().faults == ()
        if other.bank.engine is not database:
            other.bank.close()

    def test_the_schema_is_the_newest_and_migrating_again_does_nothing(
        self, database: Database, bank: Bank
    ) -> None:
        assert Bank.migrate(database) == []
        assert bank.reports.balance(SMALL_CAST.accounts[0]) == Points(50)

    def test_every_guard_of_the_schema_is_on(self, bank: Bank) -> None:
        found = bank.verify()
        assert (found.guards_installed, found.is_guarded) == (found.guards_expected, True)

    def test_settings_that_could_lose_what_was_acknowledged_are_told(
        self, database: Database, bank: Bank
    ) -> None:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            self._give_back(database, Bank.open(database, bank=bank.name, unsafe_settings="warn"))
        if not told:
            self._give_back(database, Bank.open(database, bank=bank.name))
            return
        assert self.unsafe_settings != "refuse"
        with pytest.raises(EngineSettingsUnsafe):
            Bank.open(database, bank=bank.name)

    @pytest.mark.parametrize("setting", ["unsafe_settings", "lock_order"])
    def test_unknown_settings_are_refused(
        self, database: Database, bank: Bank, setting: str
    ) -> None:
        with pytest.raises(InvalidValue) as caught:
            Bank.open(database, bank=bank.name, **{setting: "perhaps"})  # type: ignore[arg-type]
        assert caught.value.facts["field"] == setting

    @staticmethod
    def _give_back(database: Database, bank: Bank) -> None:
        if bank.engine is not database:
            bank.close()
