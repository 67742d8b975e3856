"""Do commands become events exactly once, in sequence, each answered by itself?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from portal_eventstore import execute
from portal_eventstore.command import Outcome, Request
from portal_eventstore.decision import (
    ConditionFailed,
    Criterion,
    Decision,
    IdempotencyKeyReused,
    StoreUnavailable,
)
from portal_eventstore.execute import Decider
from portal_eventstore.memory import MemoryStore
from portal_eventstore.store import Append, EventStore, Found, Query, Verdict
from portal_eventstore.testing.world import (
    COUNT,
    NOW,
    TAKE,
    AlreadyTaken,
    Take,
    ThingTaken,
    append,
    context,
    thing,
)


@pytest.fixture
async def decider(store: EventStore) -> AsyncIterator[Decider]:
    decider = Decider(store)
    yield decider
    await decider.close()


async def test_given_free_when_taken_then_appended_with_context(store: EventStore, decider: Decider) -> None:
    command, given = Take(uuid4(), uuid4()), context()
    outcome = await decider.execute(TAKE, command, given)
    assert outcome.events == (ThingTaken(thing_id=command.thing_id, person_id=command.person_id),)
    assert (outcome.positions, outcome.state, outcome.repeated) == ((1,), None, False)
    [stored] = await store.tail(0, 10)
    assert (stored.id, stored.time, stored.decode()) == (outcome.ids[0], NOW, outcome.events[0])
    assert stored.tags == (f"person:{command.person_id}", f"thing:{command.thing_id}")
    assert stored.metadata.subject == command.person_id
    assert (stored.metadata.actor, stored.metadata.correlation_id) == (given.actor, given.correlation_id)
    assert stored.metadata.causation_id == given.correlation_id
    assert (stored.metadata.append_id, stored.metadata.append_size) == (stored.id, 1)


async def test_given_taken_when_taken_again_then_refused_and_nothing_stored(
    store: EventStore, decider: Decider
) -> None:
    command = Take(uuid4(), uuid4())
    await decider.execute(TAKE, command, context())
    with pytest.raises(AlreadyTaken):
        await decider.execute(TAKE, Take(command.thing_id, uuid4()), context())
    again = await decider.execute(TAKE, command, context())
    assert (again.events, again.positions, again.state) == ((), (), command.person_id)
    assert await store.head() == 1


async def test_given_stampede_when_decided_together_then_one_wins(
    store: EventStore, decider: Decider
) -> None:
    thing_id = uuid4()
    answers = await asyncio.gather(
        *(decider.execute(TAKE, Take(thing_id, uuid4()), context()) for _ in range(500)),
        return_exceptions=True,
    )
    assert [type(a) for a in answers].count(Outcome) == 1
    assert [type(a) for a in answers].count(AlreadyTaken) == 499
    assert await store.head() == 1


async def test_given_one_boundary_when_decided_together_then_each_sees_those_before(
    store: EventStore, decider: Decider
) -> None:
    thing_id = uuid4()
    answers = await asyncio.gather(
        *(decider.execute(COUNT, Take(thing_id, uuid4()), context()) for _ in range(300))
    )
    assert sorted(a.state for a in answers if a.state is not None) == list(range(300))
    notes = [(e.position, e.decode()) for e in await store.tail(0, 1000)]
    assert [e.note for _, e in notes if isinstance(e, ThingTaken)] == [str(n) for n in range(300)]


async def test_given_repeat_when_executed_then_first_answer(store: EventStore, decider: Decider) -> None:
    request = Request("request:abc", "body-1")
    first = await decider.execute(COUNT, Take(uuid4(), uuid4()), context(request))
    again = await decider.execute(COUNT, Take(uuid4(), uuid4()), context(request))
    assert (again.events, again.ids, again.positions) == (first.events, first.ids, first.positions)
    assert again.repeated
    assert await store.head() == 1
    [stored] = await store.tail(0, 1)
    assert "request:abc" in stored.tags
    assert stored.metadata.request_hash == "body-1"


async def test_given_repeats_at_once_when_executed_then_one_event(
    store: EventStore, decider: Decider
) -> None:
    request = Request("request:abc", "body-1")
    answers = await asyncio.gather(
        *(decider.execute(COUNT, Take(uuid4(), uuid4()), context(request)) for _ in range(20))
    )
    assert {a.ids for a in answers} == {answers[0].ids}
    assert [a.repeated for a in answers].count(False) == 1
    assert await store.head() == 1


async def test_given_same_key_other_body_when_executed_then_refused(decider: Decider) -> None:
    await decider.execute(COUNT, Take(uuid4(), uuid4()), context(Request("request:abc", "body-1")))
    with pytest.raises(IdempotencyKeyReused):
        await decider.execute(COUNT, Take(uuid4(), uuid4()), context(Request("request:abc", "body-2")))


async def test_given_refused_request_when_repeated_then_decided_again(decider: Decider) -> None:
    thing_id, request = uuid4(), Request("request:abc", "body-1")
    winner = Take(thing_id, uuid4())
    await decider.execute(TAKE, winner, context())
    with pytest.raises(AlreadyTaken):
        await decider.execute(TAKE, Take(thing_id, uuid4()), context(request))
    assert not (await decider.execute(COUNT, winner, context(request))).repeated


async def test_given_key_older_than_a_day_when_repeated_then_new(store: EventStore, decider: Decider) -> None:
    request = Request("request:abc", "body-1")
    command = Take(uuid4(), uuid4())
    await decider.execute(COUNT, command, context(request))
    still = await decider.execute(COUNT, command, context(request, NOW + timedelta(hours=23, minutes=59)))
    later = await decider.execute(COUNT, command, context(request, NOW + timedelta(hours=24)))
    assert (still.repeated, later.repeated) == (True, False)
    assert await store.head() == 2


async def test_given_bad_command_in_batch_when_executed_then_it_fails_alone(
    store: EventStore, decider: Decider
) -> None:
    commands = [Take(uuid4(), uuid4()) for _ in range(20)]
    oversized = Take(uuid4(), uuid4(), note="x" * 1_000_000)
    answers = await asyncio.gather(
        *(decider.execute(TAKE, c, context()) for c in [*commands[:10], oversized, *commands[10:]]),
        return_exceptions=True,
    )
    assert isinstance(answers.pop(10), ValueError)
    assert all(isinstance(a, Outcome) for a in answers)
    assert await store.head() == 20


class FarFuture(ThingTaken):
    VERSION = 100_000


class Labelled(ThingTaken):
    def tags(self) -> frozenset[str]:
        return frozenset({f"label:{self.note}"})


@pytest.mark.parametrize("unfit", ["two words", "nul\0", "new\nline", "zażółć"])
async def test_given_event_with_an_unfit_tag_when_appended_then_refused(decider: Decider, unfit: str) -> None:
    """A tag with a space would be two tags in the store, and stop the relay."""
    bad = Labelled(thing_id=uuid4(), person_id=uuid4(), note=unfit)
    with pytest.raises(ValueError, match="printable ASCII"):
        await decider.append([bad], context())


@pytest.mark.connected
async def test_given_command_that_the_server_refuses_when_batched_then_it_fails_alone(
    postgres_store: EventStore,
) -> None:
    """A version beyond smallint passes Python and fails in PostgreSQL, with the whole statement."""
    decider = Decider(postgres_store)
    bad = FarFuture(thing_id=uuid4(), person_id=uuid4())
    answers = await asyncio.gather(
        *(decider.execute(TAKE, Take(uuid4(), uuid4()), context()) for _ in range(10)),
        decider.append([bad], context()),
        *(decider.execute(TAKE, Take(uuid4(), uuid4()), context()) for _ in range(10)),
        return_exceptions=True,
    )
    assert isinstance(answers.pop(10), Exception)
    assert all(isinstance(a, Outcome) for a in answers)
    assert await postgres_store.head() == 20


async def test_given_ready_events_when_condition_holds_then_appended_else_refused(
    decider: Decider,
) -> None:
    one = uuid4()
    event = ThingTaken(thing_id=one, person_id=uuid4())
    outcome = await decider.append([event], context(), unless=[Query(thing(one))])
    assert outcome.positions == (1,)
    with pytest.raises(ConditionFailed):
        await decider.append([event], context(), unless=[Query(thing(one))])
    both = await asyncio.gather(
        decider.append([event], context(), unless=[Query(thing(one), after=1)]),
        decider.append([event], context(), unless=[Query(thing(one), after=1)]),
        return_exceptions=True,
    )
    assert sorted(type(b).__name__ for b in both) == ["ConditionFailed", "Outcome"]


async def test_given_no_events_when_appended_then_refused(decider: Decider) -> None:
    with pytest.raises(ValueError, match="no events"):
        await decider.append([], context())


class Interrupted:
    """A store on which a rival always gets in between a read and the append that rests on it."""

    def __init__(self, store: EventStore, rival: Sequence[Append]) -> None:
        self.owner, self.generation = store.owner, store.generation
        self.exclusive, self.load = store.exclusive, store.load
        self.tail, self.head, self.append = store.tail, store.head, store.append
        self._store, self._rival = store, list(rival)
        self.reads = 0

    async def read(self, queries: Sequence[Query]) -> list[list[Found]]:
        found = await self._store.read(queries)
        self.reads += 1
        if self._rival:
            await self._store.append([self._rival.pop(0)])
        return found


def _taken(thing_id: UUID, person_id: UUID) -> Append:
    data = ThingTaken(thing_id=thing_id, person_id=person_id).model_dump_json(by_alias=True)
    return append(thing_id, data=data)


async def test_given_rival_between_read_and_append_when_executed_then_decided_again(
    store: EventStore,
) -> None:
    thing_id = uuid4()
    interrupted = Interrupted(store, [_taken(thing_id, uuid4())])
    decider = Decider(interrupted)
    with pytest.raises(AlreadyTaken):
        await decider.execute(TAKE, Take(thing_id, uuid4()), context())
    assert await store.head() == 1
    assert interrupted.reads == 2


async def test_given_rival_that_never_rests_when_executed_then_wins_under_the_lock(
    store: EventStore,
) -> None:
    thing_id = uuid4()
    interrupted = Interrupted(store, [_taken(thing_id, uuid4()) for _ in range(100)])
    outcome = await Decider(interrupted).execute(COUNT, Take(thing_id, uuid4()), context())
    assert outcome.state == 3
    assert interrupted.reads == 3


async def test_given_dependent_commands_when_first_goes_stale_then_all_decided_again(
    store: EventStore,
) -> None:
    """The losers of a batch were refused because of a winner that lost itself."""
    thing_id, rival = uuid4(), uuid4()
    decider = Decider(Interrupted(store, [_taken(thing_id, rival)]))
    mine = [decider.execute(TAKE, Take(thing_id, uuid4()), context()) for _ in range(5)]
    theirs = decider.execute(TAKE, Take(thing_id, rival), context())
    answers = await asyncio.gather(*mine, theirs, return_exceptions=True)
    assert [type(a) for a in answers] == [AlreadyTaken] * 5 + [Outcome]


class Broken(MemoryStore):
    """A store that cannot be reached."""

    async def append(self, _: Sequence[Append]) -> list[Verdict]:
        raise StoreUnavailable


async def test_given_store_down_when_executed_then_unavailable_for_all_and_closed_clean() -> None:
    decider = Decider(Broken("example"))
    answers = await asyncio.gather(
        *(decider.execute(TAKE, Take(uuid4(), uuid4()), context()) for _ in range(5)), return_exceptions=True
    )
    assert [type(a) for a in answers] == [StoreUnavailable] * 5
    await decider.close()
    with pytest.raises(StoreUnavailable):
        await decider.execute(TAKE, Take(uuid4(), uuid4()), context())


async def test_given_caller_gone_when_decided_then_others_go_on(decider: Decider) -> None:
    thing_id = uuid4()
    gone = asyncio.create_task(decider.execute(TAKE, Take(thing_id, uuid4()), context()))
    await asyncio.sleep(0)
    gone.cancel()
    other = await decider.execute(TAKE, Take(uuid4(), uuid4()), context())
    assert len(other.events) == 1


class _AppendsTogether(MemoryStore):
    """Notes how many appends are under way at once; each waits a little for company."""

    def __init__(self) -> None:
        super().__init__("example")
        self.under_way = self.most = 0

    async def append(self, appends: Sequence[Append]) -> list[Verdict]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(20):
            await asyncio.sleep(0)
        self.under_way -= 1
        return await super().append(appends)


async def _take_one_after_another(store: MemoryStore, shared: Criterion, *things: UUID) -> None:
    beside: Decision[Take, UUID | None] = replace(
        TAKE, boundary=lambda command: [*TAKE.boundary(command), shared]
    )
    decider = Decider(store)
    await decider.execute(TAKE, Take(uuid4(), uuid4()), context())
    tasks = []
    for thing_id in things:
        tasks.append(asyncio.create_task(decider.execute(beside, Take(thing_id, uuid4()), context())))
        for _ in range(5):
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    await decider.close()


async def test_given_what_both_only_read_when_decided_then_side_by_side() -> None:
    store = _AppendsTogether()
    await _take_one_after_another(store, Criterion("kind:a", ("KindAdded",)), uuid4(), uuid4())
    assert store.most == 2


async def test_given_what_one_may_write_when_decided_then_one_after_the_other() -> None:
    store = _AppendsTogether()
    await _take_one_after_another(store, Criterion("kind:a", ("ThingTaken",)), uuid4(), uuid4())
    assert store.most == 1


async def test_given_an_event_that_was_read_when_read_for_others_then_decoded_once(
    store: EventStore, decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing_id, owner = uuid4(), uuid4()
    await store.append([append(thing_id)])
    read: list[str] = []

    def decode(_: str, name: str, __: int, data: str) -> ThingTaken:
        read.append(f"{name} {data}")
        return ThingTaken(thing_id=thing_id, person_id=owner)

    monkeypatch.setattr(execute, "decode", decode)
    for _ in range(3):
        other: Decision[Take, UUID | None] = replace(TAKE)
        with pytest.raises(AlreadyTaken):
            await decider.execute(other, Take(thing_id, uuid4()), context())
    assert read == ["ThingTaken {}"]
