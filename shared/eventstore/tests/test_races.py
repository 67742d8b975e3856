"""Does exactly one of many win, whoever they are and however they meet? (reliability: booking, rule 3)"""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from portal_eventstore.command import Outcome, Waiting
from portal_eventstore.execute import Decider
from portal_eventstore.postgres import APPEND, PostgresStore, conditions_arguments, events_arguments
from portal_eventstore.store import Append, Found, Query
from portal_eventstore.testing.race import Race, race_appends, race_decisions
from portal_eventstore.testing.world import (
    COUNT,
    TAKE,
    AlreadyTaken,
    Take,
    ThingTaken,
    append,
    context,
    thing,
)

pytestmark = pytest.mark.connected

PROCESSES, TASKS, ROUNDS = 4, 4, 200


@pytest.mark.parametrize("racer", [race_appends, race_decisions])
async def test_given_16_tasks_in_4_processes_when_they_race_for_one_slot_then_one_wins(
    store_url: str, racer: Callable[..., None]
) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, wins = spawn.Barrier(PROCESSES), spawn.Array("i", ROUNDS)
    race = Race(store_url, uuid4(), ROUNDS, TASKS)
    racers = [spawn.Process(target=racer, args=(race, barrier, wins)) for _ in range(PROCESSES)]
    for process in racers:
        process.start()
    for process in racers:
        await asyncio.to_thread(process.join, 60)
    assert [process.exitcode for process in racers] == [0] * PROCESSES
    assert Counter(wins[n] for n in range(ROUNDS)) == {1: ROUNDS}


class FarFuture(ThingTaken):
    """Its version is beyond smallint: PostgreSQL refuses it."""

    VERSION = 100_000


def _waiting(decision: Any, command: Take) -> Waiting:
    return Waiting(
        context=context(),
        future=asyncio.get_running_loop().create_future(),
        decide=lambda state: decision.decide(command, state),
        decision=decision,
        boundary=tuple(decision.boundary(command)),
    )


@pytest.fixture
async def rival(store_url: str) -> AsyncIterator[Any]:
    """A connection on which an append can be left uncommitted for a while."""
    connection = await asyncpg.connect(store_url)
    yield connection
    await connection.close()


async def _append_uncommitted(rival: Any, new: Append) -> Any:
    transaction = rival.transaction()
    await transaction.start()
    await rival.fetchval(APPEND, False, *events_arguments([new]), *conditions_arguments([new]))
    return transaction


async def _blocked_or_done(rival: Any, task: "asyncio.Task[Any]") -> None:
    """Wait until the task's append is through, or waits for the lock that the rival holds."""
    waits = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
    async with asyncio.timeout(5):
        while not task.done() and not await rival.fetchval(waits):  # noqa: ASYNC110  the event is the server's
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("conditional", [True, False])
async def test_given_append_under_way_when_another_commits_then_no_reader_misses_the_first(
    postgres_store: PostgresStore, rival: Any, *, conditional: bool
) -> None:
    """A lower position must not become visible after a higher one: readers use `position > last`."""
    first, second = uuid4(), uuid4()
    unless = [Query(thing(first))] if conditional else []
    transaction = await _append_uncommitted(rival, append(first, unless=unless))
    task = asyncio.create_task(postgres_store.append([append(second, unless=[Query(thing(second))])]))
    await _blocked_or_done(rival, task)
    seen = [e.position for e in await postgres_store.tail(0, 10)]
    await transaction.commit()
    await task
    later = [e.position for e in await postgres_store.tail(max(seen, default=0), 10)]
    assert len(seen) + len(later) == 2


async def test_given_boundary_of_two_tags_when_one_is_under_way_then_its_conflict_is_not_lost(
    postgres_store: PostgresStore, rival: Any
) -> None:
    one, other = uuid4(), uuid4()
    transaction = await _append_uncommitted(rival, append(other, unless=[Query(thing(other))]))
    task = asyncio.create_task(postgres_store.append([append(one, unless=[Query(thing(one))])]))
    await _blocked_or_done(rival, task)
    both = (*thing(one), *thing(other))
    [found] = await postgres_store.read([Query(both)])
    after = max((f.position for f in found), default=0)
    await transaction.commit()
    await task
    assert await postgres_store.append([append(one, unless=[Query(both, after)])]) == [None]


async def test_given_repeatable_read_when_appended_then_the_function_refuses(rival: Any) -> None:
    new = append(uuid4())
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="READ COMMITTED"):
        async with rival.transaction(isolation="repeatable_read"):
            await rival.fetchval(APPEND, False, *events_arguments([new]), *conditions_arguments([new]))


