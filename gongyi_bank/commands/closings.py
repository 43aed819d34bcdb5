"""Commands about closing: days, months, quarters and years, of the bank or below an outlet."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ValidationInfo

from gongyi_bank.commands.base import Code, Command
from gongyi_bank.periods import Period
from gongyi_bank.receipts.closings import BooksClosed, ClosingAnnounced, ClosingDrained


def _as_label(value: Any, info: ValidationInfo) -> str:
    period = (
        value
        if isinstance(value, Period)
        else Period.parse(value, field=info.field_name or "period")
    )
    return period.label


#: A period by its label: "2022-10-31", "2022-10", "2022Q4" or "2022".
PeriodLabel = Annotated[str, BeforeValidator(_as_label)]


class _Closing(Command):
    """What all steps of a closing name."""

    period: PeriodLabel
    """A day, month, quarter or year that is over: "2022-10-31", "2022-10", "2022Q4", "2022"."""
    outlet: Code | None = None
    """The outlet that is closed with everything below it; the whole bank by default."""


class AnnounceClosing(_Closing):
    """结账预告: from now on whoever posts queues behind the closing; nothing is barred yet.

    All open periods of this kind through the named one are closed together. Raises
    PeriodNotOver, PeriodAlreadyClosed, ClosingUnfinished, ShorterPeriodOpen.
    """

    receipt: ClassVar = ClosingAnnounced
    act: ClassVar[str] = "closings.announce"


class DrainClosing(_Closing):
    """停止记账: bar the period and wait for everybody under way. Raises WrongClosingState."""

    receipt: ClassVar = ClosingDrained
    act: ClassVar[str] = "closings.drain"


class CloseBooks(_Closing):
    """结账: close a period for good; with a day of the bank, roll up and seal.

    Takes up a closing that was announced or drained; otherwise it does those steps itself,
    in one transaction. Raises PeriodNotOver, PeriodAlreadyClosed, ShorterPeriodOpen.
    """

    receipt: ClassVar = BooksClosed
    act: ClassVar[str] = "closings.close"
