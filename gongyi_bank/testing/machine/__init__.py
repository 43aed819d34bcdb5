"""A state machine that holds any bank against the reference bank, with all acts and faults.

>>> from gongyi_bank.testing import BankMachine
>>> TestTheBank = BankMachine.TestCase

Needs Hypothesis (the extra `testing`).
"""

from gongyi_bank.testing.machine.losses import Loss, losses
from gongyi_bank.testing.machine.machine import MAKERS, BankMachine
from gongyi_bank.testing.machine.wishes import Wish, wishes

__all__ = ["BankMachine", "Loss", "MAKERS", "Wish", "losses", "wishes"]
