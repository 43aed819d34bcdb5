"""Schema changes of released versions, as Alembic revisions; nothing here runs on import.

`version` says which revision a database has and is all that opening a bank needs. `running`
brings a database up to date; it and `operations` are what imports Alembic. `frozen` and
`operations` are what revisions are written with.
"""

from __future__ import annotations

from typing import TextIO

import sqlalchemy as sa

from gongyi_bank.errors import EngineUnsupported
from gongyi_bank.store.engines import StoreEngine


def bring_up_to_date(
    engine: sa.Engine, support: StoreEngine, script: TextIO | None = None
) -> list[str]:
    """Run the missing revisions, or write their statements to `script`; which they are.

    Raises EngineUnsupported where Alembic is not installed.
    """
    try:
        from gongyi_bank.store.migrations import running
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "alembic":
            raise
        reason = "pip install 'gongyi-bank[migrations]'"
        raise EngineUnsupported(engine="alembic", reason=reason) from None
    if script is not None:
        return running.write_script(engine, support, script)
    return running.upgrade(engine, support)
