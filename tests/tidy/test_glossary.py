"""Style, naming 1: one Chinese term, one English word, in `docs/glossary.md`."""

import re

from tests.tidy.house import ROOT, Module, module_from, package_modules, report

TERMS = dict(
    pair.split(" ", 1)
    for pair in (
        "总行 head office, 分行 branch, 储蓄所 savings branch, 网点 outlet, 存折 passbook,"
        " 客户 customer, 积分 points, 台账 ledger book, 凭证 voucher, 冲正 reversal,"
        " 补登 passbook update, 挂失 loss report, 需求 need, 微心愿 micro-wish, 点单 place,"
        " 派单 dispatch, 接单 accept, 评单 review, 认领 claim, 入折 credit, 兑换 redemption,"
        " 集中兑换 central redemption, 季小评 quarterly review, 年总评 annual review, 星级 stars,"
        " 爱心联盟 alliance, 四个一点 four-source funding, 结对 pairing,"
        " 通存通兑 inter-branch service, 清算 clearing, 结账 close"
    ).split(", ")
)


def table_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.lstrip().startswith("|")]


def term_faults(glossary: str) -> list[str]:
    rows = [row.lower() for row in table_rows(glossary)]
    return [
        f"no row says {chinese} = {english}"
        for chinese, english in TERMS.items()
        if not any(chinese in row and english in row.replace("`", "") for row in rows)
    ]


def code_name_faults(glossary: str, modules: list[Module]) -> list[str]:
    """Names in `backticks` inside a table row are code: each part must occur in the package."""
    words = set(re.findall(r"\w+", " ".join(f"{module.name} {module.text}" for module in modules)))
    return [
        f"`{name}`: the package knows no '{part}'"
        for row in table_rows(glossary)
        for name in re.findall(r"`([^`]+)`", row)
        for part in re.findall(r"\w+", name)
        if part not in words
    ]


def read_glossary() -> str:
    file = ROOT / "docs" / "glossary.md"
    report(
        [] if file.exists() else ["docs/glossary.md is missing"],
        advice="write it: a table with one row per term, Chinese, English, and code names in"
        " `backticks`.",
    )
    return file.read_text("utf-8")


def test_the_glossary_has_every_term() -> None:
    report(
        term_faults(read_glossary()),
        advice="add the table row to docs/glossary.md with exactly this English word.",
    )


def test_code_names_of_the_glossary_exist_in_the_package() -> None:
    report(
        code_name_faults(read_glossary(), package_modules()),
        advice="rename in the glossary or in the code: one term, one word. Backticks in a table row"
        " of docs/glossary.md mark names of the code.",
    )


def test_the_checks_of_the_glossary_can_fail() -> None:
    glossary = "\n".join(
        f"| {chinese} | {english} | `{english}` |" for chinese, english in TERMS.items()
    )
    assert not term_faults(glossary)
    assert term_faults(glossary.replace("passbook", "booklet"))
    row = "| 存折 | passbook | `passbook`, `bank.booklets` |"
    package = [module_from("passbook = 1")]
    assert code_name_faults(row, package) == [
        "`bank.booklets`: the package knows no 'bank'",
        "`bank.booklets`: the package knows no 'booklets'",
    ]
