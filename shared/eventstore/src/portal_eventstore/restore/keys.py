"""How does identity's table of data keys agree with `patient.keys` again?

A key that the topic holds comes back; one that it has lost, by a tombstone which may itself be compacted away
since, was erased and must not come back from a backup.
"""

from contextlib import aclosing
from typing import Any, NamedTuple
from uuid import UUID

from portal_events.keys import KeyRecordError, WrappedKey, from_record, patient_of
from portal_events.topics import PATIENT_KEYS
from portal_eventstore.history import fences, read

_HAS_TABLE = "select to_regclass('issued_key') is not null"
_ADD = """
insert into issued_key (patient_id, kek_version, ciphertext, published_at)
select t.*, now() from unnest($1::uuid[], $2::int[], $3::bytea[]) as t (patient_id, kek_version, ciphertext)
on conflict (patient_id) do update set published_at = coalesce(issued_key.published_at, now())
"""
_ERASED = """
delete from issued_key where published_at is not null and patient_id <> all ($1) returning patient_id
"""


class Keys(NamedTuple):
    """How many keys Kafka holds, and how many were erased since the backup."""

    held: int
    erased: int


async def restore_keys(connection: Any, bootstrap_servers: str, topic: str = PATIENT_KEYS) -> Keys | None:
    """Bring the table `issued_key` in line; None where the service has none."""
    if not await connection.fetchval(_HAS_TABLE):
        return None
    held: dict[UUID, WrappedKey] = {}
    for (name, partition), (begin, end) in (await fences(bootstrap_servers, topic)).items():
        async with aclosing(read(bootstrap_servers, name, partition, begin, end)) as batches:
            async for records in batches:
                for record in records:
                    try:
                        key = from_record(record.key, record.value)
                        patient_id = patient_of(record.key)
                    except KeyRecordError:
                        # Nobody can open it: for every reader it is as if it were not there.
                        continue
                    if key is None:
                        held.pop(patient_id, None)
                    else:
                        held[patient_id] = key
    async with connection.transaction():
        erased = await connection.fetch(_ERASED, list(held))
        await connection.execute(
            _ADD,
            list(held),
            [key.kek_version for key in held.values()],
            [key.ciphertext for key in held.values()],
        )
    return Keys(len(held), len(erased))
