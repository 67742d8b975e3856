"""How fast is `eventsourcing`'s DCB recorder, a published store of the same kind, at the same work?"""

import threading
import time
from random import Random
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.postgres_tt import PostgresDCBRecorderTT
from eventsourcing.persistence import IntegrityError
from eventsourcing.postgres import PostgresDatastore

from portal_bench.measured import Measured
from portal_bench.world import PATIENTS, TYPE, VISITS, Note, noted, numbered, visit_tag

_PRELOAD = """
insert into dcb_events_tt_main (type, data, tags)
select type, convert_to(data, 'UTF8'), tags from event order by position;
insert into dcb_events_tt_tag (tag, main_id)
select tag, id from dcb_events_tt_main, unnest(tags) as tag;
"""


def _recorder(database_url: str, clients: int) -> PostgresDCBRecorderTT:
    parts = urlsplit(database_url)
    datastore = PostgresDatastore(
        dbname=parts.path[1:],
        host=parts.hostname or "",
        port=str(parts.port),
        user=parts.username or "",
        password=parts.password or "",
        pool_size=clients,
        max_overflow=0,
        max_waiting=0,
        connect_timeout=60,
        lock_timeout=0,
        originator_id_type="uuid",
    )
    return PostgresDCBRecorderTT(datastore, events_table_name="dcb_events")


async def preload_peer(database_url: str) -> None:
    """Give the peer the same events in its own tables."""
    recorder = _recorder(database_url, 1)
    recorder.create_table()
    recorder.datastore.close()
    connection = await asyncpg.connect(database_url)
    await connection.execute(_PRELOAD, timeout=600)
    await connection.close()


def run_peer(database_url: str, mode: str, clients: int, seconds: float) -> Measured:
    """Run `clients` threads for `seconds`; a lost optimistic race is retried and not counted."""
    recorder = _recorder(database_url, clients)
    measured = Measured(clients)
    hot = uuid4()
    # As the threads see it; the peer has no other way to share what was read.
    last: list[int | None] = [None]
    data = noted(Note(hot, hot), 1).model_dump_json(by_alias=True).encode()

    def choose_visit(random: Random) -> UUID:
        if mode == "append":
            return uuid4()
        return hot if mode == "hot" else numbered(random.randrange(VISITS))

    def once(random: Random) -> bool:
        patient = numbered(random.randrange(PATIENTS))
        visit = choose_visit(random)
        query = DCBQuery([DCBQueryItem(types=[TYPE], tags=[visit_tag(visit)])])
        after = last[0] if mode == "hot" else None
        if mode == "command":
            found = recorder.read(query)
            list(found)
            after = found.head
        event = DCBEvent(TYPE, data, [visit_tag(visit), f"patient:{patient}"])
        try:
            position = recorder.append([event], DCBAppendCondition(query, after=after))
        except IntegrityError:
            return False
        last[0] = max(last[0] or 0, position)
        return True

    def work(client: int) -> None:
        random = Random(client)
        while measured.running():
            began = time.perf_counter()
            if once(random):
                measured.note(client, time.perf_counter() - began)

    measured.start(seconds)
    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured.stop()
    recorder.datastore.close()
    return measured
