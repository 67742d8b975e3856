"""What has the log that Kafka does not have yet, and since when?"""

from typing import Final
from uuid import UUID

OLDEST: Final = """
select e.id, e.position from event e
where e.position > (select published from relay) order by e.position limit 1
"""
"""The oldest event that was not published, if there is one."""


def appended_at(event_id: UUID) -> float:
    """Return when an event was appended, in seconds since 1970.

    Its `time` is what it is about, and may be any; its id was made with it (UUIDv7: RFC 9562, 5.7).
    """
    return (event_id.int >> 80) / 1000
