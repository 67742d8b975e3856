"""Which bugs must a history of bookings find, planted in the processes of a whole portal?"""

from collections.abc import Callable, Sequence
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
from portal_eventstore.testing.planting import rewrite

_EVERY: Final = 15


def acknowledged_unconfirmed() -> None:
    """Some appends do not arrive, and a broken connection counts as done."""
    append, counted = postgres._Session.append, count(1)

    async def append_or_not(self: Any, appends: Sequence[Append], *, resend: bool = False) -> Any:
        if not appends or next(counted) % _EVERY:
            return await append(self, appends, resend=resend)
        return [tuple(range(1, len(each.events) + 1)) for each in appends]

    postgres._Session.append = append_or_not  # type: ignore[method-assign]


def in_sql(*changes: tuple[str, str]) -> Callable[[], None]:
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

    def plant() -> None:
        postgres.PostgresStore.connect = change_and_connect  # type: ignore[method-assign]

    return plant


def keys_ignored() -> None:
    """Every request is a new one, whatever its Idempotency-Key."""
    request = RequestKeys.request

    def new_request(self: Any, **told: Any) -> Request | None:
        made: Request | None = request(self, **told)
        return None if made is None else replace(made, tag=f"request:v1:{uuid4().hex}")

    RequestKeys.request = new_request  # type: ignore[assignment,method-assign]


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

MUTANTS: dict[str, tuple[Callable[[], None], str]] = {
    "history: a boundary has the first of the doctor's days only": (
        rewrite(calendar.boundary_of, "for day in sorted(touched))", "for day in sorted(touched)[:1])"),
        _TEST,
    ),
    "history: a boundary leaves the doctor's time out": (
        rewrite(calendar.boundary_of, "(DoctorDayOpened, *_TAKES_TIME)", "(DoctorDayOpened,)"),
        _TEST,
    ),
    "history: the patient's other visits are not looked at": (
        rewrite(free_time.require_free_time, "visit.patient_id == patient_id for", "False for"),
        _TEST,
    ),
    "history: the doctor's other address is not looked at": (
        rewrite(
            free_time.require_free_time,
            "visit.doctor_id == wanted.doctor_id for",
            "visit.slot_id == wanted.slot_id for",
        ),
        _TEST,
    ),
    "history: the condition is not checked": (
        in_sql(("where t.tag = c.tag and", "where false and t.tag = c.tag and")),
        _TEST,
    ),
    "history: lock and check in one statement": (
        in_sql((_LOCK, ""), (_CHECK, _LOCKED_CHECK), (_NOTIFY, _SLOW_COMMIT)),
        _TEST,
    ),
    "history: others' holds keep nothing": (
        rewrite(free_time.require_free_time, "for hold in calendar.holds", "for hold in ()"),
        _TEST,
    ),
    "history: a move forgets the tags of its old time": (
        rewrite(AppointmentMoved.tags, "self.before.doctor_days() | ", ""),
        _TEST,
    ),
    "history: a move does not free its old time": (
        rewrite(calendar._moved, "for number, visit in enumerate(booked)", "for number, visit in ()"),
        _TEST,
    ),
    "history: acknowledged without being confirmed": (acknowledged_unconfirmed, _TEST),
    "history: Idempotency-Keys are ignored": (keys_ignored, _TEST),
    "history: the list of appointments leaves moves out": (
        rewrite(project.apply, "    if fold.moved:", "    if fold.moved and not fold.booked:"),
        _TEST,
    ),
}
