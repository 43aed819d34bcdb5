"""The engines that the store runs on; `engine_for` finds the one for a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from gongyi_bank.errors import EngineUnsupported
from gongyi_bank.store.engines.base import (
    PREPARED,
    Capability,
    Fusion,
    KeyTaken,
    StoreEngine,
    WeakSettings,
)
from gongyi_bank.store.engines.forks import keep_apart
from gongyi_bank.store.engines.mysql import MariadbEngine, MysqlEngine
from gongyi_bank.store.engines.postgresql import PostgresqlEngine
from gongyi_bank.store.engines.sqlite import READ_ONLY, SqliteEngine
from gongyi_bank.store.engines.wire import Wire

__all__ = [
    "PREPARED",
    "READ_ONLY",
    "Capability",
    "Fusion",
    "KeyTaken",
    "StoreEngine",
    "WeakSettings",
    "Wire",
    "connect",
    "engine_for",
]

_ENGINES: dict[str, StoreEngine] = {
    engine.name: engine
    for engine in (SqliteEngine(), PostgresqlEngine(), MysqlEngine(), MariadbEngine())
}


def engine_for(dialect_name: str) -> StoreEngine:
    """The store engine of a dialect; raises EngineUnsupported."""
    try:
        return _ENGINES[dialect_name]
    except KeyError:
        raise EngineUnsupported(engine=dialect_name, reason="unknown dialect") from None


#: The driver of a URL that names none.
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_UNUSABLE = (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, sa.exc.InvalidRequestError)
#: Which extra of ours brings a missing package.
_EXTRAS = {
    "psycopg": "postgres",
    "pymysql": "mysql",
    "aiosqlite": "asyncio",
    "greenlet": "asyncio",
}


def connect(
    url: str | sa.URL,
    *,
    drivers: Mapping[str, str] = _DRIVERS,
    create: Callable[..., sa.Engine] = sa.create_engine,
) -> sa.Engine:
    """An engine of our own: pooled, prepared, and never showing parameters in its errors."""
    try:
        made = sa.make_url(url)
        made = made.set(drivername=drivers.get(made.drivername, made.drivername))
        support = engine_for(made.get_backend_name())
        engine = create(
            made,
            hide_parameters=True,
            execution_options={PREPARED: True},
            **support.engine_options(made),
        )
    except (*_UNUSABLE, ImportError) as error:
        name = str(url).split(":", 1)[0][:40]
        reason = type(error).__name__
        if isinstance(error, ImportError) and error.name in _EXTRAS:
            reason = f"pip install 'gongyi-bank[{_EXTRAS[error.name]}]'"
        raise EngineUnsupported(engine=name, reason=reason) from None
    support.prepare(engine)
    if not support.lives_in_a_connection(made):
        keep_apart(engine)
    return engine
