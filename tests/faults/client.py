"""A client process: posts for shared customers and says what was acknowledged, line by line.

python -m tests.faults.client URL SEED ACCOUNT…
"""

from __future__ import annotations

import random
import sys

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError
from tests.district import Clock, at


def main(url: str, seed: int, accounts: list[int]) -> None:
    """Record hours and redeem, some under keys that every client tries, until killed."""
    bank = Bank.open(url, staff="T1", clock=Clock(), unsafe_settings="allow")
    dice = random.Random(seed)
    for number in range(10_000):
        shared = dice.random() < 0.3
        key = f"shared-{dice.randrange(40)}" if shared else f"own-{seed}-{number}"
        chosen = random.Random(key)
        account = chosen.choice(accounts)
        try:
            if chosen.random() < 0.6:
                day, hour = chosen.randrange(1, 15), chosen.randrange(24)
                start = at(f"10-{day:02d} {hour:02d}:00")
                bank.hours.record(
                    account=account, category="sanitation", started_at=start,
                    ended_at=start.replace(minute=30), outlet="B01S01", recorded_by="T1",
                    checked_by="K1", idempotency_key=key,
                )  # fmt: skip
            else:
                bank.redemptions.redeem(
                    account=account, store="P001", sku="S1", idempotency_key=key
                )
        except GongyiBankError as error:
            print(f"{error.code} {key}", flush=True)
        else:
            print(f"ok {key}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(account) for account in sys.argv[3:]])
