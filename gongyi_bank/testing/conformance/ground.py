"""What every conformance test stands on: the one fixture to override, and a district in it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError, InvalidValue
from gongyi_bank.opening import UnsafeSettings
from gongyi_bank.store.engines import engine_for
from gongyi_bank.testing.soundness import assert_sound
from gongyi_bank.testing.story_builder import Story, small_district

#: Longer than any lock is waited for.
SECONDS_MAX = 60.0


class Ground:
    """The fixtures of `EngineConformance`."""

    #: "allow" for a test server whose settings would lose what they acknowledged.
    unsafe_settings: ClassVar[UnsafeSettings] = "refuse"

    @pytest.fixture
    def database(self) -> str | sa.URL | sa.Engine:
        """The database to try: a URL, or an engine of your own. Override this one."""
        raise NotImplementedError("override the fixture `database` of EngineConformance")

    @pytest.fixture
    def story(self, database: str | sa.URL | sa.Engine) -> Iterator[Story]:
        """A small district with a name of its own; its books are audited after the test."""
        url = database.url if isinstance(database, sa.Engine) else sa.make_url(database)
        if engine_for(url.get_backend_name()).lives_in_a_connection(url):
            raise InvalidValue.of("database", str(url), "others cannot open it: give a file")
        name = f"试点 {uuid.uuid4().hex[:12]}"
        story = small_district(database, bank=name, unsafe_settings=self.unsafe_settings)
        yield story
        try:
            assert_sound(story.bank)
        finally:
            if story.bank.engine is not database:
                story.bank.close()

    @pytest.fixture
    def bank(self, story: Story) -> Bank:
        """The district's bank, opened for its administrator."""
        return story.bank


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each of these gave or raised, begun in as many threads at the same moment."""
    results: list[Any] = [None] * len(works)
    ready = threading.Barrier(len(works))

    def run(place: int) -> None:
        ready.wait(SECONDS_MAX)
        try:
            results[place] = works[place]()
        except GongyiBankError as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS_MAX)
    assert not any(thread.is_alive() for thread in threads), "a caller hangs"
    return results


def refusals(results: Sequence[Any]) -> list[str]:
    """The codes of the refusals among these results."""
    return [result.code for result in results if isinstance(result, GongyiBankError)]
