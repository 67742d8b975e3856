"""Which bugs must the tests of reading a topic's past catch?"""

from portal_eventstore import history
from portal_eventstore.testing.planting import Bug, rewrite

_TEST = "shared/eventstore/tests/test_history.py::test_given_"
_PART = _TEST + "a_topic_when_a_part_is_read_then_just_that_comes_in_order_and_whole"

MUTANTS: dict[str, Bug] = {
    "what came after the fence belongs to the past": Bug(
        rewrite(history.read, "if r.offset < end", "if r.offset <= end"),
        _PART,
    ),
    "the past begins wherever Kafka begins": Bug(
        rewrite(history, "start < held.begin or ", ""),
        _TEST + "kafka_has_let_the_first_records_go_when_read_from_there_then_it_is_an_error",
    ),
    "an end that Kafka does not have is left out": Bug(
        rewrite(history, " or end > held.end", ""),
        _TEST + "kafka_ends_before_what_was_asked_for_when_read_then_it_is_an_error",
    ),
    "a record that is not there is waited for": Bug(
        rewrite(history, "found or await consumer.position(place) > before", "found"),
        _TEST + "the_last_offsets_hold_no_records_when_read_to_the_end_then_it_ends",
    ),
}
