"""What a person is told when the database fails under a takeover: which one, and what to do."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from gongyi_bank.errors import EngineError, EngineUnsupported, OutcomeUnknown

Sentence = tuple[str, str]

_GO_ON_ZH, _GO_ON_EN = (
    "，然后再运行一次，会从中断处继续",
    ", then run it again: it goes on from there",
)
_FULL: Sentence = (
    f"磁盘已满或写不进去；请腾出空间{_GO_ON_ZH}",
    f"the disk is full or cannot be written; make room{_GO_ON_EN}",
)
_NO_PLACE: Sentence = (
    "打不开这个文件；请核对文件夹是否存在、是否可写",
    "the file cannot be opened; check that its folder exists and may be written",
)
_READ_ONLY: Sentence = (
    "文件或文件夹只读；请改权限，或换一个 --database",
    "the file or its folder is read-only; change that, or name another --database",
)
_NO_BOOKS: Sentence = (
    "这个文件不是 SQLite 数据库；请换一个 --database",
    "the file is no SQLite database; name another --database",
)
_AWAY: Sentence = (
    f"连不上数据库；请核对它是否在运行，以及地址、用户名和密码{_GO_ON_ZH}",
    f"it cannot be reached; check that it runs, and the address, user and password{_GO_ON_EN}",
)
_BUSY: Sentence = (
    "别人正占用着数据库；请稍后再运行一次，会从中断处继续",
    "others are using it; run it again later: it goes on from there",
)
_UNCLEAR: Sentence = (
    f"最后一批没有得到答复，可能已入账；请看磁盘空间和数据库{_GO_ON_ZH}",
    "the last chunk was not answered and may be in the books; look at the disk space and "
    f"the database{_GO_ON_EN}",
)
#: By what an engine's reason contains; the first that fits.
_SENTENCES: tuple[tuple[tuple[str, ...], Sentence], ...] = (
    (("SQLITE_FULL", "SQLITE_IOERR", "SQLSTATE 53100"), _FULL),
    (("SQLITE_CANTOPEN",), _NO_PLACE),
    (("SQLITE_READONLY", "SQLITE_PERM", "SQLSTATE 25006"), _READ_ONLY),
    (("SQLITE_NOTADB", "SQLITE_CORRUPT"), _NO_BOOKS),
    (("connection lost", "SQLSTATE 08", "SQLSTATE 28", "SQLSTATE 3D", "SQLSTATE 57P"), _AWAY),
    (("SQLITE_BUSY", "SQLITE_LOCKED", "SQLSTATE 55P03", "SQLSTATE 53300"), _BUSY),
)


def sentence_about(error: EngineError, database: str) -> str:
    """What happened to which database, and what to do, in one line of both languages."""
    if isinstance(error, EngineUnsupported):
        return str(error)
    reason = str(error.facts.get("reason", ""))
    found = next(
        (told for marks, told in _SENTENCES if any(mark in reason for mark in marks)), None
    )
    if found is None and isinstance(error, OutcomeUnknown):
        found = _UNCLEAR
    if found is None:
        return f"{shown_database(database)}: {error}"
    return f"[{error.code}] {shown_database(database)}: {found[0]} / {found[1]} ({reason})"


def shown_database(database: str | sa.URL) -> str:
    """Where the books are, without a password; a file by its whole path."""
    try:
        url = sa.make_url(database)
    except sa.exc.ArgumentError:
        return "?"  # Who knows what stands in it.
    if url.get_backend_name() != "sqlite":
        return url.render_as_string(hide_password=True)
    return "sqlite://" if is_in_memory(url) else str(Path(url.database or "").resolve())


def is_in_memory(url: sa.URL) -> bool:
    """Whether the books are gone when the program ends."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")
