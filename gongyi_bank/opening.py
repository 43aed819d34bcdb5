"""开行: what is asked of a database and of keys before a bank is opened or founded there."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.errors import EngineSettingsUnsafe, InvalidValue
from gongyi_bank.rules.customers import default_index_key
from gongyi_bank.store.connections import (
    own_transaction,
    refused_here,
    require_reachable,
    require_usable_here,
)
from gongyi_bank.store.engines import StoreEngine, WeakSettings, connect, engine_for
from gongyi_bank.store.founding import list_grants
from gongyi_bank.store.transaction import BankIdentity, Keys
from gongyi_bank.values import clean_text

UnsafeSettings = Literal["refuse", "warn", "allow"]


@contextmanager
def opening(
    database: str | sa.URL | sa.Engine, policy: UnsafeSettings
) -> Iterator[tuple[sa.Engine, StoreEngine]]:
    """The engine, its settings checked; one of our own is given back if opening fails."""
    engine = database if isinstance(database, sa.Engine) else _connect(database)
    support = engine_for(engine.dialect.name)
    try:
        require_reachable(engine)
        with own_transaction(engine, support, read_only=True) as connection:
            found = support.weak_settings(connection)
        refuse_unsafe(found, policy)
        yield engine, support
    except BaseException:
        if engine is not database:
            engine.dispose()
        raise


def _connect(database: str | sa.URL) -> sa.Engine:
    """An engine of our own, with a driver that whoever opens it here can use."""
    given = getattr(database, "sync_engine", None)
    if isinstance(given, sa.Engine):  # an AsyncEngine, which is no Engine
        raise refused_here(given.dialect)
    return connect(database, create=_create)


def _create(url: sa.URL, **options: Any) -> sa.Engine:
    # Before the driver is looked for: to install it would not help.
    require_usable_here(url.get_dialect())
    return sa.create_engine(url, **options)


def grants(database: str | sa.URL | sa.Engine, role: str) -> list[str]:
    """The statements of `Bank.grants`."""
    role = clean_text(role, field="role", length_max=130)
    with opening(database, "allow") as (engine, support):
        try:
            with own_transaction(engine, support, read_only=True) as connection:
                return list_grants(connection, support, role)
        finally:
            if engine is not database:
                engine.dispose()


def keys_of(identity: BankIdentity, seal_key: bytes | None, index_key: bytes | None) -> Keys:
    """The keys, if they are those that the bank was founded with.

    Without this check one forgotten setting would write lines that nobody can verify, or
    register a person twice.
    """
    given = key_marks(seal_key, index_key)
    for name, mark, known in zip(("seal_key", "index_key"), given, identity.key_marks, strict=True):
        if mark != known:
            raise InvalidValue.of(name, None, "not the key that the bank was founded with")
    return Keys(
        seal_key=seal_key,
        index_key=index_key or default_index_key(identity.bank_id, identity.name),
    )


def key_marks(seal_key: bytes | None, index_key: bytes | None) -> tuple[str | None, str | None]:
    """What is stored of the keys: enough to know them again, nothing to find them by."""
    for name, key in (("seal_key", seal_key), ("index_key", index_key)):
        if key is not None and (not isinstance(key, bytes) or len(key) < 16):
            raise InvalidValue.of(name, key, "at least 16 bytes", personal=True)
    seal, index = (
        key and hmac.digest(key, b"gongyi_bank", "sha256").hex() for key in (seal_key, index_key)
    )
    return seal or None, index or None


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises InvalidValue."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):  # a name that is not there is a KeyError
        raise InvalidValue.of("time_zone", name, "no IANA time zone") from None


def refuse_unsafe(found: WeakSettings, policy: UnsafeSettings) -> None:
    """Refuse settings under which acknowledged acts can be lost, warn of them, or let them be.

    Waiting without an end loses nothing, and is never refused: it is warned of, or let be.
    """
    if policy not in ("refuse", "warn", "allow"):
        raise InvalidValue.of("unsafe_settings", policy, "refuse, warn or allow")
    if found.unsafe and policy == "refuse":
        raise EngineSettingsUnsafe(reason="; ".join(found.unsafe))
    weak = [*found.unsafe, *found.endless]
    if weak and policy != "allow":
        # Whoever opens the bank, or the block; between us are a context manager and its caller.
        warnings.warn("; ".join(weak), stacklevel=5)


def engine_of(connection_or_session: sa.Connection | Session) -> sa.Engine:
    """The engine of a caller's connection or session. Raises InvalidValue, EngineUnsupported."""
    kind = type(connection_or_session).__name__
    bind: sa.Connection | sa.Engine | None = None
    if isinstance(connection_or_session, sa.Connection):
        bind = connection_or_session
    elif isinstance(connection_or_session, Session):
        try:
            bind = connection_or_session.get_bind()
        except sa.exc.UnboundExecutionError:
            reason = "the session has no engine: make it with Session(engine)"
            raise InvalidValue.of("connection_or_session", "Session", reason) from None
    if isinstance(bind, sa.Connection) and bind.closed:
        raise InvalidValue.of("connection_or_session", kind, "the connection was closed before")
    if bind is not None:
        require_usable_here(bind.dialect)
        return bind.engine
    raise InvalidValue.of("connection_or_session", kind, "a SQLAlchemy Connection or Session")
