"""How do store and topic stand to each other, by counts and places alone?"""

import asyncpg

from portal_events.topics import events_topic
from portal_eventstore.guard.guard import difference
from portal_eventstore.guard.topic_end import last_events
from portal_eventstore.verify.check import Check

_KAFKA_SECONDS = 30.0
_STAND = """
select (select count(*) from event) as events, (select coalesce(max(position), 0) from event) as head,
    (select published from relay) as published, (select count(*) from dropped_event) as dropped
"""


async def look_at_log(database_url: str, owner: str, bootstrap_servers: str) -> list[Check]:
    """Compare the ends."""
    last = await last_events(bootstrap_servers, events_topic(owner), _KAFKA_SECONDS)
    connection = await asyncpg.connect(database_url)
    try:
        sentence = await difference(connection, owner, last)
        events, head, published, dropped = await connection.fetchrow(_STAND)
    finally:
        await connection.close()
    if sentence is not None:
        return [Check(clean=False, text=sentence)]
    top = max((event.position for event in last), default=0)
    if published > top:
        return [Check(clean=False, text=f"published up to {published}, but Kafka holds up to {top} only")]
    return [
        Check(
            clean=True,
            text=f"{events:,} events up to position {head}; published up to {published}; "
            f"Kafka holds up to {top}; {dropped:,} left out by a restore",
        )
    ]
