"""Do the stores keep what every event store must?"""

from uuid import uuid4

import pytest

from portal_eventstore.decision import Criterion
from portal_eventstore.store import EventStore, Found, Query
from portal_eventstore.testing.world import append, thing


async def test_given_nothing_when_read_then_empty(store: EventStore) -> None:
    assert await store.read([Query(thing(uuid4()))]) == [[]]
    assert await store.tail(0, 10) == []
    assert await store.head() == 0


async def test_given_appends_when_read_then_in_order_with_everything(store: EventStore) -> None:
    one, other = uuid4(), uuid4()
    first, second = append(one, other, data='{"żółw":"\\u0000"}'), append(one)
    assert await store.append([first]) == [(1, 2)]
    assert await store.append([second]) == [(3,)]

    assert await store.read([Query(thing(other)), Query(thing(one)), Query(thing(one), after=1)]) == [
        [Found(2, "ThingTaken", 1, '{"żółw":"\\u0000"}')],
        [Found(1, "ThingTaken", 1, '{"żółw":"\\u0000"}'), Found(3, "ThingTaken", 1, "{}")],
        [Found(3, "ThingTaken", 1, "{}")],
    ]
    [stored] = await store.load([Query(thing(one), after=1)])
    assert [(e.position, e.id, e.tags, e.time, e.metadata) for e in stored] == [
        (3, n.id, n.tags, n.time, n.metadata) for n in second.events
    ]
    assert [e.id for e in await store.tail(1, 10)] == [first.events[1].id, second.events[0].id]
    assert [e.position for e in await store.tail(0, 2)] == [1, 2]
    assert await store.head() == 3


async def test_given_event_under_two_criteria_when_read_then_once(store: EventStore) -> None:
    one = uuid4()
    await store.append([append(one)])
    both = (*thing(one), Criterion(f"thing:{one}", ("ThingTaken",)))
    assert [[f.position for f in answer] for answer in await store.read([Query(both)])] == [[1]]
    assert await store.read([Query((Criterion(f"thing:{one}", ("Other",)),))]) == [[]]


async def test_given_newer_match_when_appended_then_stale_alone(store: EventStore) -> None:
    mine, theirs = uuid4(), uuid4()
    await store.append([append(mine)])
    verdicts = await store.append(
        [
            append(mine, mine, unless=[Query(thing(mine), after=0)], group=1),
            append(theirs, unless=[Query(thing(theirs), after=0)], group=2),
            append(mine, unless=[Query(thing(mine), after=1)], group=3),
            append(mine, unless=[Query((Criterion(f"thing:{mine}", ("Other",)),))], group=4),
        ]
    )
    assert [v is None for v in verdicts] == [True, False, False, False]
    taken = [p for v in verdicts if v for p in v]
    assert taken == sorted(taken)
    assert [e.position for e in await store.tail(0, 10)] == [1, *taken]


async def test_given_rivals_in_one_call_when_appended_then_judged_by_what_was_there(
    store: EventStore,
) -> None:
    """Appends of one call do not see each other: whoever batches them must know."""
    one = uuid4()
    rivals = [append(one, unless=[Query(thing(one))], group=group) for group in (1, 2)]
    assert await store.append(rivals) == [(1,), (2,)]


async def test_given_group_of_appends_when_one_is_stale_then_all_are(store: EventStore) -> None:
    old, new, other = uuid4(), uuid4(), uuid4()
    await store.append([append(old)])
    verdicts = await store.append(
        [
            append(new, group=1),
            append(other, group=2),
            append(new, unless=[Query(thing(old))], group=1),
            append(group=2, unless=[Query(thing(new))]),
            append(group=1),
            append(other, group=2),
        ]
    )
    assert [v is None for v in verdicts] == [True, False, True, False, True, False]
    assert verdicts[3] == ()
    assert [e.tags for e in await store.tail(1, 10)] == [(f"thing:{other}",)] * 2


async def test_given_exclusive_session_when_another_appends_then_it_waits(store: EventStore) -> None:
    one = uuid4()
    async with store.exclusive() as session:
        assert await session.read([Query(thing(one))]) == [[]]
        assert await session.append([append(one, unless=[Query(thing(one))])]) != [None]
    assert await store.append([append(one, unless=[Query(thing(one))])]) == [None]


@pytest.mark.parametrize("tag", ["", "a", "two words", "zażółć", "line\nbreak", "nul\0", "x" * 201])
def test_given_unfit_tag_when_selected_then_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Criterion(tag)
