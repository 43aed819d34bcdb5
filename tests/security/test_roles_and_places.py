"""Who may do what where: every act, every role and place, as a table written by hand.

The table is data and knows nothing of `rules.staff.PERMISSIONS`: whoever changes what a role
may do has to say so here, too. Every cell really runs the act and leaves no trace.

A column is a role and where the person works, seen from the savings branch B01S01, at which
(or at whose branch) nearly all acts of the table take place:

H head office, B the branch above (B01), O the own outlet (B01S01), S its sibling (B01S02),
X another branch (B02), Y a savings branch of it (B02S01).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gongyi_bank.commands.base import Command
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError, NotPermitted, UnknownStaff
from tests.security.cases import ACTORS, EVERY, Scene, new_store, scene

#: The columns: administrator, ledger keepers, tellers, service accounts, store clerks (of the
#: store concerned, but in the last column of another one), auditors.
COLUMNS = "H HBX HBOSXY HBOSXY BOSYO HBOSY"
TABLE = {
    "accounts.close": "y yyy yyyyyy yyyyyy nnnnn nnnnn",
    "accounts.freeze": "y yyy yyyyyy yyyyyy nnnnn nnnnn",
    "accounts.mark_dormant": "y yyy nnnnnn nnnnnn nnnnn nnnnn",
    "accounts.unfreeze": "y yyy nnnnnn nnnnnn nnnnn nnnnn",
    "accounts.wake": "y yyy yyyyyy yyyyyy nnnnn nnnnn",
    "closings.announce": "y ynn nnnnnn nnnnnn nnnnn nnnnn",
    "closings.close": "y ynn nnnnnn nnnnnn nnnnn nnnnn",
    "closings.drain": "y ynn nnnnnn nnnnnn nnnnn nnnnn",
    "customers.move": "y yyn yynynn yynynn nnnnn nnnnn",
    "customers.register": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "holds.capture": "y yyn yyynnn yyynnn yynnn nnnnn",
    "holds.capture_many": "y yyn yyynnn yyynnn yynnn nnnnn",
    "holds.extend": "y yyn yyynnn yyynnn yynnn nnnnn",
    "holds.lapse_overdue": "y yyy yyyyyy yyyyyy nnnnn nnnnn",
    "holds.place": "y yyn yyynnn yyynnn yynnn nnnnn",
    "holds.release": "y yyn yyynnn yyynnn yynnn nnnnn",
    "holds.release_many": "y yyn yyynnn yyynnn yynnn nnnnn",
    "hours.approve": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "hours.correct": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "hours.record": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "hours.record_many": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "hours.refuse": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "hours.void": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "outlets.close": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "outlets.move": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "outlets.open": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "outlets.rename": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "outlets.reopen": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "passbooks.allot": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "passbooks.destroy": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "passbooks.issue": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "passbooks.lift_loss": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "passbooks.print_stock": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "passbooks.reissue": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "passbooks.renew": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "passbooks.report_loss": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "passbooks.spoil": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "passbooks.update": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "points.bring_forward": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "points.expire_due": "y yyy yyyyyy yyyyyy nnnnn nnnnn",
    "points.grant": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "policies.adopt": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "pools.close": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "pools.open": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "redemptions.capture": "y yyn yyynnn yyynnn yynnn nnnnn",
    "redemptions.extend": "y yyn yyynnn yyynnn yynnn nnnnn",
    "redemptions.redeem": "y yyn yyynnn yyynnn yynnn nnnnn",
    "redemptions.redeem_many": "y yyn yyynnn yyynnn yynnn nnnnn",
    "redemptions.refund": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "redemptions.release": "y yyn yyynnn yyynnn yynnn nnnnn",
    "redemptions.reserve": "y yyn yyynnn yyynnn yynnn nnnnn",
    "reversals.reverse_line": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "reversals.reverse_voucher": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "staff.appoint": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "staff.end": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "stores.leave": "y nnn nnnnnn nnnnnn nnnnn nnnnn",
    "stores.publish_offers": "y yyn yyynnn yyynnn yynnn nnnnn",
    "stores.recruit": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "stores.restock": "y yyn yyynnn yyynnn yynnn nnnnn",
    "stores.withdraw_offer": "y yyn yyynnn yyynnn yynnn nnnnn",
    "transfers.donate": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "transfers.gift": "y yyn yyynnn yyynnn nnnnn nnnnn",
    "transfers.grant": "y yyn nnnnnn nnnnnn nnnnn nnnnn",
    "transfers.send": "y yyn yyynnn yyynnn nnnnn nnnnn",
}
#: The same for what is done at the branch B01 itself, which is the parent of O and S; X and Y
#: are another branch and an outlet of it.
AT_THE_BRANCH: dict[str, tuple[dict[str, Any], str]] = {
    "closings.announce": ({"outlet": "B01"}, "y yyn nnnnnn nnnnnn nnnnn nnnnn"),
    "closings.close": ({"outlet": "B01"}, "y yyn nnnnnn nnnnnn nnnnn nnnnn"),
    "hours.record": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
    "passbooks.lift_loss": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
    "passbooks.report_loss": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
    "passbooks.update": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
    "reversals.reverse_line": ({"outlet": "B01"}, "y yyn nnnnnn nnnnnn nnnnn nnnnn"),
    "stores.recruit": (
        {"stores": (new_store(recruited_by="B01"),)},
        "y yyn yynnnn yynnnn nnnnn nnnnn",
    ),
    "transfers.donate": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
    "transfers.gift": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
    "transfers.send": ({"outlet": "B01"}, "y yyn yynnnn yynnnn nnnnn nnnnn"),
}


def test_the_table_has_every_act_there_is() -> None:
    assert set(TABLE) == set(EVERY) == {command.act for command in SERVICES}
    assert [code[1] for code in ACTORS] == list(COLUMNS.replace(" ", ""))


@pytest.mark.parametrize("act", TABLE)
def test_every_role_does_at_every_place_what_the_table_says_and_no_more(act: str) -> None:
    made = scene(act)
    assert row_of(made, made.command) == TABLE[act]


@pytest.mark.parametrize("act", AT_THE_BRANCH)
def test_a_savings_branch_has_no_say_at_its_branch(act: str) -> None:
    made, (change, expected) = scene(act), AT_THE_BRANCH[act]
    assert row_of(made, made.command.model_copy(update=change)) == expected


@pytest.mark.parametrize("act", EVERY)
def test_whoever_is_not_in_service_or_has_no_role_left_does_nothing(act: str) -> None:
    made = scene(act)
    for code in ("NOBODY", "GONE"):
        with pytest.raises(UnknownStaff):
            made.attempt(in_the_name_of(made.command, code), code)


def row_of(made: Scene, command: Command) -> str:
    """A line of the table as the bank would write it."""
    cells = iter("y" if may(made, in_the_name_of(command, code), code) else "n" for code in ACTORS)
    return " ".join("".join(next(cells) for _ in group) for group in COLUMNS.split())


def may(made: Scene, command: Command, code: str) -> bool:
    """Whether this person's act goes through; any refusal but NotPermitted is a fault."""
    try:
        receipt = made.attempt(command, code)
    except NotPermitted:
        return False
    errors: list[GongyiBankError] = [
        outcome.error for outcome in getattr(receipt, "outcomes", ()) if outcome.error
    ]
    assert all(type(error) is NotPermitted for error in errors), errors
    return not errors


def in_the_name_of(command: Command, code: str) -> Command:
    """The command as this person sends it, with a second person who may do so everywhere."""
    names = {"recorded_by": code, "checked_by": "ADM2", "second_person": "ADM2"}
    changes: dict[str, Any] = {
        field: name for field, name in names.items() if field in command.model_fields_set
    }
    if command.act == "hours.record_many":
        changes["rows"] = tuple(
            dataclasses.replace(row, recorded_by=code, checked_by="ADM2")
            for row in getattr(command, "rows")  # noqa: B009
        )
    return command.model_copy(update=changes)
