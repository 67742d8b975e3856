"""Does Kafka hold each event of a store once, as a consumer sees it, and in the store's order?"""

from collections import defaultdict

from portal_events.topics import OWNERS, events_topic
from portal_faults.running import RunningPortal, require


async def check_topics(portal: RunningPortal) -> None:
    """Compare each store with its topic; raise on what is lost, foreign, doubled or out of order."""
    for service in OWNERS:
        rows = await portal.query(service, "select id, position from event order by position")
        stored = {str(row["id"]): row["position"] for row in rows}
        seen: dict[int, list[int]] = defaultdict(list)
        ids = []
        for record in await portal.first_occurrences(events_topic(service)):
            headers = dict(record.headers)
            ids.append(headers["ce_id"].decode())
            seen[record.partition].append(int(headers["ce_sequence"]))
        require(len(ids) == len(set(ids)), f"{service}: an event is on Kafka twice under other positions")
        require(
            set(ids) == set(stored),
            f"{service}: lost {set(stored) - set(ids)}, alien {set(ids) - set(stored)}",
        )
        positions = {position for lane in seen.values() for position in lane}
        require(positions == set(stored.values()), f"{service}: other positions on Kafka than in the store")
