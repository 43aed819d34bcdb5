"""Models whose refusals are ours: pydantic checks, and what it says becomes InvalidValue."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gongyi_bank.errors.base import InvalidAmount, InvalidValue, describe_value

#: What can be shown of a model with personal fields: a container may hold one of them.
_SINGLE = (str, int, float, dt.date, type(None))
#: Numbers in whose place somebody may have typed a telephone or identity number.
_PRINTED = frozenset({"account", "passbooks"})
#: What a field can be called; what else stands in its place may be anybody's name.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class CheckedModel(BaseModel):
    """A frozen, strict value with no unknown fields, made by keyword or from JSON.

    However it is made, it is checked: a copy with changes, too, and what pydantic would construct
    unseen. Raises InvalidValue (or one of its kinds) that names the field, never pydantic's error.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )  # fmt: skip

    #: Fields, also of the parts, that are personal and enter neither digests nor errors.
    personal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, /, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise refusal_of(error, self.personal) from None

    # Else pydantic would call it for each nested part too, where JSON is Python already
    # and the part's place in the whole is lost.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """As in pydantic, with a refusal of ours."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise refusal_of(error, cls.personal) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """As in pydantic, with a refusal of ours."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise refusal_of(error, cls.personal) from None

    @classmethod
    def model_construct(  # type: ignore[override]  # pydantic's plugin knows of no values
        cls, _fields_set: set[str] | None = None, **values: Any
    ) -> Self:
        """As in pydantic, but looked at: whoever executes a command need not ask what is in it."""
        return cls(**values)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As in pydantic; what it is updated with is looked at."""
        copied = super().model_copy(deep=deep)
        if not update:
            return copied
        said = {name: getattr(copied, name) for name in copied.model_fields_set}
        return type(self)(**(said | dict(update)))


def refusal_of(error: ValidationError, personal: frozenset[str] = frozenset()) -> InvalidValue:
    """Our error for pydantic's first complaint: the field's path, its value, the reason."""
    first = error.errors(include_url=False, include_context=False)[0]
    path, shown = first["loc"], first.get("input")
    if first["type"] == "missing":
        return InvalidValue(field=_path(path), value="nothing", reason="is needed")
    if first["type"] == "extra_forbidden":
        return InvalidValue(field=_path(path), value="…", reason="no such field")
    # Of JSON that cannot be read nobody knows what it holds.
    private = personal | _PRINTED
    hidden = first["type"] == "json_invalid" or any(str(part) in private for part in path)
    if personal and not (path and isinstance(shown, _SINGLE)):
        hidden = True
    value = describe_value(shown, personal=hidden)
    kind = InvalidAmount if first["type"] == "invalid_amount" else InvalidValue
    # Some of pydantic's sentences quote a character of the value as it is.
    said = first["msg"].removeprefix("Value error, ")
    reason = "".join(sign if sign.isprintable() else "…" for sign in said)
    return kind(field=_path(path), value=value, reason=reason)


def _path(parts: tuple[int | str, ...]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _NAME.fullmatch(part) else "…"
            text += f".{name}" if text else name
    return text or "command"
