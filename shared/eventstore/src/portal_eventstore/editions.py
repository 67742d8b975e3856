"""Are a view's tables there, and are they what this code reads and writes?"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from portal_eventstore.view import NO_ROWS, View

_CREATED = re.compile(r"^\s*create\s+table\s+(?:if\s+not\s+exists\s+)?(\w+)", re.IGNORECASE | re.MULTILINE)

_REGISTERED = "select edition, tables, replaced, built_at from projection_view where view = $1"
_REGISTER = """
insert into projection_view (view, edition, tables) values ($1, $2, $3)
on conflict (view) do update set (edition, tables) = (excluded.edition, excluded.tables)
"""
_FOLLOWED = "select exists (select from projection_position where view = $1)"
_OTHER_PLACES = """
select exists (select from projection_position where view = $1 and edition is distinct from $2)
"""
_MISSING = (
    "select name from unnest($1::text[]) as name where to_regclass('public.' || quote_ident(name)) is null"
)


class Registered(NamedTuple):
    """What is known of a view's tables. `replaced`: the editions that they had before."""

    edition: str
    tables: Sequence[str]
    replaced: Collection[str]
    built_at: datetime | None


class Standing(Enum):
    """How a view's tables stand to this code."""

    OURS = "follow them"
    BUILD = "they must be built anew"
    NEWER = "they are of a newer edition than this code's"


async def registered(connection: Any, view: str) -> Registered | None:
    """Return what is known of a view's tables."""
    row = await connection.fetchrow(_REGISTERED, view)
    return None if row is None else Registered(*row)


async def missing_tables(connection: Any, tables: Iterable[str]) -> list[str]:
    """Return those of a view's tables that somebody dropped."""
    return [row["name"] for row in await connection.fetch(_MISSING, list(tables))]


def tables_of(view: View[Any]) -> list[str]:
    """Return the names of the tables that a view's SQL makes."""
    return _CREATED.findall(view.table)


async def standing(connection: Any, view: View[Any]) -> Standing:
    """Tell how a view's tables stand to this code."""
    known = await registered(connection, view.name)
    if known is None or await connection.fetchval(_OTHER_PLACES, view.name, view.edition):
        # Places without an edition are of code that knew none.
        replaced = known is not None and view.edition in known.replaced
        return Standing.NEWER if replaced else Standing.BUILD
    if known.edition != view.edition:
        return Standing.NEWER if view.edition in known.replaced else Standing.BUILD
    return Standing.BUILD if await missing_tables(connection, tables_of(view)) else Standing.OURS


async def create_tables(pool: Any, views: Iterable[View[Any]]) -> None:
    """Create the tables of views that were never there; any number of processes may start at once.

    Tables of another edition are left as they are, and those that somebody dropped are not made again: they
    would be empty, and nobody would know.
    """
    async with pool.acquire() as connection, connection.transaction():
        # Parallel `create table if not exists` fail on each other's catalogue rows.
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('projection tables', 0))")
        for view in views:
            if view.table == NO_ROWS:
                await _take_over(connection, view)
            elif await registered(connection, view.name) is None and not await connection.fetchval(
                _FOLLOWED, view.name
            ):
                await connection.execute(view.table)
                await register(connection, view)


async def register(connection: Any, view: View[Any]) -> None:
    """Note that the tables are of this code's edition, and which topics they show."""
    await connection.execute(_REGISTER, view.name, view.edition, tables_of(view))
    await connection.execute(
        "delete from projection_topic where view = $1 and topic <> all ($2)", view.name, list(view.topics)
    )
    await connection.execute(
        "insert into projection_topic (view, topic) select $1, unnest($2::text[]) on conflict do nothing",
        view.name,
        list(view.topics),
    )


async def _take_over(connection: Any, view: View[Any]) -> None:
    """Let a reaction go on where an earlier edition of it stopped: what is past is not done again."""
    await register(connection, view)
    await connection.execute(
        "update projection_position set edition = $2 where view = $1 and edition is distinct from $2",
        view.name,
        view.edition,
    )
