"""Commands about customers and their accounts: 开户、迁移、冻结、销户."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from gongyi_bank.commands.base import (
    AccountNo,
    AsTuple,
    Code,
    Command,
    Reason,
    Ref,
)
from gongyi_bank.errors import InvalidValue
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.identities import IdentityKind, check_identity_no
from gongyi_bank.receipts.customers import (
    AccountChanged,
    AccountClosedOut,
    CustomerMoved,
    CustomersRegistered,
)
from gongyi_bank.values import clean_text

CustomerKind = Literal["volunteer", "organisation", "household"]


def _personal_text(length_max: int) -> BeforeValidator:
    def clean(value: Any, info: ValidationInfo) -> str:
        field = info.field_name or "value"
        return clean_text(value, field=field, length_max=length_max, personal=True)

    return BeforeValidator(clean)


#: What is personal about a customer.
_PERSONAL = frozenset({"name", "document_no", "birth_on", "phone"})


class NewCustomer(CheckedModel):
    """A person, an organisation or a household who opens an account.

    Name, document, birth and phone are personal: they are kept in a table of their own and
    enter no voucher, no hash and no error.
    """

    personal: ClassVar[frozenset[str]] = _PERSONAL

    kind: CustomerKind = "volunteer"
    """`volunteer`, `organisation` or `household`."""
    outlet: Code
    """The savings branch where the account is registered."""
    name: Annotated[str, _personal_text(100)] = Field(repr=False)
    """The name in the passbook."""
    document_kind: IdentityKind | None = Field(default=None, strict=False)
    """What kind of identity document was shown."""
    document_no: Annotated[str, _personal_text(60)] | None = Field(default=None, repr=False)
    """Its number; the same document is not registered twice."""
    birth_on: dt.date | None = Field(default=None, repr=False)
    """Date of birth."""
    phone: Annotated[str, _personal_text(40)] | None = Field(default=None, repr=False)
    """Telephone number."""
    ref: Ref | None = None
    """The sender's own reference; not registered twice either."""
    registered_on: dt.date | None = None
    """An earlier day of registration, in books that are taken over; else today."""

    @model_validator(mode="after")
    def _document_is_right(self) -> Self:
        if (self.document_kind is None) != (self.document_no is None):
            reason = "give document_kind and document_no together"
            raise InvalidValue.of("document_no", self.document_no, reason, personal=True)
        if self.document_kind is not None and self.document_no is not None:
            check_identity_no(self.document_kind, self.document_no, field="document_no")
        return self


class RegisterCustomers(Command):
    """开户: register customers and open their accounts at savings branches."""

    receipt: ClassVar = CustomersRegistered
    act: ClassVar[str] = "customers.register"
    personal: ClassVar[frozenset[str]] = _PERSONAL
    left_out: ClassVar[dict[str, Any]] = {
        "idempotency_key": True,
        "customers": {"__all__": set(_PERSONAL)},
    }

    customers: Annotated[tuple[NewCustomer, ...], AsTuple, Field(min_length=1, max_length=10_000)]
    """The new customers. One whose `ref` is registered already, alike, is a replay."""


class MoveCustomer(Command):
    """迁户: move an account to another savings branch; number and history stay."""

    receipt: ClassVar = CustomerMoved
    act: ClassVar[str] = "customers.move"

    account: AccountNo
    """The account."""
    outlet: Code
    """The savings branch that takes it over."""


class FreezeAccount(Command):
    """冻结: nothing may be taken from the account until it is unfrozen; it may still earn."""

    receipt: ClassVar = AccountChanged
    act: ClassVar[str] = "accounts.freeze"

    account: AccountNo
    """The account."""
    reason: Reason
    """Why."""


class UnfreezeAccount(Command):
    """解冻: lift a freeze."""

    receipt: ClassVar = AccountChanged
    act: ClassVar[str] = "accounts.unfreeze"

    account: AccountNo
    """The account."""
    reason: Reason
    """Why."""


class MarkDormant(Command):
    """休眠: mark an account that nobody has used for months; its points stay."""

    receipt: ClassVar = AccountChanged
    act: ClassVar[str] = "accounts.mark_dormant"

    account: AccountNo
    """The account."""


class WakeAccount(Command):
    """激活: a dormant account is used again."""

    receipt: ClassVar = AccountChanged
    act: ClassVar[str] = "accounts.wake"

    account: AccountNo
    """The account."""


class CloseAccount(Command):
    """销户: close an account; say what happens to its balance."""

    receipt: ClassVar = AccountClosedOut
    act: ClassVar[str] = "accounts.close"

    account: AccountNo
    """The account."""
    balance_to: Literal["nowhere", "pool", "account"] = "nowhere"
    """`nowhere`: the balance must be zero; `pool`: given back; `account`: to another one."""
    target: AccountNo | None = None
    """With `account`: the account that receives the balance."""
    reason: Reason
    """Why."""
    second_person: Code | None = None
    """复核: who agreed; needed when a balance leaves the account."""
