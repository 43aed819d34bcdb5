"""The engines that the store runs on; `engine_for` finds the one for a connection."""

from __future__ import annotations

import sqlalchemy as sa

from gongyi_bank.errors import EngineUnsupported
from gongyi_bank.store.engines.base import Capability, KeyTaken, StoreEngine
from gongyi_bank.store.engines.postgresql import PostgresqlEngine
from gongyi_bank.store.engines.sqlite import READ_ONLY, SqliteEngine
from gongyi_bank.store.engines.wire import Wire

__all__ = ["READ_ONLY", "Capability", "KeyTaken", "StoreEngine", "Wire", "connect", "engine_for"]

_ENGINES: dict[str, StoreEngine] = {
    engine.name: engine for engine in (SqliteEngine(), PostgresqlEngine())
}


def engine_for(dialect_name: str) -> StoreEngine:
    """The store engine of a dialect; raises EngineUnsupported."""
    try:
        return _ENGINES[dialect_name]
    except KeyError:
        raise EngineUnsupported(engine=dialect_name, reason="unknown dialect") from None


def connect(url: str | sa.URL) -> sa.Engine:
    """An engine of our own: pooled, prepared, and never showing parameters in its errors."""
    try:
        made = sa.make_url(url)
        if made.drivername == "postgresql":
            made = made.set(drivername="postgresql+psycopg")
        support = engine_for(made.get_backend_name())
        engine = sa.create_engine(made, hide_parameters=True, **support.engine_options(made))
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        name = str(url).split(":", 1)[0][:40]
        raise EngineUnsupported(engine=name, reason=type(error).__name__) from None
    support.prepare(engine)
    return engine
