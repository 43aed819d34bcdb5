"""Where the databases of the tests lie: in memory, where there is room enough.

May not be imported by the package. Making and removing databases is all file work, and what a
killed client or server leaves in memory is the same as on a disk.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")
_BYTES_MIN = 2**30


@contextmanager
def folder(prefix: str, *, in_memory: bool = True) -> Iterator[Path]:
    """A new folder, in memory or where temporary files go; removed afterwards."""
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=_roomy_memory() if in_memory else None))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _roomy_memory() -> str | None:
    is_roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _BYTES_MIN
    return str(_MEMORY) if is_roomy and os.access(_MEMORY, os.W_OK) else None
