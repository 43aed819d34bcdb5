"""A bank whose every act is done by the reference bank too, and both answers compared.

A test that is written for `Bank` (the cases of tests/acts.py and tests/refusals.py) thereby says
what the reference must do, with nothing to be written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import Policy
from gongyi_bank.testing.reference import Ids, ReferenceBank, comparable
from tests.district import OUTLETS, STAFF, TARIFF, Clock, District


@dataclass
class Mirror:
    """The reference bank beside a real one, and what was seen of both."""

    reference: ReferenceBank
    ids: Ids = field(default_factory=Ids)
    #: The acts that were compared: name, and the code of the refusal if it was one.
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def compare(self, run: Callable[[Command], Any], command: Command, **twin: Any) -> Any:
        """Run a command on both; the real bank's answer, if the other one's is the same."""
        said = _answer(run, command)
        house = twin.get("counter") or self._acting(twin)
        other = _answer(house.execute, self.ids.translate(command))
        act = getattr(command, "act", "no act")
        assert comparable(other) == comparable(said), f"{act}: {other!r} is not {said!r}"
        is_refused = isinstance(said, GongyiBankError)
        self.seen.append((act, said.code if is_refused else None))
        if is_refused:
            raise said
        self.ids.learn(said, other)
        return said

    def _acting(self, twin: dict[str, Any]) -> ReferenceBank:
        return self.reference.acting_as(twin["staff"]).at(twin["clock"])


def _answer(run: Callable[[Command], Any], command: Command) -> Any:
    try:
        return run(command)
    except GongyiBankError as refusal:
        return refusal


class MirroredBank(Bank):
    """A `Bank` that answers only if the reference answers the same."""

    mirror: Mirror

    def _like(self, **changes: Any) -> MirroredBank:
        made = super()._like(**changes)
        made.mirror = self.mirror
        return made

    def execute(self, command: Command) -> Any:
        """Run a command on both banks."""
        twin = {"staff": self._staff, "clock": self._clock}
        return self.mirror.compare(super().execute, command, **twin)

    @contextmanager
    def begin(self, *, staff: str | None = None) -> Iterator[Counter]:
        """One transaction on both banks."""
        twin = self.mirror.reference.acting_as(staff or self._staff or "").at(self._clock)
        with twin.begin() as other, super().begin(staff=staff) as counter:
            run = counter.execute
            counter.execute = (  # type: ignore[method-assign]
                lambda command: self.mirror.compare(run, command, counter=other)
            )
            yield counter


class MirroredDistrict(District):
    """The small district, on SQLite and in the reference at once."""

    bank: MirroredBank

    def __init__(self, url: str, policies: tuple[Policy, ...] = (), **founding: Any) -> None:
        self.url = url
        self.clock = Clock()
        settings = {"bank": "雁江", "policies": (TARIFF, *policies), "clock": self.clock}
        self.bank = MirroredBank.found(url, unsafe_settings="allow", **settings, **founding)
        keyless = {name: founding[name] for name in founding if not name.endswith("_key")}
        self.bank.mirror = self.mirror = Mirror(ReferenceBank.found(**settings, **keyless))
        self.bank.outlets.open(outlets=OUTLETS)
        self.bank.staff.appoint(appointments=STAFF)
