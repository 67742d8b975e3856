"""How does a service come by a patient's data key?

Every service keeps its own copy of `patient.keys`, wrapped, as a view; it unwraps a key at the last moment
and forgets it after a minute, so that an erased key is soon gone from memory too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from portal_events.keys import KeyRecordError, KeyWrap, WrappedKey, from_record, patient_of
from portal_events.topics import PATIENT_KEYS
from portal_eventstore.decision import KeyUnavailable
from portal_eventstore.kafka import Incoming
from portal_eventstore.project import Projector
from portal_eventstore.rebuild.by_itself import Rebuilds
from portal_eventstore.view import Bulk, MalformedRecordError, Parsed, Rows, View

_CACHE_SECONDS = 60.0
_CACHE_KEYS = 10_000
_POLL_SECONDS = 0.02

_TABLE = """
create table if not exists patient_key (
    patient_id uuid primary key,
    kek_version int not null,
    ciphertext bytea not null
)
"""
_PUT = """
insert into patient_key (patient_id, kek_version, ciphertext)
select * from unnest($1::uuid[], $2::int[], $3::bytea[])
on conflict (patient_id) do update set kek_version = excluded.kek_version, ciphertext = excluded.ciphertext
"""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What a record of `patient.keys` says: the patient's wrapped key, or None where it was erased."""

    patient_id: UUID
    wrapped: WrappedKey | None


@dataclass(frozen=True, slots=True)
class _Cached:
    until: float
    key: bytes = field(repr=False)


class KeyRing:
    """A service's patients' keys. Only a process that calls `start` follows the topic; every one may read."""

    def __init__(
        self,
        pool: Any,
        wrap: KeyWrap,
        bootstrap_servers: str,
        service: str,
        *,
        topic: str = PATIENT_KEYS,
        rebuilds: Rebuilds | None = None,
    ) -> None:
        """Keep the copy in the pool's database; `rebuilds` builds it anew, as a Projector's."""
        self._pool = pool
        self._wrap = wrap
        self.projector = Projector(
            service=service,
            pool=pool,
            bootstrap_servers=bootstrap_servers,
            views=[keys_view(topic)],
            rebuilds=rebuilds,
        )
        self._cache: dict[UUID, _Cached] = {}

    async def start(self) -> None:
        """Create the table and follow `patient.keys` in the background."""
        await self.projector.start()

    async def stop(self) -> None:
        """Follow no more."""
        await self.projector.stop()

    def problems(self) -> list[str]:
        """Say what keeps new keys from arriving."""
        return self.projector.problems()

    async def key_for(self, patient_id: UUID, within: float = 2.0) -> bytes:
        """Return the patient's data key.

        Waits up to `within` seconds for one that is on its way, then raises KeyUnavailable.
        """
        clock = asyncio.get_running_loop().time
        cached = self._cache.get(patient_id)
        if cached is not None and cached.until > clock():
            return cached.key
        wrapped = await self._wrapped(patient_id, clock() + within)
        key = self._wrap.unwrap(wrapped)
        if len(self._cache) >= _CACHE_KEYS:
            self._cache.clear()
        self._cache[patient_id] = _Cached(clock() + _CACHE_SECONDS, key)
        return key

    async def _wrapped(self, patient_id: UUID, deadline: float) -> WrappedKey:
        clock = asyncio.get_running_loop().time
        while True:
            row = await self._pool.fetchrow(
                "select kek_version, ciphertext from patient_key where patient_id = $1", patient_id
            )
            if row is not None:
                return WrappedKey(patient_id, row["kek_version"], row["ciphertext"])
            if clock() + _POLL_SECONDS > deadline:
                raise KeyUnavailable
            await asyncio.sleep(_POLL_SECONDS)


def keys_view(topic: str) -> View[KeyRecord]:
    """Return the view that copies `patient.keys`."""
    return View("patient_key", (topic,), _TABLE, _parse, _apply, bulk=Bulk(_rows))


def _parse(record: Incoming) -> Parsed[KeyRecord]:
    try:
        content = KeyRecord(patient_of(record.key), from_record(record.key, record.value))
    except KeyRecordError as error:
        place = f"{record.topic}/{record.partition} offset {record.offset}"
        raise MalformedRecordError(f"malformed record {place}") from error
    return Parsed(None, content)


async def _apply(connection: Any, records: Sequence[KeyRecord]) -> None:
    last = _last(records)
    erased = [patient_id for patient_id, wrapped in last.items() if wrapped is None]
    if erased:
        await connection.execute("delete from patient_key where patient_id = any ($1)", erased)
    if kept := _kept(last):
        await connection.execute(_PUT, *zip(*kept, strict=True))


def _rows(history: Sequence[KeyRecord]) -> Rows:
    return {"patient_key": _kept(_last(history))}


def _last(records: Sequence[KeyRecord]) -> dict[UUID, WrappedKey | None]:
    """Return what the last record of each patient says: it decides."""
    return {record.patient_id: record.wrapped for record in records}


def _kept(last: Mapping[UUID, WrappedKey | None]) -> list[tuple[UUID, int, bytes]]:
    return [
        (wrapped.patient_id, wrapped.kek_version, wrapped.ciphertext)
        for wrapped in last.values()
        if wrapped is not None
    ]
