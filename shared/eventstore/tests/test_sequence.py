"""Is every decision made as if it were alone, whatever it was batched with?"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from portal_events.base import Event
from portal_eventstore.command import Outcome
from portal_eventstore.decision import Criterion, Decision, about
from portal_eventstore.execute import Decider
from portal_eventstore.memory import MemoryStore
from portal_eventstore.testing.world import AlreadyTaken, ThingTaken, context

THINGS = [uuid4() for _ in range(3)]
PERSONS = [uuid4() for _ in range(3)]


@dataclass(frozen=True)
class Trace:
    """Take a thing and write down what was seen; `limit`: refuse when so much was there."""

    thing_id: UUID
    person_id: UUID
    limit: int


def _both(command: Trace) -> Sequence[Criterion]:
    return [about(f"thing:{command.thing_id}"), about(f"person:{command.person_id}")]


def _thing(command: Trace) -> Sequence[Criterion]:
    return [about(f"thing:{command.thing_id}")]


def _remember(seen: tuple[str, ...], event: Event) -> tuple[str, ...]:
    assert isinstance(event, ThingTaken)
    return (*seen, event.note.partition("|")[0])


_number = iter(range(10**9))


def _write_down(command: Trace, seen: tuple[str, ...]) -> list[Event]:
    if len(seen) >= command.limit:
        raise AlreadyTaken
    note = f"{next(_number)}|{','.join(seen)}"
    return [ThingTaken(thing_id=command.thing_id, person_id=command.person_id, note=note)]


WIDE: Decision[Trace, tuple[str, ...]] = Decision(_both, (), _remember, _write_down)
NARROW: Decision[Trace, tuple[str, ...]] = Decision(_thing, (), _remember, _write_down)
# A second decision of each kind has states of its own to keep.
DECISIONS = (WIDE, NARROW)

commands = st.builds(
    lambda kind, thing, person, limit: (DECISIONS[kind], Trace(THINGS[thing], PERSONS[person], limit)),
    *(st.integers(0, n) for n in (1, 2, 2)),
    st.sampled_from([1, 3, 100]),
)


@settings(max_examples=300, deadline=None)
@given(waves=st.lists(st.lists(commands, max_size=20), max_size=5), max_batch=st.integers(1, 9))
def test_given_any_commands_in_any_batches_when_decided_then_each_saw_all_that_stands_before_it(
    waves: list[list[tuple[Decision[Trace, tuple[str, ...]], Trace]]], max_batch: int
) -> None:
    async def run() -> None:
        store = MemoryStore("example")
        decider = Decider(store, max_batch=max_batch)
        by_position: dict[int, tuple[Decision[Trace, tuple[str, ...]], Trace]] = {}
        for wave in waves:
            answers = await asyncio.gather(
                *(decider.execute(decision, command, context()) for decision, command in wave),
                return_exceptions=True,
            )
            for asked, answer in zip(wave, answers, strict=True):
                assert isinstance(answer, Outcome | AlreadyTaken)
                if isinstance(answer, Outcome):
                    by_position[answer.positions[0]] = asked
        events = await store.tail(0, 1000)
        assert [e.position for e in events] == sorted(by_position)
        for stored in events:
            decision, command = by_position[stored.position]
            tags = {criterion.tag for criterion in decision.boundary(command)}
            before = [e.decode() for e in events if e.position < stored.position and tags & set(e.tags)]
            event = stored.decode()
            assert isinstance(event, ThingTaken)
            seen = [e.note.partition("|")[0] for e in before if isinstance(e, ThingTaken)]
            assert event.note.partition("|")[2] == ",".join(seen)

    asyncio.run(run())
