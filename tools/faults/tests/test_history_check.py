"""Does the checker find each broken promise in a history, and nothing in a history that keeps them?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from portal_faults.history.check import check
from portal_faults.history.fact import Fact
from portal_faults.history.history import History, Recorder, read_history
from portal_faults.history.operation import Kind, Operation, Outcome, Slot

EPOCH = 1_000_000.0
HOUR = 3600.0
ANNA, JAN = "anna", "jan"


def slot(name: str, doctor: str, starts: float, minutes: int) -> Slot:
    since = EPOCH + 1000 * HOUR + 60 * starts
    return Slot(slot=name, doctor=doctor, service="s", starts_at=since, ends_at=since + 60 * minutes)


# Doctor a: two addresses with visits of 15 and 20 minutes; doctor b: the same hours.
SLOTS = {
    s.slot: s
    for s in (
        slot("a-0", "a", 0, 15),
        slot("a-15", "a", 15, 15),
        slot("a-60", "a", 60, 15),
        slot("a-there-0", "a", 0, 20),
        slot("b-0", "b", 0, 15),
        *(slot(f"b-{n}", "b", n, 15) for n in range(120, 330, 15)),
    )
}


@dataclass
class Story:
    """A history told step by step: each request lasts from its instant to one second later."""

    operations: list[Operation] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def ask(self, at: float, kind: Kind, patient: str, **told: Any) -> Operation:
        operation = Operation(
            id=f"r{len(self.operations)}",
            client=told.pop("client", 0),
            patient=patient,
            kind=kind,
            invoked_at=at,
            returned_at=told.pop("until", at + 1),
            outcome=told.pop("outcome", Outcome.OK),
            **told,
        )
        self.operations.append(operation)
        return operation

    def happens(self, operation: Operation, **more: Any) -> None:
        place = len(self.facts) + 1
        told: dict[str, Any] = {
            "appointment": operation.appointment,
            "slot": operation.slot,
            "hold": operation.hold,
            "time": EPOCH + operation.invoked_at,
            **more,
        }
        self.facts.append(
            Fact(
                position=10 * place,
                id=f"e{place}",
                kind=operation.kind,
                request=operation.id,
                patient=operation.patient,
                **told,
            )
        )

    def book(self, at: float, patient: str, slot_id: str, appointment: str, **more: Any) -> Operation:
        asked = self.ask(at, Kind.BOOK, patient, slot=slot_id, result=appointment, **more)
        self.happens(asked, appointment=appointment)
        return asked

    def cancel(self, at: float, patient: str, slot_id: str, appointment: str) -> Operation:
        asked = self.ask(at, Kind.CANCEL, patient, appointment=appointment, result=appointment)
        self.happens(asked, before=slot_id)
        return asked

    def move(self, at: float, patient: str, before: str, after: str, appointment: str) -> Operation:
        asked = self.ask(at, Kind.MOVE, patient, slot=after, appointment=appointment, result=appointment)
        self.happens(asked, before=before)
        return asked

    def hold(self, at: float, patient: str, slot_id: str, hold: str, *, lasts: float = 300) -> Operation:
        asked = self.ask(at, Kind.HOLD, patient, slot=slot_id, result=hold, expires_at=EPOCH + at + lasts)
        self.happens(asked, hold=hold, expires_at=EPOCH + at + lasts)
        return asked

    def refused(self, at: float, kind: Kind, patient: str, code: str, **told: Any) -> Operation:
        return self.ask(at, kind, patient, outcome=Outcome.REFUSED, code=code, **told)

    def unknown(self, at: float, kind: Kind, patient: str, **told: Any) -> Operation:
        return self.ask(at, kind, patient, outcome=Outcome.UNKNOWN, **told)

    def rules(self) -> list[str]:
        """Return the rules that the checker finds broken, each once."""
        history = History(SLOTS, self.operations, EPOCH)
        return sorted({finding.rule for finding in check(history, self.facts).findings})


def test_given_a_history_in_which_all_is_well_when_checked_then_nothing_is_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.refused(2, Kind.BOOK, JAN, "slot-taken", slot="a-there-0")
    story.refused(3, Kind.BOOK, ANNA, "patient-busy", slot="b-0")
    story.ask(4, Kind.BOOK, ANNA, slot="a-0", result="v1")
    story.move(5, ANNA, "a-0", "a-15", "v1")
    story.hold(7, JAN, "a-0", "h1")
    story.refused(8, Kind.BOOK, ANNA, "slot-taken", slot="a-0")
    used = story.ask(9, Kind.BOOK, JAN, slot="a-0", hold="h1", result="v2")
    story.happens(used, appointment="v2")
    story.refused(10, Kind.BOOK, JAN, "hold-expired", slot="a-0", hold="h1")
    story.ask(11, Kind.READ, JAN, shown=("v2",))
    story.cancel(12, ANNA, "a-15", "v1")
    story.ask(14, Kind.CANCEL, ANNA, appointment="v1", result="v1")
    story.refused(15, Kind.MOVE, ANNA, "appointment-cancelled", slot="a-60", appointment="v1")
    story.hold(17, ANNA, "a-60", "h2")
    given = story.ask(18, Kind.RELEASE, ANNA, hold="h2")
    story.happens(given)
    assert story.rules() == []


def test_given_an_unknown_outcome_when_it_happened_or_not_then_both_are_well() -> None:
    story = Story()
    asked = story.unknown(0, Kind.BOOK, ANNA, slot="a-0", key="k")
    story.unknown(1, Kind.BOOK, JAN, slot="a-60")
    story.happens(asked, appointment="v1")
    story.ask(5, Kind.BOOK, ANNA, slot="a-0", key="k", result="v1")
    story.book(7, JAN, "a-60", "v2")
    assert story.rules() == []


def test_given_an_unknown_outcome_when_it_happens_long_after_the_answer_was_lost_then_it_is_well() -> None:
    story = Story()
    asked = story.unknown(0, Kind.BOOK, ANNA, slot="a-0")
    story.book(10, JAN, "a-0", "v1")
    story.cancel(20, JAN, "a-0", "v1")
    story.happens(asked, appointment="v2")
    assert story.rules() == []


def test_given_an_acknowledgement_without_a_fact_when_checked_then_it_is_lost() -> None:
    story = Story()
    story.ask(0, Kind.BOOK, ANNA, slot="a-0", result="v1")
    assert "an acknowledgement is lost" in story.rules()
    held = Story()
    held.ask(0, Kind.HOLD, ANNA, slot="a-0", result="h1")
    assert "an acknowledgement is lost" in held.rules()


@pytest.mark.parametrize("lost", [Kind.MOVE, Kind.CANCEL])
def test_given_a_change_without_a_fact_when_checked_then_no_moment_explains_it(lost: Kind) -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    told = {"slot": "a-60"} if lost is Kind.MOVE else {}
    story.ask(2, lost, ANNA, appointment="v1", result="v1", **told)
    assert story.rules() == ["an answer that no moment explains"]


@pytest.mark.parametrize("other", ["a-0", "a-there-0"])
def test_given_two_visits_of_a_doctor_at_a_time_when_checked_then_found(other: str) -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.book(0, JAN, other, "v2")
    assert story.rules() == ["a doctor is booked twice at a time"]


def test_given_two_visits_of_a_patient_at_a_time_when_checked_then_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.book(0, ANNA, "b-0", "v2")
    assert story.rules() == ["a patient is at two visits at a time"]


def test_given_an_eleventh_visit_when_checked_then_found() -> None:
    story = Story()
    for number in range(11):
        story.book(2 * number, ANNA, f"b-{120 + 15 * number}", f"v{number}")
    assert story.rules() == ["over the booking limit"]


def test_given_a_booking_over_anothers_hold_when_checked_then_found_while_the_hold_lives() -> None:
    story = Story()
    story.hold(0, ANNA, "a-0", "h1", lasts=10)
    story.book(5, JAN, "a-there-0", "v1")
    assert story.rules() == ["another's hold was not respected"]
    later = Story()
    later.hold(0, ANNA, "a-0", "h1", lasts=10)
    later.book(12, JAN, "a-there-0", "v1")
    assert later.rules() == []


def test_given_a_third_hold_when_checked_then_found() -> None:
    story = Story()
    for number, name in enumerate(("a-0", "a-60", "b-120")):
        story.hold(2 * number, ANNA, name, f"h{number}")
    assert story.rules() == ["over the limit of holds"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("slot-taken", {"slot": "a-0"}),
        ("patient-busy", {"slot": "b-0"}),
        ("booking-limit", {"slot": "b-0"}),
        ("hold-limit", {"slot": "b-0"}),
        ("slot-unknown", {"slot": "b-0"}),
        ("slot-taken", {"appointment": "v1"}),
    ],
)
def test_given_a_refusal_for_what_was_over_before_it_was_asked_when_checked_then_no_moment_explains_it(
    code: str, told: dict[str, str]
) -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.cancel(2, ANNA, "a-0", "v1")
    kind = Kind.HOLD if code == "hold-limit" else Kind.BOOK if "slot" in told else Kind.CANCEL
    story.refused(4, kind, ANNA, code, **told)
    assert story.rules() == ["a refusal that no moment explains"]


def test_given_a_refusal_while_the_slot_is_being_given_back_when_checked_then_it_is_well() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.cancel(2, ANNA, "a-0", "v1")
    story.refused(2.5, Kind.BOOK, JAN, "slot-taken", slot="a-0")
    assert story.rules() == []


def test_given_two_answers_in_turn_when_the_second_shows_an_earlier_state_then_found() -> None:
    # Each alone fits into the cancellation's second; in this order they contradict each other.
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    asked = story.ask(2, Kind.CANCEL, ANNA, appointment="v1", result="v1", until=9)
    story.happens(asked, before="a-0")
    story.ask(3, Kind.CANCEL, ANNA, appointment="v1", result="v1", until=4)
    story.refused(5, Kind.BOOK, JAN, "slot-taken", slot="a-0", until=6)
    assert story.rules() == ["a refusal that no moment explains"]


def test_given_a_visit_that_comes_back_after_its_cancellation_when_checked_then_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.cancel(2, ANNA, "a-0", "v1")
    story.move(4, ANNA, "a-0", "a-60", "v1")
    assert story.rules() == ["what does not stand was moved"]
    again = Story()
    again.book(0, ANNA, "a-0", "v1", key="k")
    again.cancel(2, ANNA, "a-0", "v1")
    again.ask(4, Kind.BOOK, ANNA, slot="a-0", result="v1")
    assert again.rules() == ["an answer that no moment explains"]


def test_given_a_repeat_after_an_unknown_outcome_when_both_happen_then_found() -> None:
    story = Story()
    first = story.unknown(0, Kind.BOOK, ANNA, slot="a-0", key="k")
    story.happens(first, appointment="v1")
    story.cancel(2, ANNA, "a-0", "v1")
    story.book(4, ANNA, "a-0", "v2", key="k")
    assert "a repeat happened again" in story.rules()


def test_given_a_late_repeat_when_it_is_answered_from_what_happened_first_then_it_is_well() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1", key="k")
    story.cancel(2, ANNA, "a-0", "v1")
    story.ask(4, Kind.BOOK, ANNA, slot="a-0", key="k", result="v1")
    assert story.rules() == []
    story.operations[-1] = replace(story.operations[-1], result="v2")
    assert story.rules() == ["acknowledged otherwise than it happened"]


def test_given_a_request_that_found_all_as_wished_when_its_repeat_is_decided_anew_then_it_is_well() -> None:
    story = Story()
    story.hold(0, ANNA, "a-0", "h1", lasts=5)
    story.ask(2, Kind.HOLD, ANNA, slot="a-0", key="k", result="h1")
    again = story.ask(8, Kind.HOLD, ANNA, slot="a-0", key="k", result="h2")
    story.happens(again, hold="h2", expires_at=EPOCH + 300)
    assert story.rules() == []


def test_given_one_request_with_two_effects_when_checked_then_found() -> None:
    story = Story()
    asked = story.unknown(0, Kind.BOOK, ANNA, slot="a-0")
    story.happens(asked, appointment="v1")
    story.cancel(2, ANNA, "a-0", "v1")
    story.happens(asked, appointment="v2")
    assert "one request happened twice" in story.rules()


def test_given_the_same_event_twice_when_checked_then_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.facts.append(replace(story.facts[0], position=11))
    assert "an event is there twice" in story.rules()


def test_given_an_effect_of_nobody_or_of_another_request_when_checked_then_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.facts[0] = replace(story.facts[0], slot="a-60")
    assert "an effect that nobody asked for" in story.rules()


def test_given_a_refused_request_with_an_effect_when_checked_then_found() -> None:
    story = Story()
    asked = story.refused(0, Kind.BOOK, ANNA, "slot-taken", slot="a-0")
    story.happens(asked, appointment="v1")
    assert story.rules() == ["it was refused and happened"]


def test_given_facts_in_another_order_than_they_were_asked_for_when_checked_then_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.book(5, JAN, "a-60", "v2")
    story.facts.reverse()
    assert story.rules() == ["the store's order contradicts real time"]


def test_given_a_move_that_left_its_old_time_taken_when_checked_then_the_refusal_has_no_moment() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.move(2, ANNA, "a-0", "a-60", "v1")
    story.refused(4, Kind.BOOK, JAN, "slot-taken", slot="a-0")
    assert story.rules() == ["a refusal that no moment explains"]


def test_given_a_hold_that_lives_when_it_is_said_to_be_over_then_found() -> None:
    story = Story()
    story.hold(0, ANNA, "a-0", "h1")
    story.refused(2, Kind.BOOK, ANNA, "hold-expired", slot="a-0", hold="h1")
    assert story.rules() == ["a refusal that no moment explains"]
    lapsed = Story()
    lapsed.hold(0, ANNA, "a-0", "h1", lasts=2)
    lapsed.refused(2, Kind.BOOK, ANNA, "hold-expired", slot="a-0", hold="h1")
    assert lapsed.rules() == []


def test_given_a_list_without_what_its_reader_was_told_when_checked_then_found() -> None:
    story = Story()
    story.book(0, ANNA, "a-0", "v1")
    story.ask(2, Kind.READ, ANNA, shown=())
    assert story.rules() == ["an answer that no moment explains"]
    # Another client has not been told: the view may not be as far yet.
    story.operations[-1] = replace(story.operations[-1], client=1)
    assert story.rules() == []


def test_given_an_answer_that_says_the_portal_failed_when_checked_then_found() -> None:
    story = Story()
    story.unknown(0, Kind.BOOK, ANNA, slot="a-0", code="500")
    assert story.rules() == ["the portal failed"]


def test_given_a_recorded_history_when_read_then_it_is_the_same(tmp_path: Path) -> None:
    story = Story()
    story.hold(0, ANNA, "a-0", "h1")
    story.ask(1, Kind.READ, ANNA, shown=("v1", "v2"))
    with Recorder(tmp_path / "history.jsonl", SLOTS.values()) as recorder:
        for operation in story.operations:
            recorder.note(operation)
    found = read_history(tmp_path / "history.jsonl")
    assert (found.slots, found.operations) == (SLOTS, story.operations)
