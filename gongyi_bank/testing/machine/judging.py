"""Holding what a service did on a watched bank against the reference, when it has done it.

What stands is done there, too, in an order in which it may have been done (see `ordering`). What
was undone later (a refusal that ended its block, a caller's transaction that was given up) was
answered truthfully or not when it was: it is held against the reference as it was then, with what
came before it in the same transaction, and undone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING, Any, overload

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError, InvalidValue
from gongyi_bank.testing.machine.both_sides import BothSides, answer_of
from gongyi_bank.testing.machine.ordering import Order, Scene, in_order
from gongyi_bank.testing.machine.telling import told
from gongyi_bank.testing.machine.watching import AsyncBankT, Ear, Heard, watched, watched_async
from gongyi_bank.testing.reference import comparable
from gongyi_bank.testing.reference.books import Books

if TYPE_CHECKING:
    from gongyi_bank.aio import AsyncBank


class Watching(BothSides):
    """Both sides, and a service that works on one of them."""

    #: What differed beside a failure of the service itself, which is told first.
    _besides: AssertionError | GongyiBankError | None = None

    @overload
    def watched(self) -> AbstractContextManager[Bank]: ...
    @overload
    def watched(self, bank: AsyncBankT) -> AbstractAsyncContextManager[AsyncBankT]: ...
    def watched(self, bank: AsyncBank | None = None) -> Any:
        """The bank as your service is to use it: what it did is held against the reference.

        At the end of the block, refusals and all, in the order in which it was done; of acts that
        were under way at once (threads, tasks, `GroupCommit`) in one that explains every answer,
        if there is any. What your service gave up with its transaction must have been answered as
        truly, and leaves nothing behind. Of an act whose answer was lost the books tell whether
        it was done. A service for asyncio hands in its `AsyncBank`, opened on this run's bank: it
        gets it back with the machine's clock. Raises AssertionError.

        >>> with self.watched() as bank:
        ...     status = ServiceApp(bank).post_service(body)
        >>> async with self.watched(await AsyncBank.open(url, bank=self.bank.name)) as bank:
        ...     status = await AsyncServiceApp(bank).post_service(body)
        """
        if bank is None:
            return self._watched()
        # By the bank inside it: its own class would load asyncio for everybody.
        if not isinstance(getattr(bank, "_bank", None), Bank):
            raise InvalidValue.of("bank", type(bank).__name__, "an AsyncBank is needed, or nothing")
        if bank.name != self.bank.name:
            raise InvalidValue.of("bank", bank.name, f"this run is about {self.bank.name}")
        return self._watched_async(bank)

    @contextmanager
    def _watched(self) -> Iterator[Bank]:
        ear = Ear(self.bank)
        with self._held_at_the_end(ear):
            yield watched(self.bank, ear)

    @asynccontextmanager
    async def _watched_async(self, bank: AsyncBankT) -> AsyncIterator[AsyncBankT]:
        ear = Ear(self.bank)
        with self._held_at_the_end(ear):
            yield watched_async(bank, ear, self.clock)

    @contextmanager
    def _held_at_the_end(self, ear: Ear) -> Iterator[None]:
        """Hold it against the reference also where the service fails, whose failure goes on."""
        try:
            yield
        except Exception as failure:
            try:
                self._hold_against(ear)
            except (AssertionError, GongyiBankError) as besides:
                self._besides = besides
                failure.add_note(f"besides: {besides}")
            raise
        self._hold_against(ear)

    def _hold_against(self, ear: Ear) -> None:
        now = self.clock.now
        ear.settle()
        try:
            self._hold_all(self._in_order(ear), ear)
        finally:
            self.clock.set(now, backwards=True)

    def _hold_all(self, order: Order, ear: Ear) -> None:
        try:
            for one in order.acts:
                self._hold(one, ear)
        except AssertionError as error:
            if order.is_found:
                raise
            tried = "" if order.is_every_tried else " that was tried; there are more"
            more = f"some of the acts were under way at once; no order explains them{tried}"
            raise AssertionError(f"{error}\n  {more}") from None

    def _hold(self, one: Heard, ear: Ear) -> None:
        """Hold one act against the reference, as it is after those before."""
        self.clock.set(one.at, backwards=True)
        if not one.block.is_there():
            self._hold_undone(one, ear.before(one))
        elif one.is_unanswered:
            self._do_unanswered(one)
        elif one.is_answered:
            self._answered(one.staff, one.command, one.said)

    def _in_order(self, ear: Ear) -> Order:
        """What was heard, in an order in which it may have been done."""
        heard = [
            one
            for one in ear.heard
            if one.is_answered or (one.is_unanswered and one.block.is_there())
        ]
        began = self._picture()
        try:
            return in_order(heard, Scene(self._does_alike(ear), self._picture, self._go_back))
        finally:
            self._go_back(began)

    def _picture(self) -> tuple[Books, int, int]:
        return self.books.copy(), *self._reached()

    def _go_back(self, picture: tuple[Books, int, int]) -> None:
        books, *reached = picture
        self.books.restore(books.copy())
        self._go_back_to(*reached)

    def _does_alike(self, ear: Ear) -> Callable[[Heard], bool]:
        """Does an act on the reference, and tells whether that answers as the bank did."""

        def do(one: Heard) -> bool:
            self.clock.set(one.at, backwards=True)
            self._do_again(ear.before(one) if not one.block.is_there() else [])
            other = answer_of(self.reference.acting_as(one.staff), self.ids.translate(one.command))
            refused = isinstance(other, GongyiBankError)
            if one.is_unanswered:
                return not refused
            if comparable(one.said) != comparable(other):
                return False
            if not refused:
                self.ids.learn(one.said, other)
            return True

        return do

    def _do_again(self, undone: list[Heard]) -> None:
        """What was there, and is undone now, is there once more."""
        for earlier in undone:
            theirs = self.reference.acting_as(earlier.staff)
            other = answer_of(theirs, self.ids.translate(earlier.command))
            if not isinstance(other, GongyiBankError):
                self.ids.learn(earlier.said, other)

    def _hold_undone(self, one: Heard, before: list[Heard]) -> None:
        """What was answered in what is undone now, after all that was there at that moment."""
        if not one.is_answered:
            return
        reached, picture = self._reached(), self.books.copy()
        self._do_again(before)
        self._held_against(self.reference.acting_as(one.staff), one.staff, one.command, one.said)
        self.books.restore(picture)
        self._go_back_to(*reached)

    def _do_unanswered(self, one: Heard) -> None:
        """An act that the books have, and nobody was told: it must have been rightful."""
        self._tell(f"  nobody was told: {told(one.command)}")
        theirs = self.reference.acting_as(one.staff)
        other = answer_of(theirs, self.ids.translate(one.command))
        if isinstance(other, GongyiBankError):
            self._is_wrong = True
            raise AssertionError(f"{one.command.act}: the bank did what is {told(other)}")
        self.sent.append((one.staff, one.command))

    def _require_agreement(self) -> None:
        """What differed beside a failure that somebody caught is told now."""
        if self._besides is not None:
            raise self._besides
        super()._require_agreement()
