"""What is in a table, as one short text that any changed cell changes?

A row's text holds every column. Two hashes of it are added up over the rows, in one pass, whatever their
order and number; rows are told apart into buckets by their key, so that of two tables that differ those that
do are found.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

SETTINGS: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}
"""A session's settings that the text of a value depends on."""

_BUCKETS = 1024

_KEYS = """
select quote_ident(a.attname) as name, a.atttypid::regtype::text as type
from pg_catalog.pg_index i
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = $1::regclass and i.indisprimary
order by array_position(i.indkey::int2[], a.attnum)
"""
_SUMS = """
select bucket, count(*) as rows, sum(one) as one, sum(other) as other
from (
    select (hashtextextended({key}, 0) & {last})::int as bucket,
        hashtextextended(whole_row::text, 1) as one, hashtextextended(whole_row::text, 2) as other
    from {table} as whole_row
) as hashed
group by bucket
"""
_ROWS = """
select {key} as key, {ids} as ids, hashtextextended(whole_row::text, 1) as one
from {table} as whole_row
where (hashtextextended({key}, 0) & {last})::int = any ($1)
"""
_IDS = ("uuid", "bigint", "integer")


class Sums(NamedTuple):
    """What the rows of a bucket, or of a table, add up to."""

    rows: int
    one: int
    other: int


@dataclass(frozen=True)
class TableDigest:
    """The sums of each bucket of a table."""

    buckets: Mapping[int, Sums]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(sums.rows for sums in self.buckets.values())

    @property
    def digest(self) -> str:
        """Name the contents."""
        one = sum(sums.one for sums in self.buckets.values())
        other = sum(sums.other for sums in self.buckets.values())
        return hashlib.sha256(f"{self.rows}:{one}:{other}".encode()).hexdigest()[:16]


async def digest(connection: Any, schema: str, table: str) -> TableDigest:
    """Read a table once. The connection has SETTINGS."""
    named = f'"{schema}"."{table}"'
    key, _ = await _key(connection, named)
    rows = await connection.fetch(_SUMS.format(key=key, last=_BUCKETS - 1, table=named))
    return TableDigest({row["bucket"]: Sums(row["rows"], int(row["one"]), int(row["other"])) for row in rows})


def digest_of(tables: Mapping[str, TableDigest]) -> str:
    """Name the contents of several tables."""
    lines = [f"{table} {found.digest}" for table, found in sorted(tables.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


async def hashes(
    connection: Any, schema: str, table: str, buckets: list[int]
) -> dict[str, tuple[str, list[int]]]:
    """Return the rows of some buckets: of each key its ids, and the hashes of its rows."""
    named = f'"{schema}"."{table}"'
    key, ids = await _key(connection, named)
    statement = _ROWS.format(key=key, ids=ids, last=_BUCKETS - 1, table=named)
    found: dict[str, tuple[str, list[int]]] = {}
    for row in await connection.fetch(statement, buckets):
        found.setdefault(row["key"], (row["ids"], []))[1].append(row["one"])
    return found


async def _key(connection: Any, table: str) -> tuple[str, str]:
    """Return SQL for a row's key, and for its ids alone: a time in a key may say something of a person."""
    columns = await connection.fetch(_KEYS, table)
    if not columns:
        return "whole_row::text", "''"
    names = ", ".join(f"whole_row.{column['name']}" for column in columns)
    ids = ", ".join(f"whole_row.{column['name']}" for column in columns if column["type"] in _IDS)
    return f"row({names})::text", f"concat_ws(' ', {ids or 'null'})"
