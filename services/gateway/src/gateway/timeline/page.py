"""Which items does one page of a patient's timeline show?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from gateway.database import connection
from gateway.timeline.filters import Cursor, State
from gateway.timeline.kind import Kind

# The owner comes first, and only the session names it. Ids come as text, ready to be written as JSON.
_PAGE: Final = """
select t.starts_at, t.id::text as id, t.kind, t.minutes, t.zone, t.appointment_id::text as appointment_id,
    service.name as service, doctor.name as doctor,
    facility.name as facility, facility.street, facility.city
from (
    select * from timeline
    where patient_id = $1
        and (starts_at, id) < (coalesce($2, 'infinity'::timestamptz),
            coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
        and starts_at >= coalesce($4, '-infinity'::timestamptz)
        and starts_at < coalesce($5, 'infinity'::timestamptz)
        and ($6::text[] is null or kind = any ($6))
        and ($7::boolean is null or (starts_at + make_interval(mins => minutes) <= $8) = $7)
    order by starts_at desc, id desc
    limit $9
) t
left join directory service on service.id = t.service_id
left join directory doctor on doctor.id = t.doctor_id
left join directory facility on facility.id = t.facility_id
order by t.starts_at desc, t.id desc
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One page: whose, filtered how, and where it begins. `start` is included, `end` is not."""

    patient_id: UUID
    now: datetime
    limit: int
    after: Cursor | None = None
    start: datetime | None = None
    end: datetime | None = None
    kinds: tuple[Kind, ...] = ()
    state: State | None = None


async def read_page(pool: Any, wanted: Wanted) -> dict[str, Any]:
    """Return the page as the answer's JSON: items, newest first, and the cursor of the next page."""
    after = wanted.after
    async with connection(pool) as held:
        rows = await held.fetch(
            _PAGE,
            wanted.patient_id,
            after.starts_at if after else None,
            after.item_id if after else None,
            wanted.start,
            wanted.end,
            list(wanted.kinds) or None,
            None if wanted.state is None else wanted.state is State.COMPLETED,
            wanted.now,
            wanted.limit + 1,
        )
    shown = rows[: wanted.limit]
    more = len(rows) > wanted.limit
    return {
        "items": [_item(row, wanted.now) for row in shown],
        "next": Cursor(shown[-1]["starts_at"], UUID(shown[-1]["id"])).token() if more else None,
    }


def _item(row: Any, now: datetime) -> dict[str, Any]:
    over = row["starts_at"] + timedelta(minutes=row["minutes"]) <= now
    facility = row["facility"]
    return {
        "id": row["id"],
        "kind": row["kind"],
        "state": State.COMPLETED if over else State.PLANNED,
        "startsAt": row["starts_at"],
        "zone": row["zone"],
        "minutes": row["minutes"],
        # Null until the directory has caught up with what the network added.
        "title": row["service"],
        "doctor": row["doctor"],
        "facility": facility and {"name": facility, "street": row["street"], "city": row["city"]},
        "appointmentId": row["appointment_id"],
    }
