"""Which kinds of items does the timeline have?"""

from enum import StrEnum

from portal_events.booking import Mode


class Kind(StrEnum):
    """What an item is, for its icon and for the filter."""

    APPOINTMENT = "appointment"
    TELEPHONE_CONSULTATION = "telephone-consultation"
    ONLINE_CONSULTATION = "online-consultation"


KIND_OF_MODE = {
    Mode.IN_PERSON: Kind.APPOINTMENT,
    Mode.TELEPHONE: Kind.TELEPHONE_CONSULTATION,
    Mode.VIDEO: Kind.ONLINE_CONSULTATION,
}
