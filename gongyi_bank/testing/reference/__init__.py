"""A bank in memory, of dicts and the pure rules: what a real one must answer, told another way.

It shares with the bank only what is pure (values, periods, policies, commands, receipts, errors,
rules): no SQL, no engine, no running totals. Whoever runs the same commands on both and holds
the answers against each other with `comparable` has tested everything in between. Nothing of
the floors above the rules enters this room.
"""

from gongyi_bank.testing.reference.bank import ReferenceBank, ReferenceCounter
from gongyi_bank.testing.reference.comparing import Ids, comparable

__all__ = ["Ids", "ReferenceBank", "ReferenceCounter", "comparable"]
