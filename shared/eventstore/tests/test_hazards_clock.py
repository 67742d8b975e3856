"""What changes when the clock jumps a day, forth or back? (reliability: clock jumps a day)"""

import uuid
from datetime import datetime, timedelta

import pytest

from portal_eventstore.command import Request
from portal_eventstore.execute import Decider
from portal_eventstore.project import Projector
from portal_eventstore.relay.publish import Relay
from portal_eventstore.store import Append, EventStore
from portal_eventstore.testing.kafka_log import effects, opened_log
from portal_eventstore.testing.waiting import until
from portal_eventstore.testing.world import COUNT, NOW, Take, ThingTaken, append, context

_DAY = timedelta(days=1)


def _jumping(number: int) -> datetime:
    """Return a day later, a day earlier, right, and so on."""
    return NOW + (_DAY, -_DAY, timedelta())[number % 3] + timedelta(seconds=number)


async def test_given_a_clock_that_jumps_when_decided_then_positions_tell_the_order(store: EventStore) -> None:
    thing_id = uuid.uuid4()
    for number in range(30):
        # Another process each time: what it decides on is what it has read.
        decider = Decider(store)
        outcome = await decider.execute(COUNT, Take(thing_id, uuid.uuid4()), context(time=_jumping(number)))
        assert outcome.state == number
        await decider.close()
    stored = await store.tail(0, 100)
    assert [event.position for event in stored] == list(range(1, 31))
    assert [e.note for e in (s.decode() for s in stored) if isinstance(e, ThingTaken)] == [
        str(number) for number in range(30)
    ]


@pytest.mark.parametrize(
    ("jump", "repeated"),
    [(-_DAY, True), (_DAY - timedelta(minutes=1), True), (_DAY, False)],
    ids=["back", "almost a day", "a day"],
)
async def test_given_a_request_when_it_comes_again_after_a_jump_then_its_key_holds_for_a_day_and_no_less(
    store: EventStore, jump: timedelta, *, repeated: bool
) -> None:
    decider = Decider(store)
    command, request = Take(uuid.uuid4(), uuid.uuid4()), Request("request:one", "same")
    first = await decider.execute(COUNT, command, context(request))
    again = await decider.execute(COUNT, command, context(request, time=NOW + jump))
    assert again.repeated is repeated
    assert (again.ids == first.ids) is repeated
    await decider.close()


@pytest.mark.connected
async def test_given_a_clock_that_jumps_then_relay_and_view_keep_the_order_of_positions(
    log_url: str, kafka: str
) -> None:
    subject = uuid.uuid4()
    async with opened_log(log_url, kafka, partitions=2) as log:
        view = Projector(
            service=log.owner,
            pool=log.pool,
            bootstrap_servers=kafka,
            projections=[effects(log.counted)],
        )
        relay = Relay(database_url=log_url, owner=log.owner, bootstrap_servers=kafka)
        appends = []
        for number in range(60):
            event = log.counted(subject_id=subject, number=number)
            [new] = append(subject, data=event.model_dump_json(by_alias=True)).events
            timed = type(new)(new.id, "Counted", 1, new.tags, new.data, _jumping(number), new.metadata)
            appends.append(Append((timed,)))
        await log.store.append(appends)
        await view.start()
        await relay.start()

        async def all_there() -> bool:
            return bool(await log.pool.fetchval("select count(*) = 60 from effect"))

        await until(all_there, "all is applied")
        await relay.stop()
        await view.stop()
        rows = await log.pool.fetch("select position, number from effect order by happened")
        assert [tuple(row) for row in rows] == [(number + 1, number) for number in range(60)]
