"""Which act has used a key before: each with its own voucher, in its own bank."""

from __future__ import annotations

import json

from gongyi_bank.store import vouchers
from tests.district import District


def test_a_key_s_voucher_is_found_alone_and_among_several(
    two_banks: tuple[District, District],
) -> None:
    district, neighbour = two_banks
    accounts = [(bank, bank.customer()) for bank in (district, district, neighbour)]
    receipts = [
        bank.bank.accounts.freeze(account=account, reason="核查", idempotency_key=key)
        for (bank, account), key in zip(accounts, ("one", "other", "theirs"), strict=True)
    ]
    asked = vouchers.ask_by_keys(["one", "other", "theirs", "none"])
    found = district.bank.read(lambda tx: tx.look(asked))
    assert {key: json.loads(earlier.body)["receipt"] for key, earlier in found.items()} == {
        "one": receipts[0].to_json(), "other": receipts[1].to_json(),
    }  # fmt: skip
    assert {earlier.act for earlier in found.values()} == {"accounts.freeze"}
    assert len({earlier.request_digest for earlier in found.values()}) == 2
    for key in ("one", "other"):
        asked = vouchers.ask_by_keys([key])
        assert district.bank.read(lambda tx, a=asked: tx.look(a)) == {key: found[key]}
        alone = vouchers.ask_by_key(key)
        assert district.bank.read(lambda tx, a=alone: tx.look(a)) == found[key]
    for key in ("theirs", "none"):
        alone = vouchers.ask_by_key(key)
        assert district.bank.read(lambda tx, a=alone: tx.look(a)) is None
