"""The desk for 冲正: lines and vouchers taken back."""

from __future__ import annotations

from gongyi_bank.commands.reversals import ReverseLine, ReverseVoucher
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.service import reversals


class ReversalsDesk(Desk):
    """冲正: taking lines back by new lines that cite them."""

    reverse_line = act(ReverseLine, reversals.reverse_line)
    reverse_voucher = act(ReverseVoucher, reversals.reverse_voucher)
