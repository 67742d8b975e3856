"""Do the views show at the end what the facts add up to?

Appointments, offers that can still be had and what keeps doctors busy (booking), and the gateway's timeline.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg

from portal_faults.history.timeline import NEVER, Finding, Timeline

_APPOINTMENTS: Final = """
select appointment_id::text as id, patient_id::text as patient, slot_id::text as slot,
    status = 'cancelled' as gone
from appointments where patient_id = any ($1)
"""
_OFFERS: Final = "select slot_id::text as id, taken from free_slots_offer where slot_id = any ($1)"
_BUSY: Final = """
select id::text as id, patient_id::text as patient, extract(epoch from starts_at)::float8 as starts_at,
    extract(epoch from ends_at)::float8 as ends_at
from free_slots_busy where expires_at = 'infinity' and patient_id = any ($1)
"""
_TIMELINE: Final = """
select appointment_id::text as id, patient_id::text as patient,
    extract(epoch from starts_at)::float8 as starts_at, cancelled as gone
from timeline where patient_id = any ($1)
"""


async def check_views(booking_url: str, gateway_url: str, timeline: Timeline) -> list[Finding]:
    """Compare every row about the history's patients and slots with the facts."""
    patients = [UUID(patient) for patient in timeline.stood]
    slots = [UUID(slot) for slot in timeline.slots]
    booking, gateway = await asyncpg.connect(booking_url), await asyncpg.connect(gateway_url)
    try:
        return [
            *_appointments(timeline, await booking.fetch(_APPOINTMENTS, patients)),
            *_offers(timeline, await booking.fetch(_OFFERS, slots)),
            *_busy(timeline, await booking.fetch(_BUSY, patients)),
            *_timeline(timeline, await gateway.fetch(_TIMELINE, patients)),
        ]
    finally:
        await booking.close()
        await gateway.close()


def _appointments(timeline: Timeline, rows: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    wanted = {
        id_: (stays[-1].patient, stays[-1].slot, id_ in timeline.cancelled)
        for id_, stays in timeline.places.items()
    }
    shown = {row["id"]: (row["patient"], row["slot"], row["gone"]) for row in rows}
    return _different("appointments", wanted, shown)


def _offers(timeline: Timeline, rows: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    wanted = dict.fromkeys(timeline.slots, False)
    for stay in timeline.standing():
        for other in timeline.beside[stay.slot]:
            wanted[other] = wanted[other] or timeline.of_doctor(stay, other)
    return _different("free slots", wanted, {row["id"]: row["taken"] for row in rows})


def _busy(timeline: Timeline, rows: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    wanted = {
        stay.id: (stay.patient, timeline.slots[stay.slot].starts_at, timeline.slots[stay.slot].ends_at)
        for stay in timeline.standing()
    }
    shown = {row["id"]: (row["patient"], row["starts_at"], row["ends_at"]) for row in rows}
    # What has gone may stay as a mark that it went: it takes no time.
    gone = {id_ for id_, stays in timeline.places.items() if stays[-1].until != NEVER}
    tombs = {id_ for id_, (_, starts_at, ends_at) in shown.items() if id_ in gone and starts_at >= ends_at}
    return _different("busy times", wanted, {id_: row for id_, row in shown.items() if id_ not in tombs})


def _timeline(timeline: Timeline, rows: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    wanted = {
        id_: (stays[-1].patient, timeline.slots[stays[-1].slot].starts_at, id_ in timeline.cancelled)
        for id_, stays in timeline.places.items()
    }
    shown = {row["id"]: (row["patient"], row["starts_at"], row["gone"]) for row in rows}
    return _different("timeline", wanted, shown)


def _different(view: str, wanted: Mapping[str, Any], shown: Mapping[str, Any]) -> Iterable[Finding]:
    for id_ in sorted(wanted.keys() | shown.keys()):
        if wanted.get(id_) != shown.get(id_):
            what = f"{id_}: the facts say {wanted.get(id_)}, the view shows {shown.get(id_)}"
            yield Finding(f"the view of {view} is wrong", what)
