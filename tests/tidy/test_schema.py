"""Design §3, Tenancy: the bank leads every key, every constraint has a name, nothing defers."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

from tests.tidy.house import PACKAGE, report

NAME_LENGTH_MAX = 50
#: The table of banks: its whole key is the bank, and a bank is found by other columns too.
BANK_TABLE = "gb_bank"
#: The only tables that belong to no bank: the migration version.
GLOBAL_TABLES = frozenset({"gb_alembic_version", "gb_schema_version"})

INEXACT_TYPES = (sa.Numeric, sa.Float, sa.Double)


def schema_faults(metadata: sa.MetaData) -> list[str]:
    return [fault for table in metadata.sorted_tables for fault in _table_faults(table)]


def _table_faults(table: sa.Table) -> Iterator[str]:
    if not table.name.startswith("gb_"):
        yield f"{table.name}: the name does not start with gb_"
    yield from _key_faults(table)
    yield from _name_faults(table)
    yield from _constraint_faults(table)
    for column in table.columns:
        if any(isinstance(type_, INEXACT_TYPES) for type_ in _types_of(column.type)):
            yield f"{table.name}.{column.name}: {column.type!r} is not exact"


def _key_faults(table: sa.Table) -> Iterator[str]:
    """Primary key, unique constraints, foreign keys and indexes all begin with bank_id."""
    primary_key = list(table.primary_key.columns.keys())
    if table.name == BANK_TABLE and primary_key != ["bank_id"]:
        yield f"{table.name}: the primary key is {primary_key}, not bank_id alone"
    if table.name in GLOBAL_TABLES | {BANK_TABLE}:
        return
    for kind, name, columns in _keys(table):
        if columns[:1] != ["bank_id"]:
            yield f"{table.name}: {kind} {name} begins with {columns[:1]}, not with bank_id"
    for key in table.foreign_key_constraints:
        target = [element.target_fullname.rpartition(".")[2] for element in key.elements]
        if target[:1] != ["bank_id"]:
            yield f"{table.name}: foreign key {key.name} points at {target[:1]}, not at bank_id"


def _keys(table: sa.Table) -> Iterator[tuple[str, object, list[str]]]:
    yield "primary key", table.primary_key.name, list(table.primary_key.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield "unique constraint", constraint.name, list(constraint.columns.keys())
        elif isinstance(constraint, sa.ForeignKeyConstraint):
            yield "foreign key", constraint.name, list(constraint.column_keys)
    for index in table.indexes:
        columns = [getattr(part, "name", None) or str(part) for part in index.expressions]
        yield "index", index.name, columns


def _name_faults(table: sa.Table) -> Iterator[str]:
    items: list[sa.Constraint | sa.Index] = [*table.constraints, *table.indexes]
    for item in items:
        kind = type(item).__name__
        if not isinstance(item.name, str):
            yield f"{table.name}: a {kind} has no name"
        elif len(item.name) > NAME_LENGTH_MAX:
            yield f"{table.name}: {kind} {item.name} has {len(item.name)} characters"


def _constraint_faults(table: sa.Table) -> Iterator[str]:
    for constraint in table.constraints:
        if constraint.deferrable is not None or constraint.initially is not None:
            yield f"{table.name}: {constraint.name} is DEFERRABLE"
        if isinstance(constraint, sa.ForeignKeyConstraint):
            rules = {str(constraint.ondelete).upper(), str(constraint.onupdate).upper()}
            if "SET NULL" in rules:
                yield f"{table.name}: {constraint.name} says SET NULL"


def _types_of(type_: TypeEngine[object]) -> Iterator[TypeEngine[object]]:
    """The type itself, what a TypeDecorator stores, and the variants for single engines."""
    yield type_
    if isinstance(type_, TypeDecorator):
        yield from _types_of(type_.impl_instance)
    for variant in type_._variant_mapping.values():
        yield from _types_of(variant)


def test_the_schema_keeps_the_rules_of_tenancy() -> None:
    if not any((PACKAGE / "store").rglob("*.py")):
        return  # the floor is not built yet
    from gongyi_bank.store.tables import metadata

    report(
        [
            *(["the metadata has no tables"] if not metadata.tables else []),
            *schema_faults(metadata),
        ],
        advice="let bank_id lead the key, give the constraint an explicit name of at most 50"
        " characters, use integers in the smallest unit, and nothing that defers or sets NULL.",
    )


def good_table(*items: sa.schema.SchemaItem) -> sa.MetaData:
    """One table that breaks no rule by itself, with `items` added to it."""
    metadata = sa.MetaData()
    sa.Table(
        "gb_book",
        metadata,
        sa.Column("bank_id", sa.BigInteger, autoincrement=False),
        sa.Column("book_no", sa.BigInteger, autoincrement=False),
        *items,
        sa.PrimaryKeyConstraint("bank_id", "book_no", name="gb_book_pk"),
    )
    return metadata


def test_the_check_of_the_schema_lets_a_good_table_pass() -> None:
    assert not schema_faults(
        good_table(
            sa.Column("parent_no", sa.BigInteger().with_variant(sa.Integer, "sqlite")),
            sa.UniqueConstraint("bank_id", "parent_no", name="gb_book_uq_parent"),
            sa.ForeignKeyConstraint(
                ["bank_id", "parent_no"], ["gb_book.bank_id", "gb_book.book_no"], name="gb_book_fk"
            ),
            sa.Index("gb_book_ix", "bank_id", "book_no"),
            sa.CheckConstraint("book_no > 0", name="gb_book_ck_no"),
        )
    )


class _Price(TypeDecorator[object]):
    impl = sa.Numeric
    cache_ok = True


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (sa.UniqueConstraint("book_no", name="u"), "unique constraint u begins with ['book_no']"),
        (sa.UniqueConstraint("bank_id", "book_no"), "UniqueConstraint has no name"),
        (sa.Index("gb_ix", "book_no"), "index gb_ix begins with ['book_no']"),
        (sa.CheckConstraint("book_no > 0"), "CheckConstraint has no name"),
        (sa.CheckConstraint("book_no > 0", name="c" * 51), "has 51 characters"),
        (sa.UniqueConstraint("bank_id", name="u", deferrable=True), "u is DEFERRABLE"),
        (sa.Column("price", sa.Float), "gb_book.price"),
        (sa.Column("price", sa.Numeric(10, 2)), "gb_book.price"),
        (sa.Column("price", _Price), "gb_book.price"),
        (sa.Column("price", sa.Integer().with_variant(sa.Double, "mysql")), "gb_book.price"),
        (
            sa.ForeignKeyConstraint(["book_no"], ["gb_book.book_no"], name="f"),
            "foreign key f begins with ['book_no']",
        ),
        (
            sa.ForeignKeyConstraint(
                ["bank_id", "book_no"],
                ["gb_book.bank_id", "gb_book.book_no"],
                name="f",
                ondelete="SET NULL",
            ),
            "f says SET NULL",
        ),
    ],
)
def test_the_check_of_the_schema_can_fail(item: sa.schema.SchemaItem, fault: str) -> None:
    assert [found for found in schema_faults(good_table(item)) if fault in found]


def test_the_check_of_the_schema_wants_the_bank_alone_as_key_of_banks() -> None:
    metadata = sa.MetaData()
    sa.Table(
        "gb_bank",
        metadata,
        sa.Column("bank_id", sa.BigInteger),
        sa.Column("name", sa.Text),
        sa.PrimaryKeyConstraint("bank_id", "name", name="gb_bank_pk"),
    )
    assert schema_faults(metadata) == [
        "gb_bank: the primary key is ['bank_id', 'name'], not bank_id alone"
    ]


def test_the_check_of_the_schema_sees_a_table_without_a_bank() -> None:
    metadata = sa.MetaData()
    sa.Table("book", metadata, sa.Column("no", sa.BigInteger, primary_key=True))
    assert schema_faults(metadata) == [
        "book: the name does not start with gb_",
        "book: primary key None begins with ['no'], not with bank_id",
        "book: a PrimaryKeyConstraint has no name",
    ]