async def test_given_connection_killed_when_appending_then_nothing_is_lost_or_doubled(
    postgres_store: PostgresStore, rival: Any
) -> None:
    """An answer that got lost is asked for again with the same event ids."""
    decider = Decider(postgres_store)

    async def kill() -> None:
        await rival.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'example event store' and datname = current_database()"
        )

    slots = [uuid4() for _ in range(400)]
    answers: list[Outcome[Any]] = []
    for start in range(0, len(slots), 20):
        takes = [decider.execute(TAKE, Take(s, uuid4()), context()) for s in slots[start : start + 20]]
        killer = asyncio.create_task(kill())
        answers += await asyncio.gather(*takes)
        await killer
    assert len(answers) == len(slots)
    stored = {e.id: e.position for e in await postgres_store.tail(0, 1000)}
    assert {i: p for a in answers for i, p in zip(a.ids, a.positions, strict=True)} == stored
    assert len(stored) == len(slots)


async def test_given_batch_committed_but_answer_lost_when_sent_again_then_same_verdicts(
    postgres_store: PostgresStore, rival: Any
) -> None:
    taken, free = uuid4(), uuid4()
    await postgres_store.append([append(taken)])
    batch = [
        append(taken, unless=[Query(thing(taken))], group=1),
        append(free, free, unless=[Query(thing(free))], group=2),
    ]
    first = await postgres_store.append(batch)
    assert await rival.fetchval(APPEND, True, *events_arguments(batch), *conditions_arguments(batch)) == [
        None,
        *(first[1] or ()),
    ]
    assert await postgres_store.head() == max(first[1] or ())


async def test_given_client_that_stops_under_the_lock_when_others_append_then_they_go_on(
    postgres_store: PostgresStore, store_url: str
) -> None:
    """A paused client must not hold the append lock: the server ends its transaction after 2 s."""
    paused = await PostgresStore.connect(store_url, "paused")
    session = paused.exclusive()
    await session.__aenter__()
    async with asyncio.timeout(6):
        assert await postgres_store.append([append(uuid4())]) != [None]
    await paused._pool.expire_connections()
    paused._pool.terminate()


async def test_given_append_under_the_lock_when_answered_then_others_see_it(
    postgres_store: PostgresStore,
) -> None:
    """Whoever was told "booked" must be: the answer may not come before the commit."""
    one = uuid4()
    async with postgres_store.exclusive() as session:
        assert await session.append([append(one)]) == [(1,)]
        assert await postgres_store.read([Query(thing(one))]) == [[Found(1, "ThingTaken", 1, "{}")]]
    async with postgres_store.exclusive() as session:
        assert len(await session.read([Query(thing(one))])) == 1
    assert await postgres_store.append([append(one)]) == [(2,)]


async def test_given_bad_command_under_the_lock_when_executed_then_it_fails_alone(
    postgres_store: PostgresStore,
) -> None:
    """An error ends the transaction that holds the lock: the others need one of their own."""
    decider = Decider(postgres_store)
    hot = [_waiting(TAKE, Take(uuid4(), uuid4())) for _ in range(5)]
    bad = _waiting(TAKE, Take(uuid4(), uuid4()))
    bad.decide = lambda _: [FarFuture(thing_id=uuid4(), person_id=uuid4())]
    await decider._attempt([*hot[:3], bad, *hot[3:]], postgres_store.exclusive)
    assert [type(w.future.result()) for w in hot] == [Outcome] * 5
    assert isinstance(bad.future.exception(), asyncpg.PostgresError | ValueError)
    assert len(await postgres_store.tail(0, 100)) == 5


async def test_given_two_deciders_on_one_boundary_when_both_press_then_neither_starves(
    postgres_store: PostgresStore, store_url: str
) -> None:
    other = await PostgresStore.connect(store_url, "example")
    deciders = [Decider(postgres_store), Decider(other)]
    hot = uuid4()
    done = [0, 0]

    async def press(number: int) -> None:
        for _ in range(20):
            outcome = await deciders[number].execute(COUNT, Take(hot, uuid4()), context())
            assert isinstance(outcome, Outcome)
            done[number] += 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(press(n % 2) for n in range(32)))
    await other.close()
    assert done == [320, 320]
    notes = [e.data for e in await postgres_store.tail(0, 1000)]
    assert len(set(notes)) == len(notes) == 640


async def test_given_cached_state_when_another_process_writes_then_decided_on_fresh_facts(
    postgres_store: PostgresStore,
) -> None:
    """An answer without events meets no condition that would tell that its state was old."""
    mine, theirs = Decider(postgres_store), Decider(postgres_store)
    command = Take(uuid4(), uuid4())
    await mine.execute(COUNT, command, context())
    await theirs.execute(TAKE, command, context())
    await theirs.execute(COUNT, command, context())
    await mine.execute(COUNT, Take(command.thing_id, uuid4()), context())
    with pytest.raises(AlreadyTaken):
        await theirs.execute(TAKE, command, context())
