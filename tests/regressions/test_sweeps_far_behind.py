"""Found when the machine's clock went back: a sweep by a host that is behind must come to an end.

Where a hold is overdue its account may have a newer line; by the moment of that line another hold
is overdue, whose account has a newer line again. After four such steps the sweep told its caller
to try again, every time, for as long as the host was behind.
"""

from __future__ import annotations

import datetime as dt

from tests.district import District
from tests.service.test_expiry_later import grant
from tests.service.test_holds import require_holds_agree
from tests.service.test_holds_at_once import placed
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop

#: More than an act tries again for any other reason.
STEPS = 7


def test_holds_lapse_though_each_account_is_ahead_of_the_one_before(district: District) -> None:
    a_shop(district)
    accounts = [saver(district, 60) for _ in range(STEPS)]
    for hour, account in enumerate(accounts, 1):
        placed(district, account, hours=hour)
    district.clock.advance(hours=1)
    noon = district.clock()
    for account in accounts:
        district.clock.advance(hours=1)
        grant(district, account, 100)
    swept = district.bank.at(noon).holds.lapse_overdue()
    assert len(swept.hold_ids) == STEPS
    assert swept.booked_at == noon + dt.timedelta(hours=STEPS)
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())
