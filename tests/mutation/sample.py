"""A sample of the rules' mutants, for `.ci/run`: `python -m tests.mutation.sample`.

mutmut runs the mutants of a few modules of `gongyi_bank/rules`; it ends with 1 if fewer than nine
in ten are noticed. All of them: docs/explanation/mutation.md.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

#: What says which points live, and what may be taken.
MODULES = ("expiry", "points")
_LEAST = 0.9


def main() -> int:
    """Run them, say what became of them, and give the exit code."""
    patterns = [f"gongyi_bank.rules.{module}.*" for module in MODULES]
    _mutmut("run", "--max-children", "2", *patterns)
    became = Counter(
        line.rpartition(": ")[2].strip()
        for line in _mutmut("results", "--all", "true").splitlines()
        if line.strip().startswith(tuple(f"gongyi_bank.rules.{module}." for module in MODULES))
    )
    noticed = became["killed"] + became["timeout"]
    print(f"{became.total()} mutants of {', '.join(MODULES)}:", dict(became))
    return 0 if became.total() and noticed >= _LEAST * became.total() else 1


def _mutmut(*asked: str) -> str:
    """What mutmut, which must be installed here, prints."""
    command = [sys.executable, "-m", "mutmut", *asked]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
