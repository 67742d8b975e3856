"""Does the position vector survive its way, and does foreign text never become one?"""

import base64
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_chassis.positions import decode, encode, merge, of_outcome
from portal_events.testing import signed_up
from portal_events.topics import PARTITIONS, partition_for
from portal_eventstore.command import Outcome

PATIENT = UUID("019a0000-0000-7000-8000-000000000002")
ACCOUNT = signed_up(PATIENT)

vectors = st.dictionaries(
    st.tuples(st.sampled_from(["booking.events", "identity.events"]), st.integers(0, PARTITIONS - 1)),
    st.integers(0, 2**63 - 1),
)


def token(content: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


@given(vectors)
def test_given_a_vector_when_encoded_and_decoded_then_it_is_the_same(
    vector: dict[tuple[str, int], int],
) -> None:
    assert decode(encode(vector)) == vector


@given(vectors, vectors)
def test_given_two_vectors_when_merged_then_neither_is_ahead_of_the_result(
    one: dict[tuple[str, int], int], other: dict[tuple[str, int], int]
) -> None:
    merged = merge(one, other)
    assert set(merged) == {*one, *other}
    assert all(merged[place] == max(one.get(place, 0), other.get(place, 0)) for place in merged)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "%%%",
        "a",
        "ąę",
        "AAAA",
        token([]),
        token("x"),
        token({"booking.events": 1}),
        token({"booking.events": {"x": 1}}),
        token({"booking.events": {"12": 1}}),
        token({"booking.events": {"-1": 1}}),
        token({"booking.events": {"0": -1}}),
        token({"booking.events": {"0": 2**63}}),
        token({"booking.events": {"0": True}}),
        token({"booking.events": {"0": "1"}}),
        token({"booking.events": {"0": None}}),
        token({"Robert'); drop table": {"0": 1}}),
        token({"booking.events": {"0": 1}, "": {"0": 1}}),
        encode({("booking.events", n): 1 for n in range(PARTITIONS)}) * 100,
    ],
)
def test_given_a_malformed_token_when_decoded_then_it_is_empty(text: str | None) -> None:
    assert decode(text) == {}


@given(st.text())
def test_given_any_text_when_decoded_then_nothing_is_raised(text: str) -> None:
    decode(text)


def test_given_an_outcome_when_asked_where_then_the_highest_position_of_the_subjects_partition() -> None:
    outcome: Outcome[None] = Outcome(
        events=(ACCOUNT, ACCOUNT), ids=(PATIENT, PATIENT), positions=(7, 8), state=None
    )
    partition = partition_for(str(PATIENT).encode(), PARTITIONS)
    assert of_outcome("identity", outcome) == {("identity.events", partition): 8}


def test_given_nothing_appended_when_asked_where_then_nowhere() -> None:
    assert of_outcome("identity", Outcome(events=(), ids=(), positions=(), state=None)) == {}
