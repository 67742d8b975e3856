"""What removes rows that nobody will ask for any more?

First of all those of accounts that were never created. A credential and a data key come before their events.
A crash or a lost connection in between leaves them without; once their append can no longer be on its way,
they are deleted. Ids are UUIDv7 and so tell the time.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from identity.limits import FAMILIAR_FOR

ON_ITS_WAY: Final = timedelta(hours=1)
"""No append takes longer; the store gives up after seconds."""

_LOOK_BACK: Final = timedelta(days=7)

_CREDENTIALS: Final = """
delete from credential c where c.account_id between $1 and $2
and not exists (select from event_tag t where t.tag = 'account:' || c.account_id)
"""
_KEYS: Final = """
delete from issued_key k where k.patient_id between $1 and $2
and not exists (
    select from event_tag t where t.tag in ('patient:' || k.patient_id, 'account:' || k.patient_id)
)
"""


async def sweep(pool: Any, now: datetime) -> None:
    """Delete what the last week left without events, but for the last hour; and what has lapsed."""
    span = (_id_at(now - _LOOK_BACK), _id_at(now - ON_ITS_WAY))
    for statement in (_CREDENTIALS, _KEYS):
        await pool.execute(statement, *span)
    await pool.execute("delete from link where expires_at <= $1", now)
    await pool.execute("delete from attempt where full_until <= $1", now)
    await pool.execute("delete from familiar_address where seen_at <= $1", now - FAMILIAR_FOR)


def _id_at(instant: datetime) -> UUID:
    """Return the lowest UUIDv7 of an instant (RFC 9562, 5.7: milliseconds stand first)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
