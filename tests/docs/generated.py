"""Tables of the documentation that are made from the code, so that they cannot disagree.

`python -m tests.docs` writes them anew; a test says when that was forgotten.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import gongyi_bank
from gongyi_bank import errors, testing
from gongyi_bank.bank import Desks
from gongyi_bank.desks.base import SERVICES, Act
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import POLICIES
from gongyi_bank.rules.staff import PERMISSIONS, ROLES
from gongyi_bank.testing import strategies
from tests.docs.pages import DOCS

_MARKED = "<!-- generated: {name} -->\n{body}\n<!-- end of {name} -->"
_ROLE_TITLES = {
    "administrator": "administrator 总行管理员",
    "ledger_keeper": "ledger keeper 分行记账员",
    "teller": "teller 储蓄所柜员",
    "store_clerk": "store clerk 商家店员",
    "auditor": "auditor 审计员",
    "service_account": "service account 服务账号",
}


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# --- roles ---------------------------------------------------------------------------------


def roles_table() -> str:
    """Which role may do which act that there is a command for."""
    acts = {command.act for command in SERVICES}
    head = ["act", *(_ROLE_TITLES[role] for role in ROLES)]
    rows = [
        [f"`{act}`", *("●" if role in allowed else "" for role in ROLES)]
        for act, allowed in sorted(PERMISSIONS.items())
        if act in acts
    ]
    return _table(head, rows)


# --- errors --------------------------------------------------------------------------------


def _with_depth(cls: type[GongyiBankError], depth: int = 0) -> Iterator[tuple[int, type]]:
    yield depth, cls
    for below in sorted(cls.__subclasses__(), key=lambda one: one.__name__):
        if below.__module__.startswith("gongyi_bank.errors"):
            yield from _with_depth(below, depth + 1)


def errors_table() -> str:
    """Every error in the order of the tree, what it means, and what to do."""
    rows = []
    for depth, cls in _with_depth(GongyiBankError):
        assert issubclass(cls, GongyiBankError)
        advice = f"{cls.next_zh}<br>{cls.next_en}" if cls.next_zh else ""
        indent = "&emsp;" * depth
        code = f"`{cls.code}`" + (" ↻" if cls.retryable else "")
        rows.append([f"{indent}`{cls.__name__}`", code, first_sentence(cls), advice])
    return _table(["error", "code", "meaning", "what to do next"], rows)


# --- policies ------------------------------------------------------------------------------


def policies_table() -> str:
    """Every kind of policy with its fields and the values that ship."""
    rows = []
    for kind, policy in POLICIES.items():
        shipped = policy()
        fields = "<br>".join(
            f"`{name}` = {_value(getattr(shipped, name))}" for name in policy.model_fields
        )
        rows.append([f"`{policy.__name__}`", f"`{kind}`", first_sentence(policy), fields])
    return _table(["policy", "kind", "what it sets", "shipped values"], rows)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(getattr(part, "category", part)) for part in value)
    return str(value)


# --- public names --------------------------------------------------------------------------


def reference_table() -> str:
    """Every public name and the first sentence of its docstring."""
    rows = []
    for name in getattr(gongyi_bank, "__all__", ()):
        item = getattr(gongyi_bank, name)
        if isinstance(item, type) and issubclass(item, GongyiBankError):
            continue
        rows.append([f"`{name}`", _kind(item), first_sentence(item)])
    return _table(["name", "kind", "what it is"], rows)


def kit_table() -> str:
    """Every public name of the kit for users' tests, the strategies among them."""
    rows = []
    for package, prefix in ((testing, ""), (strategies, "strategies.")):
        for name in package.__all__:
            item = getattr(package, name)
            rows.append([f"`{prefix}{name}`", _kind(item), first_sentence(item)])
    return _table(["name", "kind", "what it is"], rows)


def desks_table() -> str:
    """Every method of every desk: acts with their command, and what can be read."""
    rows = []
    for desk, found in vars(Desks).items():
        if isinstance(found, property) and not desk.startswith("_"):
            kind = typing.get_type_hints(found.fget)["return"]
            rows += [_desk_row(desk, name, item) for name, item in sorted(vars(kind).items())
                     if not name.startswith("_")]  # fmt: skip
    return _table(["call", "command", "what it does"], rows)


def _desk_row(desk: str, name: str, item: object) -> list[str]:
    command = item._command if isinstance(item, Act) else None
    shown = f"`{command.__name__}`" if command else ""
    return [f"`bank.{desk}.{name}`", shown, first_sentence(command or item)]


def reference_errors() -> str:
    """The public errors, by name; their table stands on the page about errors."""
    public = getattr(gongyi_bank, "__all__", ())
    return ", ".join(f"`{name}`" for name in public if hasattr(errors, name))


def _kind(item: object) -> str:
    if isinstance(item, ModuleType):
        return "module"
    if inspect.isclass(item):
        return "class"
    return "function" if inspect.isroutine(item) else "value"


def first_sentence(item: object) -> str:
    """The first paragraph of a docstring on one line, fit for a cell."""
    if not (inspect.isclass(item) or inspect.isroutine(item) or isinstance(item, ModuleType)):
        return f"`{item!r}`" if len(repr(item)) <= 40 else ""
    paragraph = " ".join((inspect.getdoc(item) or "").split("\n\n")[0].split())
    # Sources that stand in our working papers lead a reader of the pages nowhere.
    return re.sub(r" \((domain|design)\.md[^)]*\)", "", paragraph).replace("|", "\\|")


# --- pages ---------------------------------------------------------------------------------

#: Page under docs/ -> the name between its markers -> who makes the body.
GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "how-to/roles.md": {"roles": roles_table},
    "how-to/errors.md": {"errors": errors_table},
    "how-to/policies.md": {"policies": policies_table},
    "reference.md": {
        "desks": desks_table,
        "names": reference_table,
        "kit": kit_table,
        "errors": reference_errors,
    },
}


def made_anew(page: Path) -> str:
    """A page's text with its generated parts as the code has them now."""
    text = page.read_text("utf-8")
    for name, make in GENERATED[page.relative_to(DOCS).as_posix()].items():
        pattern = _MARKED.format(name=name, body="(?:.*\n)*?").replace("\n<!-- end", "<!-- end")
        marked = _MARKED.format(name=name, body=make())
        text, found = re.subn(pattern, lambda _, made=marked: made, text)
        assert found == 1, f"{page.name} has {found} parts marked {name}"
    return text
