"""The database that the machine uses if it is given no other: a SQLite file of this process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa

from gongyi_bank.store.engines import connect


@functools.cache
def own_engine() -> sa.Engine:
    """An engine on a file that is removed when the process ends; every run has a bank in it."""
    folder = Path(tempfile.mkdtemp(prefix="gongyi-bank-machine-"))
    engine = connect(f"sqlite:///{folder / 'bank.db'}")

    def remove() -> None:
        engine.dispose()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return engine
