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


class _Worker:
    """What each thread does, again and again."""

    def __init__(self, recorder: PostgresDCBRecorderTT, mode: str) -> None:
        self._recorder, self._mode = recorder, mode
        self._hot = uuid4()
        # Threads tell each other how far the hot boundary is: the peer has no state to share.
        self._last: int | None = None
        self._data = noted(Note(self._hot, self._hot), 1).model_dump_json(by_alias=True).encode()

    def once(self, random: Random) -> bool:
        """Append one event; False when the optimistic race was lost."""
        patient = numbered(random.randrange(PATIENTS))
        visit = visit_tag(self._choose_visit(random))
        query = DCBQuery([DCBQueryItem(types=[TYPE], tags=[visit])])
        after = self._last if self._mode == "hot" else None
        if self._mode == "command":
            found = self._recorder.read(query)
            list(found)
            after = found.head
        event = DCBEvent(TYPE, self._data, [visit, f"patient:{patient}"])
        try:
            position = self._recorder.append([event], DCBAppendCondition(query, after=after))
        except IntegrityError:
            return False
        self._last = max(self._last or 0, position)
        return True

    def _choose_visit(self, random: Random) -> UUID:
        if self._mode == "append":
            return uuid4()
        return self._hot if self._mode == "hot" else numbered(random.randrange(VISITS))


def run_peer(database_url: str, mode: str, clients: int, seconds: float) -> Measured:
    """Run `clients` threads for `seconds`; a lost optimistic race is retried and not counted."""
    recorder = _recorder(database_url, clients)
    worker = _Worker(recorder, mode)
    measured = Measured(clients)

    def work(client: int) -> None:
        random = Random(client)
        while measured.running():
            began = time.perf_counter()
            if worker.once(random):
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
