"""Which bugs must a history of bookings find, planted in the processes of a whole portal?"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final
from uuid import uuid4

import asyncpg

from booking.appointments import project
from booking.rules import calendar, free_time
from portal_chassis.idempotency import RequestKeys
from portal_events.booking import AppointmentMoved
from portal_eventstore import postgres
from portal_eventstore.command import Request
from portal_eventstore.store import Append
from portal_eventstore.testing.planting import Bug, Change, put, replacing, rewrite

_EVERY: Final = 15


_append, _counted = postgres._Session.append, count(1)


@replacing(postgres._Session, "append")
async def acknowledged_unconfirmed(self: Any, appends: Sequence[Append], *, resend: bool = False) -> Any:
    """Some appends do not arrive, and a broken connection counts as done."""
    if not appends or next(_counted) % _EVERY:
        return await _append(self, appends, resend=resend)
    return [tuple(range(1, len(each.events) + 1)) for each in appends]


def in_sql(*changes: tuple[str, str]) -> Change:
    """Change the text of append_batch, when booking connects to its store."""
    connect = postgres.PostgresStore.connect

    async def change_and_connect(database_url: str, *told: Any, **more: Any) -> Any:
        connection = await asyncpg.connect(database_url)
        text = await connection.fetchval("select pg_get_functiondef('append_batch'::regproc)")
        for old, new in changes:
            # Booking comes back after a death: then it is changed already.
            if old not in text and new not in text:
                raise AssertionError(f"nothing to mutate: {old!r}")
            text = text if new and new in text else text.replace(old, new)
        await connection.execute(text)
        await connection.close()
        return await connect(database_url, *told, **more)

    planted = put(postgres.PostgresStore, "connect", change_and_connect)
    return Change(frozenset(postgres.MIGRATIONS.glob("0001_*.sql")), planted.make)


_request = RequestKeys.request


@replacing(RequestKeys, "request")
def keys_ignored(self: Any, **told: Any) -> Request | None:
    """Every request is a new one, whatever its Idempotency-Key."""
    made: Request | None = _request(self, **told)
    return None if made is None else replace(made, tag=f"request:v1:{uuid4().hex}")


_TEST: Final = (
    "tests/faults/test_booking_history.py::"
    "test_given_clients_who_quarrel_when_all_is_over_then_one_order_explains_every_answer"
)

_LOCK: Final = "    perform pg_advisory_xact_lock(7305808869231650892);\n"
_CHECK: Final = "        select distinct c.group_no from unnest"
_LOCKED_CHECK: Final = """
        with held as materialized (select pg_advisory_xact_lock(7305808869231650892))
        select distinct c.group_no from held, unnest"""

# On a slow disk two appends meet sooner.
_NOTIFY: Final = "    perform pg_notify('event_appended', '');"
_SLOW_COMMIT: Final = "    perform pg_notify('event_appended', ''), pg_sleep(0.02);"

MUTANTS: dict[str, Bug] = {
    "history: a boundary has the first of the doctor's days only": Bug(
        rewrite(calendar.boundary_of, "for day in sorted(touched))", "for day in sorted(touched)[:1])"),
        _TEST,
    ),
    "history: a boundary leaves the doctor's time out": Bug(
        rewrite(calendar.boundary_of, "(DoctorDayOpened, *_TAKES_TIME)", "(DoctorDayOpened,)"),
        _TEST,
    ),
    "history: the patient's other visits are not looked at": Bug(
        rewrite(free_time.require_free_time, "visit.patient_id == patient_id for", "False for"),
        _TEST,
    ),
    "history: the doctor's other address is not looked at": Bug(
        rewrite(
            free_time.require_free_time,
            "visit.doctor_id == wanted.doctor_id for",
            "visit.slot_id == wanted.slot_id for",
        ),
        _TEST,
    ),
    "history: the condition is not checked": Bug(
        in_sql(("where t.tag = c.tag and", "where false and t.tag = c.tag and")),
        _TEST,
    ),
    "history: lock and check in one statement": Bug(
        in_sql((_LOCK, ""), (_CHECK, _LOCKED_CHECK), (_NOTIFY, _SLOW_COMMIT)),
        _TEST,
    ),
    "history: others' holds keep nothing": Bug(
        rewrite(free_time.require_free_time, "for hold in calendar.holds", "for hold in ()"),
        _TEST,
    ),
    "history: a move forgets the tags of its old time": Bug(
        rewrite(AppointmentMoved.tags, "self.before.doctor_days() | ", ""),
        _TEST,
    ),
    "history: a move does not free its old time": Bug(
        rewrite(calendar, "for number, visit in enumerate(booked)", "for number, visit in ()"),
        _TEST,
    ),
    "history: acknowledged without being confirmed": Bug(acknowledged_unconfirmed, _TEST),
    "history: Idempotency-Keys are ignored": Bug(keys_ignored, _TEST),
    "history: the list of appointments leaves moves out": Bug(
        rewrite(project.apply, "    if fold.moved:", "    if fold.moved and not fold.booked:"),
        _TEST,
    ),
}
