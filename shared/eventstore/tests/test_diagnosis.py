"""Which looks, one after another, mean that something is wrong?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from portal_eventstore.vitals.diagnosis import MANY_EVENTS, Diagnosis, Findings, Reading
from portal_eventstore.vitals.signs import Backend, LogSigns, Signs, ViewSigns

BEGAN = Reading(1_000.0, 1_800_000_000.0)
CALM = LogSigns(head=10, published=10, oldest=None, owner=None, lock_holder=None, lock_waiting=0)
SINCE = datetime(2026, 11, 23, 12, 30, 5, tzinfo=UTC)
HOLDER = Backend(4711, "booking", "psql", "idle in transaction", SINCE, SINCE, SINCE)


def later(seconds: float) -> Reading:
    return Reading(BEGAN.clock + seconds, BEGAN.time + seconds)


def judged(*looks: tuple[float, LogSigns]) -> Findings:
    diagnosis = Diagnosis("booking", BEGAN)
    found = [diagnosis.take(Signs(log, ()), later(seconds)) for seconds, log in looks]
    return found[-1]


def viewed(
    seconds: float, *, fresh_at: datetime | None = None, behind: int | None = None, parked: int = 0
) -> Findings:
    view = ViewSigns("free_slots", behind=behind, fresh_at=fresh_at, parked=parked)
    return Diagnosis("booking", BEGAN).take(Signs(None, (view,)), later(seconds))


def test_given_all_is_well_then_nothing_is_said() -> None:
    found = judged((0, CALM), (2, CALM))
    assert (found.failing, found.degraded) == ((), ())


def test_given_one_session_has_the_append_lock_for_two_looks_then_it_is_named() -> None:
    held = replace(CALM, lock_holder=HOLDER, lock_waiting=3)
    assert not judged((0, held)).blocked
    found = judged((0, held), (2, held))
    assert found.blocked
    holder = "psql (backend 4711, idle in transaction since 12:30:05Z)"
    told = f"append lock of booking: {holder} has had it for 2 s, nothing can be written; 3 wait"
    assert found.failing == (told,)
    assert not judged((0, held), (2, held), (4, CALM)).blocked


def test_given_one_session_appends_again_and_again_then_the_lock_is_not_blocked() -> None:
    looks = [
        (seconds, replace(CALM, lock_holder=replace(HOLDER, transaction=SINCE + timedelta(seconds=seconds))))
        for seconds in (0, 2, 4, 6)
    ]
    assert not judged(*looks).blocked


def test_given_events_wait_and_none_gets_on_then_the_relay_is_stalled_and_its_owner_named() -> None:
    waits = replace(CALM, head=12, oldest=BEGAN.time)
    assert not judged((0, waits), (4, waits)).stalled
    found = judged((0, waits), (6, waits))
    assert found.failing == (
        "relay of booking: 2 events wait, none was published for 6 s; no relay owns the log",
    )
    owned = replace(waits, owner=replace(HOLDER, application="booking relay", state="idle"))
    assert "booking relay (backend 4711, idle" in judged((0, owned), (6, owned)).failing[0]
    assert not judged(
        (0, waits), (6, replace(waits, published=11)), (10, replace(waits, published=11))
    ).stalled
    assert not judged((0, waits), (6, waits), (8, CALM)).stalled


def test_given_a_backlog_that_is_old_or_long_then_it_is_told_though_events_get_on() -> None:
    old = replace(CALM, head=500, oldest=BEGAN.time)
    moving = [(seconds, replace(old, published=10 + int(seconds))) for seconds in range(0, 34, 2)]
    found = judged(*moving)
    assert found.failing == ()
    assert found.degraded == ("relay of booking: 458 events wait, the oldest for 32 s",)
    assert judged(*moving[:15]).degraded == ()
    long = replace(CALM, head=CALM.published + MANY_EVENTS + 1, oldest=BEGAN.time)
    assert judged((0, long)).degraded == ("relay of booking: 10001 events wait, the oldest for 0 s",)
    # Positions that were never used are no backlog.
    assert judged((0, replace(long, oldest=None))).degraded == ()


def test_given_a_view_that_was_last_complete_long_ago_or_never_then_it_is_told() -> None:
    fresh_at = datetime.fromtimestamp(BEGAN.time, UTC)
    assert viewed(30, fresh_at=fresh_at, behind=4).degraded == ()
    [told] = viewed(31, fresh_at=fresh_at, behind=4).degraded
    assert (
        told
        == f"view free_slots: complete up to {fresh_at:%Y-%m-%dT%H:%M:%SZ} only, 31 s ago, 4 records behind"
    )
    assert viewed(5).degraded == ()
    assert viewed(31).degraded == ("view free_slots: not complete yet",)
    assert viewed(31).ages == {"free_slots": 31.0}


def test_given_parked_records_then_they_are_told_and_nothing_fails() -> None:
    fresh_at = datetime.fromtimestamp(BEGAN.time, UTC)
    found = viewed(1, fresh_at=fresh_at, parked=7)
    assert found.failing == ()
    assert found.degraded == ("view free_slots: 7 records are parked",)
