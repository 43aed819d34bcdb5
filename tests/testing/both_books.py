"""What a mirrored district's tables hold and what its reference holds, in one form."""

from __future__ import annotations

from gongyi_bank.testing.machine.comparison import Rows, rows_of_bank, rows_of_reference
from tests.testing.mirrored import MirroredDistrict


def of_bank(district: MirroredDistrict) -> Rows:
    """The rows of the real bank, its ids told in the reference's."""
    return rows_of_bank(district.bank, district.mirror.ids)


def of_reference(district: MirroredDistrict) -> Rows:
    """The rows of the reference."""
    today = district.clock().astimezone(district.bank.zone).date()
    return rows_of_reference(district.mirror.reference.books, district.mirror.ids, today)
