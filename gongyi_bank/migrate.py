"""Bring a database up to the schema of this version.

python -m gongyi_bank.migrate --database URL [--sql | --grants ROLE]

Prints the revisions that it ran; with --sql it changes nothing and prints their statements.
With --grants it changes nothing and prints what lets an account run the banks there, and never
change their history. Exit status: 0 done or nothing to do, 2 the database could not be migrated.
Run it again after a failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineError, InvalidValue


def main(arguments: Sequence[str] | None = None) -> int:
    """Migrate and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gongyi_bank.migrate", description=__doc__)
    parser.add_argument("--database", metavar="URL", required=True, help="where the banks are")
    scripts = parser.add_mutually_exclusive_group()
    scripts.add_argument("--sql", action="store_true", help="print the statements, change nothing")
    scripts.add_argument("--grants", metavar="ROLE", help="print the grants of a service's account")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.grants is not None:
            sys.stdout.writelines(
                f"{text};\n" for text in Bank.grants(chosen.database, chosen.grants)
            )
            return 0
        done = Bank.migrate(chosen.database, script=sys.stdout if chosen.sql else None)
    except (EngineError, InvalidValue) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not chosen.sql:
        sys.stdout.write(" ".join(["migrated:", *done] if done else ["nothing to do"]) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
