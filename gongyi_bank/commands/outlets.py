"""Commands about outlets, staff and policies: the house itself."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo

from gongyi_bank.commands.base import AccountNo, AsTuple, Code, Command, PublicName, Reason
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.policies import POLICIES, Policy, require_policy
from gongyi_bank.receipts.outlets import (
    OutletChanged,
    OutletsOpened,
    PolicyAdopted,
    RoleEnded,
    StaffAppointed,
)

Setting = Literal["urban", "rural"]


class NewOutlet(CheckedModel):
    """A branch under the head office, or a savings branch under a branch."""

    code: Code
    """The code people use; unique in the bank. Identity is never derived from it."""
    name: PublicName
    """What is written over the door."""
    parent: Code
    """The head office's code for a branch, the branch's code for a savings branch."""
    setting: Setting = "urban"
    """城乡: urban or rural."""


class OpenOutlets(Command):
    """开办网点: open branches and savings branches, parents before children or with them."""

    receipt: ClassVar = OutletsOpened
    act: ClassVar[str] = "outlets.open"

    outlets: Annotated[tuple[NewOutlet, ...], AsTuple, Field(min_length=1, max_length=10_000)]
    """The new outlets; the tier follows from the parent."""


class RenameOutlet(Command):
    """更名: give an outlet another name; its number and history stay."""

    receipt: ClassVar = OutletChanged
    act: ClassVar[str] = "outlets.rename"

    outlet: Code
    """The outlet."""
    name: PublicName
    """Its new name."""


class MoveOutlet(Command):
    """Move a savings branch, with its accounts, to another branch."""

    receipt: ClassVar = OutletChanged
    act: ClassVar[str] = "outlets.move"

    outlet: Code
    """The savings branch."""
    branch: Code
    """The branch that takes it over."""


class CloseOutlet(Command):
    """停办: close an outlet where nothing is left open."""

    receipt: ClassVar = OutletChanged
    act: ClassVar[str] = "outlets.close"

    outlet: Code
    """The outlet."""
    reason: Reason
    """Why."""


class ReopenOutlet(Command):
    """复办: reopen a closed outlet; its parent must be open."""

    receipt: ClassVar = OutletChanged
    act: ClassVar[str] = "outlets.reopen"

    outlet: Code
    """The outlet."""


Role = Literal[
    "administrator", "ledger_keeper", "teller", "store_clerk", "auditor", "service_account"
]


class Appointment(CheckedModel):
    """A role for a person at an outlet."""

    code: Code
    """The person's staff code; a new one makes a new person."""
    role: Role
    """What they may do: see `gongyi_bank.rules.staff.PERMISSIONS`."""
    outlet: Code
    """Where: this outlet and everything below it."""
    store: Code | None = None
    """For a store clerk: the store."""
    own_account: AccountNo | None = None
    """Their own account as a volunteer, so that they never decide on their own hours."""


class AppointStaff(Command):
    """聘任: give people roles bound to outlets; a role that they have already is no error."""

    receipt: ClassVar = StaffAppointed
    act: ClassVar[str] = "staff.appoint"

    appointments: Annotated[
        tuple[Appointment, ...], AsTuple, Field(min_length=1, max_length=10_000)
    ]
    """The appointments."""


class EndRole(Command):
    """解聘: end a role of a person; what they did keeps their name."""

    receipt: ClassVar = RoleEnded
    act: ClassVar[str] = "staff.end"

    code: Code
    """The person's staff code."""
    role: Role
    """The role that ends."""
    outlet: Code
    """The outlet it was bound to."""
    reason: Reason
    """Why."""


def _as_policy(value: Any, info: ValidationInfo) -> Policy:
    """A policy of a kind that this library knows; in JSON its `kind` stands beside its fields."""
    field = info.field_name or "policy"
    if info.mode == "json" and isinstance(value, dict):
        fields = dict(value)
        kind = POLICIES.get(str(fields.pop("kind", "")))
        if kind is not None:
            return kind.model_validate_json(json.dumps(fields))
    return require_policy(value, field)


def _policy_json(policy: Policy) -> dict[str, Any]:
    return {"kind": policy.kind} | policy.model_dump(mode="json")


class AdoptPolicy(Command):
    """Adopt a policy from a day on; earlier versions stay in force for earlier days."""

    receipt: ClassVar = PolicyAdopted
    act: ClassVar[str] = "policies.adopt"

    policy: Annotated[
        Policy, BeforeValidator(_as_policy), PlainSerializer(_policy_json, when_used="json")
    ]
    """The rule set, e.g. `Tariff(...)`."""
    effective_on: dt.date
    """The first day on which it holds; after the newest one of its kind."""
