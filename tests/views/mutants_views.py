"""Which bugs make a view depend on the order of partitions, or on how its tables are filled?"""

from booking.appointments import project as appointments
from booking.free_slots import project as free_slots
from gateway.directory import project as directory
from gateway.timeline import project as timeline
from portal_chassis import levels
from portal_eventstore import consume
from portal_eventstore.keys import key_ring
from portal_eventstore.testing.planting import Bug, Change, file_of, rewrite

_TEST = "tests/views/test_every_order.py::test_given_"
_ORDER = _TEST + "partitions_permuted_delayed_and_sent_twice_then_the_view_is_the_same"
_FILLED = _TEST + "a_random_history_then_filling_from_it_is_the_same_as_applying_it"
_SLOTS, _LIST = "[booking/free_slots]", "[booking/appointments]"
_TIMELINE, _LEVELS, _NAMES = "[gateway/timeline]", "[booking/levels]", "[gateway/directory]"
_KEYS = "[booking/patient_key]"


def _settle(old: str, new: str) -> Change:
    """Write other SQL into what settles the offers."""
    bulk = free_slots.FREE_SLOTS.bulk

    def make() -> None:
        if bulk is None or old not in bulk.settle:
            raise AssertionError(f"nothing to mutate: {old!r}")
        object.__setattr__(bulk, "settle", bulk.settle.replace(old, new))

    return Change(frozenset({file_of(free_slots)}), make)


MUTANTS: dict[str, Bug] = {
    "the second side does not look back: an offer that arrives after its booking": Bug(
        rewrite(free_slots, "zone, {_BOOKED}", "zone, false"),
        _ORDER + _SLOTS,
    ),
    "the second side does not look back: a booking that arrives after its offer": Bug(
        rewrite(free_slots, "and o.taken <> {_BOOKED}", "and false"),
        _ORDER + _SLOTS,
    ),
    "the second side does not look back: an address that arrives after the offers": Bug(
        rewrite(free_slots, "where o.city is null and o.facility_id", "where false and o.facility_id"),
        _ORDER + _SLOTS,
    ),
    "whether an offer is taken says whoever arrives last": Bug(
        rewrite(free_slots, "and o.taken <> {_BOOKED}", "and true"),
        _ORDER + _SLOTS,
    ),
    "what a relay sends twice is applied twice": Bug(
        rewrite(consume.already_applied, "position is not None and position <= last_position", "False"),
        _ORDER + _TIMELINE,
    ),
    "a level stays what it was first": Bug(
        rewrite(
            levels,
            "do update set (level, position) = (excluded.level, excluded.position)",
            "do nothing",
        ),
        _ORDER + _LEVELS,
    ),
    "an erased key comes back when nothing else of the patient is in the batch": Bug(
        rewrite(key_ring, "if erased:", "if erased and len(last) > 1:"),
        _ORDER + _KEYS,
    ),
    "what nobody settles is free": Bug(
        _settle("p.street, taken = exists (", "p.street, taken = false and exists ("), _FILLED + _SLOTS
    ),
    "what has no address yet is free": Bug(
        _settle("set taken = true", "set taken = false"), _FILLED + _SLOTS
    ),
    "filling forgets cancellations": Bug(
        rewrite(appointments.rows, 'statuses.get(number, "booked")', '"booked"'),
        _FILLED + _LIST,
    ),
    "filling takes the first place of an appointment": Bug(
        rewrite(appointments.rows, "fold.moved.get(number, one.place)", "one.place"),
        _FILLED + _LIST,
    ),
    "filling takes the first word of the timeline": Bug(
        rewrite(timeline.rows, "if change.booked", "if change.booked and not change.cancelled"),
        _FILLED + _TIMELINE,
    ),
    "filling keeps erased keys": Bug(
        rewrite(key_ring, "_last(history)", "{r.patient_id: r.wrapped for r in history if r.wrapped}"),
        _FILLED + _KEYS,
    ),
    "filling loses the last name of a partition": Bug(
        rewrite(directory.rows, "_last(history)", "_last(history)[:-1]"),
        _FILLED + _NAMES,
    ),
}
