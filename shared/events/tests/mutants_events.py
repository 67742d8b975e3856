"""Which bugs of the published language must its tests catch?"""

from portal_events import cloudevents, compatibility, fields
from portal_eventstore.testing.planting import Bug, rewrite

_SCHEMAS = "shared/events/tests/test_schemas.py::test_given_"
_FIELDS = "shared/events/tests/test_fields.py::test_given_"
_WIRE = "shared/events/tests/test_cloudevents.py::test_given_"

MUTANTS: dict[str, Bug] = {
    "a field that stored events lack may be required": Bug(
        rewrite(
            compatibility,
            "if name not in before and name in required_after:",
            "if name in before and name not in after:",
        ),
        _SCHEMAS
        + "a_released_version_when_changed_incompatibly_then_refused_in_one_sentence[nested-new-required]",
    ),
    "what readers rely on may go": Bug(
        rewrite(compatibility, 'yield f"{path}: was removed or renamed"', "pass"),
        _SCHEMAS
        + "a_released_version_when_changed_incompatibly_then_refused_in_one_sentence[nested-removed]",
    ),
    "the key is the event's own id": Bug(
        rewrite(
            cloudevents.to_record,
            "Record(events_topic(stored.owner), subject,",
            "Record(events_topic(stored.owner), headers[1][1],",
        ),
        _WIRE + "an_event_with_everything_then_exactly_these_headers_in_this_order",
    ),
    "a header in another encoding is read": Bug(
        rewrite(cloudevents.to_record, "metadata.actor.encode()", 'metadata.actor.encode("utf-16")'),
        _WIRE + "an_event_with_everything_then_exactly_these_headers_in_this_order",
    ),
    "fields are read of the newest version only": Bug(
        rewrite(fields.fields_reader, "version == cls.VERSION", "True"),
        _FIELDS + "any_released_event_when_only_its_fields_are_read_then_the_same_as_the_event_says"
        "[AppointmentBooked.v1]",
    ),
    "fields are read without their limits": Bug(
        rewrite(fields, "in field.metadata", "in ()"),
        _FIELDS + "json_that_is_no_such_event_when_only_its_fields_are_read_then_refused_too[no length]",
    ),
}
