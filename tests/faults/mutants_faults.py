"""Which bugs do only dying processes and cut wires show, planted in the processes of a whole portal?"""

from typing import Final

from gateway.upstream import Upstream
from portal_chassis import problems
from portal_eventstore import consume, kafka, postgres
from portal_eventstore.relay import publish
from portal_eventstore.relay.unacknowledged import Unacknowledged
from portal_eventstore.testing.planting import Bug, put, reword, rewrite, together

_FOLDER: Final = "tests/faults/"
_WHEN: Final = "::test_given_"
_A_PROCESS: Final = f"{_FOLDER}test_processes_die.py{_WHEN}twenty_clients_when_a_process"
_KILLED: Final = f"{_A_PROCESS}_is_killed_then_nothing_acknowledged_is_lost"
_PAUSED: Final = f"{_A_PROCESS}_stands_still_then_nothing_acknowledged_is_lost"


_SENT_AGAIN: Final = """\
from dataclasses import replace
            from uuid import uuid4
            if again:
                anew = [[replace(event, id=uuid4()) for event in each.events] for each in appends]
                given = [replace(e, unless=(), events=tuple(n)) for e, n in zip(appends, anew, strict=True)]
                return await _Session(connection).append(given)
            return await _Session(connection).append(appends)"""

MUTANTS: dict[str, Bug] = {
    "published before acknowledged, in a portal": Bug(
        put(Unacknowledged, "published", lambda self: self.read),
        (
            f"{_FOLDER}test_kafka_is_away.py{_WHEN}kafka_away_and_the_relay_killed_meanwhile_when_back_then_all_that"
            "_was_booked_is_there"
        ),
    ),
    "places before rows, in a portal": Bug(
        rewrite(
            consume,
            'async with connection.transaction(isolation="read_committed"):\n'
            "                some_wait = await self._move(connection, places, batch.moved)\n",
            "some_wait = await self._move(connection, places, batch.moved)\n"
            "            await asyncio.sleep(1)\n"
            "            if True:\n",
        ),
        f"{_KILLED}[gateway-worker]",
    ),
    "sent again as another, in a portal": Bug(
        rewrite(
            postgres.PostgresStore,
            "return await _Session(connection).append(appends, resend=again)",
            _SENT_AGAIN,
        ),
        (
            f"{_FOLDER}test_partitions.py{_WHEN}answers_of_postgres_that_do_not_arrive_when_people_book_then_nothing"
            "_happens_twice"
        ),
    ),
    "never connected again, in a portal": Bug(
        rewrite(
            postgres.PostgresStore,
            "return await ask(connection, again)",
            "self.lost = again or hasattr(self, 'lost') and self.lost\n"
            "                    if self.lost:\n"
            "                        raise StoreUnavailable\n"
            "                    return await ask(connection, again)",
        ),
        f"{_KILLED}[postgres]",
    ),
    "partitions given up for good, in a portal": Bug(
        rewrite(
            kafka,
            "        consumer = self.consumer()\n        partitions",
            "        consumer = self.consumer()\n"
            "        if hasattr(self, 'before'):\n"
            "            consumer.pause(*assigned)\n"
            "            return\n"
            "        self.before = True\n"
            "        partitions",
        ),
        f"{_PAUSED}[gateway-worker]",
    ),
    "a silent service is taken for a broken one, in a portal": Bug(
        rewrite(
            Upstream.ask, "aiohttp.ClientResponseError) as", "aiohttp.ClientResponseError, TimeoutError) as"
        ),
        f"{_PAUSED}[booking]",
    ),
    "full disk is a fault, in a portal": Bug(
        together(
            rewrite(postgres, "    asyncpg.InsufficientResourcesError,\n", ""),
            rewrite(problems, "    asyncpg.InsufficientResourcesError,\n", ""),
        ),
        (
            f"{_FOLDER}test_full_disks.py{_WHEN}the_disk_of_postgres_full_when_people_book_then_503_reads_go_on_and"
            "_it_recovers"
        ),
    ),
    "published in the order of clocks, in a portal": Bug(
        reword(publish, "TAIL", "order by 1", "order by e.time"),
        (
            f"{_FOLDER}test_clocks.py{_WHEN}a_clock_that_jumps_a_day_when_people_sign_up_then_the_order_is_that_of"
            "_positions"
        ),
    ),
}
