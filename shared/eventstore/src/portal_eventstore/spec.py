"""Does a decision do what its rule says, given only what it would really have read?

    given(BOOK, OPENED, BOOKED).when(BookAppointment(…)).then_refused(SlotTaken)

A given event that the boundary would not have selected fails the spec: a rule whose facts lie outside its
boundary is not protected by the append condition.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from portal_events.base import Event
from portal_eventstore.decision import Decision, Refusal

C = TypeVar("C")
S = TypeVar("S")


@dataclass(frozen=True)
class Result:
    """What the decision answered."""

    events: tuple[Event, ...] | None
    refusal: Refusal | None

    def then(self, *expected: Event) -> None:
        """Expect exactly these events."""
        if self.refusal is not None:
            raise AssertionError(f"refused as {type(self.refusal).__name__}, expected {expected!r}")
        if self.events != expected:
            raise AssertionError(f"decided {self.events!r}, expected {expected!r}")

    def then_nothing(self) -> None:
        """Expect that it was already so."""
        self.then()

    def then_refused(self, expected: type[Refusal]) -> None:
        """Expect a refusal of exactly this class."""
        if self.refusal is None:
            raise AssertionError(f"decided {self.events!r}, expected the refusal {expected.__name__}")
        if type(self.refusal) is not expected:
            raise AssertionError(f"refused as {type(self.refusal).__name__}, expected {expected.__name__}")


@dataclass(frozen=True)
class Given(Generic[C, S]):
    """The facts before the command."""

    decision: Decision[C, S]
    events: tuple[Event, ...]

    def when(self, command: C) -> Result:
        """Decide, as the store would have it decided."""
        boundary = self.decision.boundary(command)
        state = self.decision.initial
        for event in self.events:
            tags = event.tags()
            if not any(c.tag in tags and (not c.types or type(event).__name__ in c.types) for c in boundary):
                raise AssertionError(f"the boundary {boundary!r} would not have read {event!r}")
            state = self.decision.evolve(state, event)
        try:
            return Result(tuple(self.decision.decide(command, state)), None)
        except Refusal as refusal:
            return Result(None, refusal)


def given(decision: Decision[C, S], *events: Event) -> Given[C, S]:
    """Begin a spec with the events that happened, oldest first."""
    return Given(decision, events)
