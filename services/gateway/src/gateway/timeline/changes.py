"""What has changed on a patient's timeline since a position?

One statement, so that rows, level and positions are of one instant: what it does not see, the next look does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gateway.database import connection
from gateway.timeline.item import COLUMNS, NAMES
from gateway.timeline.project import TIMELINE, TOLD_LEVELS
from portal_chassis.positions import Positions
from portal_events.identity import Level
from portal_events.topics import PARTITIONS, partition_for

_END: Final = 2**63 - 1
"""Nothing changed after this."""

_CHANGES: Final = f"""
select place.booking, place.identity, place.level, place.raised, t.position, {COLUMNS}
from (
    select coalesce(max(p.last_position) filter (where p.view = $2), 0) as booking,
        coalesce(max(p.last_position) filter (where p.view = $3), 0) as identity,
        (select level from levels where patient_id = $1) as level,
        (select position from levels where patient_id = $1) as raised
    from projection_position p
    where (p.view, p.topic, p.partition) in (($2, $4, $6), ($3, $5, $6))
) place
left join (select * from timeline where patient_id = $1 and position > $7) t on true
{NAMES}
order by t.position
"""  # noqa: S608 - our own columns


@dataclass(frozen=True, slots=True)
class Place:
    """How far the views have come in the partitions of one patient."""

    booking: int
    identity: int


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: how far the views are, the level and where it was reached, and changed rows."""

    place: Place
    level: Level
    raised: int
    rows: Sequence[Any]


class Changes:
    """Looks for one patient's changes."""

    def __init__(self, pool: Any, patient_id: UUID) -> None:
        """Take the gateway's connections, and whose timeline it is."""
        self._pool = pool
        self._patient_id = patient_id
        self._partition = partition_for(str(patient_id).encode(), PARTITIONS)
        [self._booking], [self._identity] = TIMELINE.topics, TOLD_LEVELS.topics

    async def since(self, place: Place | None) -> Look:
        """Return what changed after `place`, oldest first; after None, nothing but how things are."""
        async with connection(self._pool) as held:
            rows = await held.fetch(
                _CHANGES,
                self._patient_id,
                TIMELINE.view,
                TOLD_LEVELS.view,
                self._booking,
                self._identity,
                self._partition,
                _END if place is None else place.booking,
            )
        first = rows[0]
        level = Level.BASIC if first["level"] is None else Level(first["level"])
        return Look(
            Place(first["booking"], first["identity"]),
            level,
            # Basic is what an account begins with: only a higher level was reached at a time.
            0 if level is Level.BASIC else first["raised"],
            [row for row in rows if row["id"] is not None],
        )

    def positions(self, place: Place) -> Positions:
        """Return a place as the vector that clients hold."""
        return {
            (self._booking, self._partition): place.booking,
            (self._identity, self._partition): place.identity,
        }

    def place(self, positions: Positions) -> Place | None:
        """Return the place that a vector tells of this patient's partitions; None when it tells none."""
        booking = positions.get((self._booking, self._partition))
        identity = positions.get((self._identity, self._partition))
        return None if booking is None or identity is None else Place(booking, identity)
