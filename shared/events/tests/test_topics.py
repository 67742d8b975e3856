from collections import Counter
from uuid import UUID

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from portal_events.topics import OWNERS, TOPICS, events_topic, parked_topic, partition_for


@given(key=st.binary(max_size=80), partitions=st.integers(1, 64))
def test_given_any_key_then_the_partition_of_kafkas_default_partitioner(key: bytes, partitions: int) -> None:
    everyone = list(range(partitions))
    assert partition_for(key, partitions) == DefaultPartitioner()(key, everyone, everyone)


# org.apache.kafka.common.utils.UtilsTest: murmur2 of known strings
@pytest.mark.parametrize(
    ("key", "hash_"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_given_kafkas_own_vectors_then_the_same_hash(key: bytes, hash_: int) -> None:
    assert partition_for(key, 2**31) == hash_ & 0x7FFFFFFF


def test_given_many_patients_then_they_spread_over_all_partitions() -> None:
    counts = Counter(partition_for(str(UUID(int=n)).encode(), 12) for n in range(12_000))
    assert sorted(counts) == list(range(12))
    assert min(counts.values()) > 800


def test_given_the_topics_then_events_are_kept_for_ever_and_keys_compacted() -> None:
    events = {f"{owner}.events" for owner in OWNERS}
    assert set(TOPICS) == {*events, *(f"{topic}.parked" for topic in events), "patient.keys"}
    assert {config.partitions for config in TOPICS.values()} == {12}
    assert TOPICS["booking.events"].configs["retention.ms"] == "-1"
    assert TOPICS["booking.events"].configs["cleanup.policy"] == "delete"
    assert TOPICS["patient.keys"].configs == {"cleanup.policy": "compact"}


def test_given_an_owner_then_its_topic_and_where_its_records_are_parked() -> None:
    assert events_topic("booking") == "booking.events"
    assert parked_topic("booking.events") == "booking.events.parked"
