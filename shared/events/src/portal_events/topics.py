"""Which Kafka topics exist, how is each kept, and where in one does a key stand?"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

PARTITIONS = 12
"""Chosen once, generously: a key's partition must never change."""

OWNERS = ("booking", "identity")
"""Services that publish events, each to its own topic."""

PATIENT_KEYS = "patient.keys"
"""Wrapped data keys, keyed by patient id; compacted, so that a tombstone erases."""


@dataclass(frozen=True)
class TopicConfig:
    """Partitions and broker settings of one topic."""

    partitions: int
    configs: Mapping[str, str]


def events_topic(owner: str) -> str:
    """Return the topic that `owner` publishes its events to."""
    return f"{owner}.events"


def parked_topic(topic: str) -> str:
    """Return the topic that shows records of `topic` which a view could not apply."""
    return f"{topic}.parked"


_FOREVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}

TOPICS: Mapping[str, TopicConfig] = {
    **{events_topic(owner): TopicConfig(PARTITIONS, _FOREVER) for owner in OWNERS},
    **{parked_topic(events_topic(owner)): TopicConfig(PARTITIONS, _FOREVER) for owner in OWNERS},
    PATIENT_KEYS: TopicConfig(PARTITIONS, {"cleanup.policy": "compact"}),
}


@lru_cache(maxsize=65_536)
def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's default partitioner gives `key`."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    # org.apache.kafka.common.utils.Utils.murmur2: MurmurHash2, little-endian, with Kafka's seed.
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    words, rest = divmod(len(data), 4)
    hash_ = 0x9747B28C ^ len(data)
    for (word,) in struct.iter_unpack("<I", data[: words * 4]):
        mixed = word * multiplier & mask
        mixed = (mixed ^ mixed >> 24) * multiplier & mask
        hash_ = hash_ * multiplier & mask ^ mixed
    if rest:
        hash_ = (hash_ ^ int.from_bytes(data[words * 4 :], "little")) * multiplier & mask
    hash_ = (hash_ ^ hash_ >> 13) * multiplier & mask
    return hash_ ^ hash_ >> 15
