"""What the account of a service may do, and whether an account may change history beyond that.

Triggers refuse whoever changes written rows; grants keep a service from even asking, and from
dropping the triggers. Both go by the same list of what may change (`guards`). The library deletes
nothing, so nobody is granted DELETE.
"""

from __future__ import annotations

import re

from sqlalchemy.sql.compiler import IdentifierPreparer

from gongyi_bank.errors import InvalidValue
from gongyi_bank.store import tables
from gongyi_bank.store.engines.guards import MUTABLE_COLUMNS, guarded_tables

_VERSION = "schema_version"
#: Tables without triggers of which a service changes only these columns; of the others, any.
_CHANGING: dict[str, tuple[str, ...]] = {
    "bank": ("policies_stamp",),
    "person": (),
    _VERSION: (),
}
#: Written by whoever founds a bank or migrates.
_NOT_WRITTEN = frozenset({"bank", _VERSION})
#: Names that mean everybody, or nobody, however they are quoted.
_RESERVED = frozenset({"public", "none"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.$-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9_.:%/-]{1,60}")


def quoted_role(preparer: IdentifierPreparer, role: str) -> str:
    """A role's name as SQL. Raises InvalidValue."""
    if not _NAME.fullmatch(role) or role.lower() in _RESERVED:
        raise InvalidValue.of("role", role, "letters, digits and _ . $ -, at most 63")
    return preparer.quote_identifier(role)


def quoted_account(preparer: IdentifierPreparer, account: str) -> str:
    """An account as SQL, with its host if it has one: `service@10.0.0.%`. Raises InvalidValue."""
    name, has_host, host = account.partition("@")
    if has_host and not _HOST.fullmatch(host):
        raise InvalidValue.of("role", account, "name or name@host")
    quoted = quoted_role(preparer, name)
    return f"{quoted}@{preparer.quote_identifier(host)}" if has_host else quoted


def table_grants(preparer: IdentifierPreparer, schema: str, grantee: str) -> list[str]:
    """A GRANT for every table; `grantee` is quoted already."""
    ours = [name.removeprefix("gb_") for name in tables.metadata.tables]
    return [
        f"GRANT {_rights(preparer, name)}"
        f" ON {preparer.quote_identifier(schema)}.{preparer.quote_identifier('gb_' + name)}"
        f" TO {grantee}"
        for name in sorted([*ours, _VERSION])
    ]


def _rights(preparer: IdentifierPreparer, table: str) -> str:
    rights = ["SELECT"] if table in _NOT_WRITTEN else ["SELECT", "INSERT"]
    changing = _changing(table)
    if changing is None:
        rights.append("UPDATE")
    elif changing:
        rights.append(f"UPDATE ({', '.join(map(preparer.quote_identifier, changing))})")
    return ", ".join(rights)


def _changing(table: str) -> tuple[str, ...] | None:
    """The columns that a service may change; None: all of them."""
    if table in guarded_tables():
        return MUTABLE_COLUMNS.get(table, ())
    return _CHANGING.get(table)


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_GUARDED = _listed([f"gb_{table}" for table in guarded_tables()])
_MUTABLE = _listed([f"gb_{t}.{column}" for t, names in MUTABLE_COLUMNS.items() for column in names])

#: As any of the roles that the session's user could take on. Whoever owns a table or its schema can
#: do everything with it; a trigger runs code of its maker with the rights of whoever inserts.
POSTGRESQL_MAY_CHANGE_HISTORY = (
    "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"  # noqa: S608
    " JOIN pg_roles r ON pg_has_role(session_user, r.oid, 'MEMBER')"
    f" WHERE c.relname IN ({_GUARDED}) AND c.relkind IN ('r', 'p')"
    " AND pg_table_is_visible(c.oid) AND (r.oid IN (c.relowner, n.nspowner)"
    " OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')"
    " OR EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0"
    f" AND NOT a.attisdropped AND c.relname || '.' || a.attname NOT IN ({_MUTABLE})"
    " AND has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE'))))"
)
#: DROP is what TRUNCATE needs; ALTER can make a column anew. A column's rights count those of the
#: session's roles, the other tables show what was granted to the account itself.
MYSQL_MAY_CHANGE_HISTORY = (
    "SELECT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE()"  # noqa: S608
    f" AND table_name IN ({_GUARDED}) AND find_in_set('update', privileges)"
    f" AND CONCAT(table_name, '.', column_name) NOT IN ({_MUTABLE}))"
    " OR EXISTS (SELECT 1 FROM (SELECT grantee, privilege_type FROM"
    " information_schema.user_privileges UNION ALL SELECT grantee, privilege_type FROM"
    " information_schema.schema_privileges WHERE DATABASE() LIKE table_schema"
    " UNION ALL SELECT grantee, privilege_type FROM information_schema.table_privileges"
    f" WHERE table_schema = DATABASE() AND table_name IN ({_GUARDED})) AS granted"
    " WHERE privilege_type IN ('DELETE', 'DROP', 'ALTER')"
    " AND REPLACE(grantee, '''', '') = CURRENT_USER())"
)
#: Roles that the account could take on. What those may do, and what MariaDB's PUBLIC may, stands in
#: no table that the account may read.
MYSQL_COUNT_ROLES = "SELECT count(*) FROM information_schema.applicable_roles"
#: The database and the schema in which a session finds the tables.
POSTGRESQL_PLACE = (
    "SELECT current_database(), n.nspname FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('gb_bank')"
)
