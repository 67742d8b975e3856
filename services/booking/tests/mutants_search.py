"""Which bugs do searches for free time have, and which test catches each when it is planted?"""

from functools import partial

from booking import app
from booking.add_service import decide as add_service
from booking.catalogue import endpoint as catalogue
from booking.free_slots import endpoint, part_of_day, project
from booking.open_doctor_day import decide as open_doctor_day
from portal_eventstore.testing.planting import Bug, Change, file_of, rewrite

_TESTS = "services/booking/tests/"
_DAY = _TESTS + "test_open_doctor_day.py::test_given_"
_SEARCH = _TESTS + "test_free_slots.py::test_given_"
_ORDER = _TESTS + "test_free_slots_order.py::test_given_"
_COST = _TESTS + "test_free_slots_cost.py::test_given_much_when_searched_then_little_is_read_for_every_page"
_ANY_ORDER = _ORDER + "partitions_in_any_order_when_applied_then_the_search_and_the_rows_are_the_same"
_SIDE_BY_SIDE = _ORDER + "both_sides_in_transactions_side_by_side_when_committed_then_each_has_seen_the_other"
_CLOCKS_CHANGE = (
    _SEARCH + "a_day_of_the_clocks_change_when_searched_then_its_slots_come_once_and_no_others[day0-50]"
)

MUTANTS: dict[str, Bug] = {
    "a release frees whoever has the doctor's time": Bug(
        rewrite(
            project,
            "where id = any ($1::uuid[])",
            "b using free_slots_busy o where o.id = any ($1::uuid[])"
            " and b.doctor_id = o.doctor_id and b.starts_at = o.starts_at",
        ),
        _ORDER + "two_patients_on_the_doctors_time_when_one_lets_go_then_it_is_still_the_others",
    ),
    "whatever becomes of a visit turns the doctor's offers over": Bug(
        rewrite(project, "and o.taken <> {_BOOKED}", "and true"),
        _ORDER + "a_busy_day_when_searched_then_only_the_last_word_counts",
    ),
    "the part of the day is told by UTC": Bug(
        rewrite(part_of_day.part_of_day, "instant.astimezone(zone).hour", "instant.hour"),
        _CLOCKS_CHANGE,
    ),
    "the part of the day is told by Warsaw's clock everywhere": Bug(
        rewrite(project, "ZoneInfo(day.zone)", 'ZoneInfo("Europe/Warsaw")'),
        _SEARCH + "another_zone_when_searched_by_part_of_day_then_its_own_wall_counts",
    ),
    "a day has 24 hours": Bug(
        rewrite(endpoint, "_midnight(last + timedelta(days=1))", "_midnight(last) + timedelta(days=1)"),
        _CLOCKS_CHANGE,
    ),
    "a way that the service does not have is opened": Bug(
        rewrite(open_doctor_day, "session.mode not in modes", "not modes"),
        _DAY + "a_way_that_the_service_does_not_have_when_opened_then_refused",
    ),
    "a lapsed hold still hides": Bug(
        rewrite(endpoint, "b.expires_at > $1", "$1::timestamptz is not null"),
        _SEARCH + "anothers_hold_when_searched_then_the_doctors_time_is_hidden_while_it_lives",
    ),
    "one's own hold hides": Bug(
        rewrite(endpoint, "b.patient_id is distinct from $2", "($2::uuid is null or true)"),
        _SEARCH + "anothers_hold_when_searched_then_the_doctors_time_is_hidden_while_it_lives",
    ),
    "a hold hides its slot, and not the doctor's time": Bug(
        rewrite(endpoint, "b.doctor_id = o.doctor_id", "b.id = o.slot_id"),
        _SEARCH + "anothers_hold_when_searched_then_the_doctors_time_is_hidden_while_it_lives",
    ),
    "a booking leaves its hold behind": Bug(
        rewrite(project, "{} if hold_id is None else {hold_id: None}", "{}"),
        _ORDER + "a_booking_that_was_held_when_cancelled_then_the_hold_does_not_come_back",
    ),
    "a move leaves the time before it": Bug(
        rewrite(project, "{_time(event.before), _time(event.after)}", "{_time(event.after)}"),
        _ORDER + "a_move_to_a_held_slot_when_moved_on_then_the_hold_does_not_come_back",
    ),
    "offers and visits do not wait for each other": Bug(
        rewrite(project, "pg_advisory_xact_lock", "abs"),
        _SIDE_BY_SIDE + "[DoctorDayOpened-AppointmentBooked]",
    ),
    "facilities wait for nobody": Bug(
        rewrite(project.apply, "range(_LOCKS) if fold.places else", ""),
        _SIDE_BY_SIDE + "[DoctorDayOpened-FacilityAdded]",
    ),
    "an offer does not look for a visit that came before it": Bug(
        rewrite(project, "zone, {_BOOKED}", "zone, false"),
        _ANY_ORDER,
    ),
    "namesakes are mixed up": Bug(
        rewrite(endpoint, "o.doctor_id, o.street, o.slot_id", "o.street, o.doctor_id, o.slot_id"),
        _SEARCH + "two_doctors_of_one_name_when_searched_then_each_ones_addresses_stand_together",
    ),
    "nothing to show, and nothing said": Bug(
        rewrite(
            endpoint, "    if service is None:\n", "    if True:\n        return\n    if service is None:\n"
        ),
        _SEARCH + "a_service_that_cannot_be_had_so_when_searched_then_told_instead_of_nothing",
    ),
    "all that fits is read and sorted": Bug(
        Change(frozenset({file_of(app)}), partial(app.READING.pop, "enable_sort")), _COST
    ),
    "the search walks past what is taken": Bug(
        rewrite(endpoint, "where not o.taken", "where o.taken is not true"),
        _COST,
    ),
    "doctors are listed for a city by any of its services": Bug(
        rewrite(catalogue, "and ($4 is null or p.service_id = $4)", ""),
        _TESTS + "test_catalogue.py::test_given_filters_when_listed_then_only_what_fits",
    ),
    "a service is prepared for in one language": Bug(
        rewrite(add_service, "any(texts) and not all", "any(texts) and not any"),
        _TESTS + "test_add_service.py::test_given_something_missing_or_not_readable_when_added_then_refused",
    ),
}
