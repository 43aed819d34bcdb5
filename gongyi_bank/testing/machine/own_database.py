"""The database that the machine uses if it is given no other: a SQLite file of this process."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import connect


@functools.cache
def own_engine() -> sa.Engine:
    """An engine on a file that is removed when the process ends; every run has a bank in it.

    Nothing in it need outlive a power cut, so nothing waits for the disk: whoever shrinks a
    failure runs hundreds of banks.
    """
    folder = Path(tempfile.mkdtemp(prefix="gongyi-bank-machine-"))
    engine = connect(f"sqlite:///{folder / 'bank.db'}")
    sa.event.listen(engine, "connect", _wait_for_no_disk)

    def remove() -> None:
        engine.dispose()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return engine


def _wait_for_no_disk(driver: Any, _: Any) -> None:
    driver.execute("PRAGMA synchronous=OFF").close()
