"""What is an event, and what does it say about itself?

An event is one fact, past tense, frozen, never edited once released: a new shape is a new `VERSION` with an
entry in `UPCASTERS` that turns the JSON of the version before into this one.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, get_args
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from portal_events.sensitive import Plain, Sealed, seal

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

_CLASSES: dict[tuple[str, str], type["Event"]] = {}


class UnknownEventError(Exception):
    """No class, or no way up from that version, is known for the event's type."""


class Event(BaseModel):
    """One fact. A subclass that names its `SUBJECT` is an event; one that does not is a base.

    `OWNER`: the service that alone may append it. `SUBJECT`: the field whose value is the event's key on
    Kafka (the patient, or the entity where no patient is concerned). `TAGGED`: the fields that boundaries
    select by; the tag's kind is the field's name without `_id`.
    """

    # Consumers are open: a field that a newer producer added is ignored, not refused.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    OWNER: ClassVar[str]
    VERSION: ClassVar[int] = 1
    SUBJECT: ClassVar[str]
    TAGGED: ClassVar[tuple[str, ...]] = ()
    UPCASTERS: ClassVar[Mapping[int, Upcaster]] = {}

    # Derived once a class, because tags and sealing stand on the path of every append.
    _TAG_KINDS: ClassVar[tuple[tuple[str, str], ...]] = ()
    _SENSITIVE: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Register the class under its owner and name."""
        if "SUBJECT" in cls.__dict__:
            _CLASSES[cls.OWNER, cls.__name__] = cls
            cls._TAG_KINDS = tuple((name, name.removesuffix("_id") + ":") for name in cls.TAGGED)
            cls._SENSITIVE = tuple(
                name for name, field in cls.model_fields.items() if _allows(field.annotation, Sealed)
            )

    @property
    def subject(self) -> UUID:
        """The id that keys this event on Kafka."""
        value = getattr(self, self.SUBJECT)
        if not isinstance(value, UUID):
            raise TypeError(f"{type(self).__name__}.{self.SUBJECT} is not an id")
        return value

    def tags(self) -> frozenset[str]:
        """Return the tags that boundaries find this event by: a pure function of the payload."""
        return frozenset(
            [f"{kind}{value}" for name, kind in self._TAG_KINDS if (value := getattr(self, name)) is not None]
        )

    def sealed(self, *, event_id: UUID, key: bytes | None) -> Self:
        """Return the event with every plain sensitive field sealed under the patient's data key."""
        plain = {name: v for name in self._SENSITIVE if isinstance(v := getattr(self, name), Plain)}
        if not plain:
            return self
        if key is None:
            raise ValueError(f"{type(self).__name__} has sensitive fields and needs the patient's key")
        return self.model_copy(
            update={n: seal(v, key=key, event_id=event_id, field=n) for n, v in plain.items()}
        )


def _allows(annotation: Any, cls: type) -> bool:
    return annotation is cls or any(_allows(part, cls) for part in get_args(annotation))


def event_class(owner: str, type_: str) -> type[Event]:
    """Return the class of `owner`'s events of that type, or raise UnknownEventError."""
    try:
        return _CLASSES[owner, type_]
    except KeyError:
        raise UnknownEventError(f"{owner}.{type_}") from None


def event_classes(owner: str) -> tuple[type[Event], ...]:
    """Return every event class of `owner`, by name."""
    return tuple(cls for (o, _), cls in sorted(_CLASSES.items()) if o == owner)


def decode(owner: str, type_: str, version: int, data: str | bytes) -> Event:
    """Read an event's JSON, of this or any earlier version; sensitive fields stay sealed."""
    cls = event_class(owner, type_)
    if version == cls.VERSION:
        return cls.model_validate_json(data)
    return cls.model_validate(upcast(cls, version, data))


def upcast(cls: type[Event], version: int, data: str | bytes) -> dict[str, Any]:
    """Return an event's JSON as that of the version that `cls` is, where it is of an earlier one."""
    payload: dict[str, Any] = orjson.loads(data)
    for step in range(version, cls.VERSION):
        if step not in cls.UPCASTERS:
            raise UnknownEventError(f"{cls.OWNER}.{cls.__name__}.v{version}: no way up from v{step}")
        payload = cls.UPCASTERS[step](payload)
    # A newer producer's version is read as far as we know it: consumers are open.
    return payload
