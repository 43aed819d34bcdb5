"""Style, habit 9: every module of `rules/` has its table tests in a file of the same name."""

from pathlib import Path

from tests.tidy.house import ROOT, report


def missing_tests(root: Path) -> list[str]:
    rules = root / "gongyi_bank" / "rules"
    return [
        f"gongyi_bank/rules/{path.name} has no tests/rules/test_{path.name}"
        for path in sorted(rules.glob("*.py"))
        if path.name != "__init__.py" and not (root / "tests/rules" / f"test_{path.name}").exists()
    ]


def test_every_rule_has_a_test_file() -> None:
    report(
        missing_tests(ROOT),
        advice="write it: a table with one row per refusal and per boundary, without a database.",
    )


def test_the_check_of_test_files_can_fail(tmp_path: Path) -> None:
    for name in ("gongyi_bank/rules/hours.py", "gongyi_bank/rules/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert missing_tests(tmp_path) == [
        "gongyi_bank/rules/hours.py has no tests/rules/test_hours.py"
    ]
    (tmp_path / "tests" / "rules").mkdir(parents=True)
    (tmp_path / "tests" / "rules" / "test_hours.py").touch()
    assert not missing_tests(tmp_path)
