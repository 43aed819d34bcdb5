"""Every act raced against itself, twenty times at once: with one key, and with twenty.

One key has one effect and one answer, whoever comes first. Twenty keys have as many effects as
the books allow, and whatever was answered is in them, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.stores import RecruitStores
from gongyi_bank.errors import EngineError, GongyiBankError
from gongyi_bank.service import stores as service
from gongyi_bank.store.tables import voucher
from tests.acts import keyed
from tests.district import District
from tests.racing import at_once
from tests.security.cases import EVERY, MORE, new_store
from tests.security.conftest import CALLERS

#: Those that no other test races are raced always, the rest in the long form.
ACTS = [pytest.param(act, marks=() if act in MORE else pytest.mark.slow, id=act) for act in EVERY]


@pytest.mark.parametrize("act", ACTS)
def test_twenty_with_one_key_are_one_voucher_and_one_answer(
    crowded: Callable[[], District], act: str
) -> None:
    district = crowded()
    staff, command, _ = EVERY[act](district)
    before, bank = keys_of(district), district.acting(staff)
    answers = at_once(*[lambda: bank.execute(keyed(command))] * CALLERS)
    assert [type(answer) for answer in answers] == [command.receipt] * CALLERS, answers
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].voucher_id is not None
    assert keys_of(district) == sorted([*before, "K1"])
    require_sound(district)


@pytest.mark.slow
@pytest.mark.parametrize("act", EVERY)
def test_twenty_with_keys_of_their_own_have_the_effects_that_they_were_answered(
    crowded: Callable[[], District], act: str
) -> None:
    district = crowded()
    staff, command, _ = EVERY[act](district)
    before, bank = keys_of(district), district.acting(staff)
    wishes = {f"K{n}": keyed(command, idempotency_key=f"K{n}") for n in range(CALLERS)}
    calls = [lambda w=wish: bank.execute(w) for wish in wishes.values()]
    answers = dict(zip(wishes, at_once(*calls), strict=True))
    refused = {key: said for key, said in answers.items() if isinstance(said, GongyiBankError)}
    assert not [said for said in refused.values() if isinstance(said, EngineError)]
    done = {key: said for key, said in answers.items() if key not in refused}
    # Where a reference says that it is the same, others are answered with the first's receipt.
    vouchers = {said.voucher_id for said in done.values()} - {None}
    assert vouchers, answers
    written = set(keys_of(district)) - set(before)
    assert written <= set(done)
    assert len(written) == len(vouchers)
    for key, said in done.items():
        assert bank.execute(wishes[key]) == said
    assert set(keys_of(district)) - set(before) == written
    require_sound(district)


def test_a_twin_that_recruits_meanwhile_leaves_its_receipt_to_both(
    postgresql_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to be answered with no voucher: its stores were found, but not its key."""
    district, first = postgresql_district, []
    wish = RecruitStores(stores=(new_store(),), idempotency_key="K1")
    load_stores = service.store.load_stores

    def load_after_the_twin(*asked: Any) -> Any:
        if not first:
            first.append(None)
            first[0] = district.acting("T1").execute(wish)
        return load_stores(*asked)

    monkeypatch.setattr(service.store, "load_stores", load_after_the_twin)
    second = district.acting("T1").execute(wish)
    assert [second] == first
    assert second.voucher_id is not None


def keys_of(district: District) -> list[str]:
    """The keys of all vouchers of this bank."""
    number = district.bank.read(lambda tx: tx.bank.bank_id)
    with district.bank.engine.connect() as connection:
        found = connection.scalars(
            sa.select(voucher.c.idempotency_key).where(voucher.c.bank_id == number)
        )
        return sorted(key or "" for key in found)


def require_sound(district: District) -> None:
    """The whole audit finds nothing."""
    found = district.bank.verify()
    assert found.is_clean, str(found)
