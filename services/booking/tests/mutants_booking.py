"""Which bugs have calendars of appointments had before, and which test catches each when planted again?"""

from booking import first_time
from booking.appointments import find, project
from booking.book_appointment import decide as book
from booking.cancel_appointment import decide as cancel
from booking.hold_slot import decide as hold
from booking.rules import booking_limit, calendar, free_time, offer, own_appointment, own_holds, time_overlap
from portal_eventstore.testing.planting import Bug, put, rewrite

_TESTS = "services/booking/tests/"
_BOOK = _TESTS + "test_book_appointment.py::test_given_"
_HOLD = _TESTS + "test_hold_slot.py::test_given_"
_MOVE = _TESTS + "test_move_appointment.py::test_given_"
_CANCEL = _TESTS + "test_cancel_appointment.py::test_given_"
_RACES = _TESTS + "test_races.py::test_given_"
_VIEW = _TESTS + "test_appointments.py::test_given_"

MUTANTS: dict[str, Bug] = {
    "a hold is judged without its end": Bug(
        rewrite(free_time.require_free_time, "hold.expires_at > now", "True"),
        _BOOK + "anothers_hold_that_has_lapsed_when_booked_then_booked",
    ),
    "one's own hold never lapses": Bug(
        rewrite(own_holds.own_holds, " and hold.expires_at > now", ""),
        _BOOK + "no_live_hold_of_that_id_on_the_slot_when_booked_by_it_then_refused_as_expired[by the clock]",
    ),
    "one's own hold is in one's own way": Bug(
        rewrite(free_time.require_free_time, "hold.patient_id != patient_id", "True"),
        _BOOK + "ones_own_hold_of_the_other_address_when_booked_then_it_is_in_nobodys_way_and_stays",
    ),
    "others' holds keep nothing": Bug(
        rewrite(free_time.require_free_time, "for hold in calendar.holds", "for hold in ()"),
        _BOOK + "anothers_hold_when_booked_at_either_address_then_refused_as_taken",
    ),
    "a booking does not end the hold": Bug(
        rewrite(book.decide, "hold_id=hold_id", "hold_id=None"),
        _BOOK + "ones_own_hold_when_booked_then_it_ends_with_it",
    ),
    "a used hold is still counted": Bug(
        rewrite(calendar.evolve, "h.hold_id != ended", "True"),
        _HOLD + "two_holds_of_which_one_has_ended_when_another_is_wanted_then_held",
    ),
    "a hold that ends now still lives": Bug(
        rewrite(own_holds.own_holds, "hold.expires_at > now", "hold.expires_at >= now"),
        _HOLD + "ones_own_hold_that_has_lapsed_when_held_again_then_a_new_one",
    ),
    "holds have no limit": Bug(
        put(hold, "MOST", 3),
        _RACES + "a_patient_when_four_slots_are_held_at_once_then_two_are",
    ),
    "visits side by side overlap": Bug(
        rewrite(time_overlap.overlap, "one[0] < other[1]", "one[0] <= other[1]"),
        _BOOK + "bookings_beside_it_when_booked_then_adjacent_visits_do_not_overlap",
    ),
    "a cancellation does not free the time": Bug(
        rewrite(calendar, "booked=kept", "booked=calendar.booked"),
        _BOOK + "a_cancelled_booking_when_booked_then_its_time_is_free",
    ),
    "the limit counts cancelled visits": Bug(
        rewrite(calendar.own_visits, "in calendar.booked", "in (*calendar.booked, *calendar.cancelled)"),
        _BOOK + "nine_visits_ahead_and_one_that_does_not_count_when_booked_then_there_is_room[cancelled]",
    ),
    "the limit counts what is over": Bug(
        rewrite(booking_limit.require_room, " and visit.starts_at > now", ""),
        _BOOK + "nine_visits_ahead_and_one_that_does_not_count_when_booked_then_there_is_room[begun]",
    ),
    "the limit counts the desk's bookings": Bug(
        rewrite(booking_limit.require_room, "visit.source is Source.PORTAL and ", ""),
        _BOOK + "nine_visits_ahead_and_one_that_does_not_count_when_booked_then_there_is_room[the desk's]",
    ),
    "a visit from another day takes no time": Bug(
        rewrite(calendar, "return (*booked, arrived)", "return tuple(booked)"),
        _BOOK + "a_visit_that_came_from_another_day_when_booked_then_refused_as_taken",
    ),
    "a moving visit is in its own way": Bug(
        rewrite(free_time.require_free_time, " and visit.appointment_id != moving", ""),
        _MOVE + "a_visit_when_moved_to_the_time_it_has_at_another_address_then_it_is_not_in_its_own_way",
    ),
    "taken is said before expired": Bug(
        rewrite(
            book.decide,
            "    slot, zone = offered(calendar, command.slot)\n",
            "    slot, zone = offered(calendar, command.slot)\n"
            "    require_free_time(calendar, command.slot, command.patient_id, command.now)\n",
        ),
        _BOOK
        + "no_live_hold_of_that_id_on_the_slot_when_booked_by_it_then_refused_as_expired[lapsed and taken]",
    ),
    "an offer elsewhere is taken for the one looked for": Bug(
        rewrite(offer.offered, " and _where_looked_for(day, slot, wanted)", ""),
        _BOOK + "an_offer_elsewhere_than_looked_for_when_booked_then_refused_as_unknown",
    ),
    "another's visit can be cancelled": Bug(
        rewrite(
            own_appointment.own_appointment,
            "(visit.appointment_id, visit.patient_id) == (appointment_id, patient_id)",
            "visit.appointment_id == appointment_id",
        ),
        _CANCEL + "no_visit_or_anothers_when_cancelled_then_refused_as_unknown",
    ),
    "the desk's visits can be cancelled here": Bug(
        rewrite(own_appointment.own_appointment, "visit.source is not Source.PORTAL", "False"),
        _CANCEL + "a_visit_that_the_desk_made_when_cancelled_then_refused_with_whom_to_call",
    ),
    "a visit that begins can be cancelled": Bug(
        rewrite(own_appointment.require_not_started, "<= now", "< now"),
        _CANCEL + "a_visit_that_begins_when_cancelled_then_refused_and_a_moment_before_not",
    ),
    "the boundary leaves the patient out": Bug(
        rewrite(calendar.boundary_of, '        about(f"patient:{patient_id}", _TAKES_TIME),\n', ""),
        _RACES + "nine_bookings_when_three_more_come_at_once_then_one_fits",
    ),
    "the boundary leaves holds out": Bug(
        rewrite(calendar, "(SlotHeld, HoldReleased, AppointmentBooked,", "(AppointmentBooked,"),
        _RACES + "one_slot_when_many_hold_it_or_its_other_address_at_once_then_one_does",
    ),
    "the boundary leaves moves out": Bug(
        rewrite(
            cancel.boundary,
            "(AppointmentBooked, AppointmentMoved, AppointmentCancelled)",
            "(AppointmentBooked, AppointmentCancelled)",
        ),
        # The race itself may end the right way by chance.
        _CANCEL + "a_visit_that_was_moved_when_cancelled_then_the_new_time_is_given_back",
    ),
    "a repeat is answered from what has happened since": Bug(
        rewrite(first_time.decided_on, "stored.position < outcome.positions[0]", "True"),
        _TESTS + "test_book_appointment_endpoint.py::test_given_another_visit_of_the_service_when_booked_"
        "then_warned_and_a_repeat_warns_the_same",
    ),
    "the list forgets a move in the same batch": Bug(
        rewrite(project.apply, "    if fold.moved:", "    if fold.moved and not fold.booked:"),
        _VIEW + "everything_in_one_batch_or_one_by_one_or_twice_when_projected_then_the_same_rows",
    ),
    "of many moves the first one counts": Bug(
        rewrite(
            project,
            "fold.moved[number] = _place(visit)",
            "fold.moved.setdefault(number, _place(visit))",
        ),
        _VIEW + "everything_in_one_batch_or_one_by_one_or_twice_when_projected_then_the_same_rows",
    ),
    "anybody learns whom to call about a visit": Bug(
        rewrite(find, "a.patient_id = $1", "$1::uuid is not null"),
        _VIEW + "the_desks_appointment_when_read_then_it_says_so_and_whom_to_call",
    ),
}
