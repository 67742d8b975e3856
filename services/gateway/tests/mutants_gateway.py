"""Which bugs must the timeline's tests catch? Each changes one place; the test beside it must then fail."""

from gateway.edge.open_sessions import OpenSessions
from gateway.timeline import changes, page, project
from gateway.timeline.stream import EventStream
from gateway.timeline.streams import Streams
from portal_eventstore.testing.planting import Bug, rewrite

_PAGE = "services/gateway/tests/test_timeline.py::test_"
_STREAM = "services/gateway/tests/test_stream.py::test_"


MUTANTS: dict[str, Bug] = {
    "a cancelled item stays planned": Bug(
        rewrite(project, "cancelled=True", "cancelled=False"),
        _PAGE + "given_a_visit_booked_then_moved_then_cancelled_when_read_then_one_item_as_it_is_now",
    ),
    "a moved item is looked for where it moves to": Bug(
        rewrite(project, "event.before", "event.after"),
        _PAGE + "given_a_visit_booked_then_moved_then_cancelled_when_read_then_one_item_as_it_is_now",
    ),
    "a batch forgets what it made of an appointment before": Bug(
        rewrite(project, "changes.get(event.appointment_id) or ", ""),
        _PAGE + "given_moves_there_and_back_in_one_batch_then_as_one_after_another",
    ),
    "the basic level sees what is over": Bug(
        rewrite(page, "who.level = 'full' or ", "true or "),
        _PAGE + "given_the_basic_level_when_read_then_what_is_planned_and_what_is_locked",
    ),
    "a page without an owner": Bug(
        rewrite(page, "where patient_id = $1\n", "where $1 is not null\n"),
        _PAGE + "hazard_another_patient_then_none_of_their_items_whatever_is_asked",
    ),
    "a stream that misses what comes between its look and its wait": Bug(
        rewrite(EventStream, "        yield _RETRY", "        woken.clear()\n        yield _RETRY"),
        _STREAM + "hazard_a_change_between_the_look_and_the_wait_then_it_is_told",
    ),
    "a listener that comes back wakes nobody": Bug(
        rewrite(Streams, "self.wake_all()\n            while", "while"),
        _STREAM + "hazard_the_listening_connection_breaks_then_what_was_missed_is_told",
    ),
    "a stream that comes back is told its last item again": Bug(
        rewrite(changes, "position > $7", "position >= $7"),
        _STREAM + "given_what_was_missed_when_resumed_then_it_comes_first_in_order_and_once",
    ),
    "a place in the future is believed": Bug(
        rewrite(EventStream, "known.booking > look.place.booking", "False"),
        _STREAM + "given_an_id_that_tells_no_place_when_resumed_then_reset_and_on_from_there",
    ),
    "another level goes unnoticed": Bug(
        rewrite(EventStream, "look.raised > known.identity", "False"),
        _STREAM + "given_the_level_rises_when_open_or_away_then_reset",
    ),
    "a stream believes a remembered session": Bug(
        rewrite(
            OpenSessions.lives,
            "await self._rows.find(session.digest)",
            "self._recalled(session.digest, self._clock())",
        ),
        _STREAM + "given_a_revoked_session_then_its_stream_ends_and_nothing_more_is_told",
    ),
}
