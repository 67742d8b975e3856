"""Which server, which of its histories and which tables does a connection lead to?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

# The write-ahead log's own name tells the timeline from the moment of a promotion on; pg_control_checkpoint
# tells it one checkpoint later. A replica has none: nothing is appended there.
_IDENTIFY = """
select (select system_identifier::text from pg_control_system()) as system,
    case when pg_is_in_recovery() then null
        else left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline,
    (select oid from pg_database where datname = current_database()) as database,
    pg_relation_filenode(to_regclass('event')) as tables,
    pg_postmaster_start_time() as started_at
"""
_STORED = "select system, timeline, database, tables from store_identity"
_KEEP = """
insert into store_identity (system, timeline, database, tables) values ($1, $2, $3, $4)
on conflict (only_row) do update set
    system = $1, timeline = $2, database = $3, tables = $4, compared_at = now()
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a store that was restored, copied or failed over has different.

    `tables` is the file that the table `event` lies in: a dump that is read into the same database makes a
    new one. None where there is no table, or no timeline to append to.
    """

    system: str
    timeline: str | None
    database: int
    tables: int | None


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection's store, and since when its server runs: a disk may have been put back before."""

    identity: Identity
    started_at: datetime


async def connected_to(connection: Any) -> Connected:
    """Ask a connection; any role may."""
    system, timeline, database, tables, started_at = await connection.fetchrow(_IDENTIFY)
    return Connected(Identity(system, timeline, database, tables), started_at)


async def last_compared(connection: Any) -> Identity | None:
    """Return the identity that was last compared with Kafka."""
    row = await connection.fetchrow(_STORED)
    return None if row is None else Identity(*row)


async def keep_compared(connection: Any, identity: Identity) -> None:
    """Note that a store of this identity was compared with Kafka."""
    await connection.execute(_KEEP, identity.system, identity.timeline, identity.database, identity.tables)
