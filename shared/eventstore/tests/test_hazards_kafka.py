"""What do relay and views do when Kafka dies, forbids or forgets? (reliability: Kafka and consumers)"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from portal_events.stored import StoredEvent
from portal_events.topics import partition_for
from portal_eventstore.project import Projector
from portal_eventstore.relay.publish import Relay
from portal_eventstore.testing.kafka_log import Log, effects, following, opened_log
from portal_eventstore.testing.waiting import until

from .own_servers import own_kafka

pytestmark = pytest.mark.connected

_SUBJECT = uuid.UUID(int=1)
_AUTHORIZER = {
    "authorizer_class_name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow_everyone_if_no_acl_found": "true",
}
# As Kafka's protocol numbers them.
_TOPIC, _LITERAL, _ALL, _READ, _WRITE, _DENY, _ALLOW = 2, 3, 2, 3, 4, 2, 3


@asynccontextmanager
async def _relay(log: Log) -> AsyncIterator[Relay]:
    relay = Relay(database_url=log.database_url, owner=log.owner, bootstrap_servers=log.servers)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


def _events(log: Log, first: int, last: int) -> list[StoredEvent]:
    return [log.stored(position, _SUBJECT, position) for position in range(first, last + 1)]


async def _applied(log: Log, last: int) -> None:
    async def there() -> bool:
        return bool(await log.pool.fetchval("select max(last_position) = $1 from projection_position", last))

    await until(there, f"position {last} is applied")
    rows = await log.pool.fetch("select position from effect order by happened")
    assert [row["position"] for row in rows] == list(range(1, last + 1))


async def _told(who: Projector | Relay, words: str) -> None:
    async def told() -> bool:
        return words in str(who.problems())

    await until(told, f"“{words}” is told")


async def _well(who: Projector | Relay) -> None:
    async def well() -> bool:
        return who.problems() == []

    await until(well, "nothing is wrong any more")


async def test_given_kafka_is_killed_then_appends_go_on_the_backlog_shows_and_drains(
    log_url: str, tmp_path: Path
) -> None:
    async with (
        own_kafka(tmp_path) as (server, kafka),
        opened_log(log_url, kafka.bootstrap_servers, partitions=2) as log,
        _relay(log) as relay,
        following(log, effects(log.counted)) as view,
    ):
        await log.append(_SUBJECT, 0)
        await _applied(log, 1)
        await server.kill()
        for number in range(20):
            await log.append(_SUBJECT, number)
        await _told(relay, "20 events wait")
        await _told(view, "Kafka")
        await server.start()
        await _applied(log, 21)
        await _well(relay)


async def _forbid(admin: AIOKafkaAdminClient, topic: str, operation: int) -> None:
    acl = (_TOPIC, topic, _LITERAL, "User:ANONYMOUS", "*")
    await admin._send_request(CreateAclsRequest(*acl, _ALL, _ALLOW))
    await admin._send_request(CreateAclsRequest(*acl, operation, _DENY))


async def _allow(admin: AIOKafkaAdminClient, topic: str, operation: int) -> None:
    acl = (_TOPIC, topic, _LITERAL, "User:ANONYMOUS", "*")
    await admin._send_request(DeleteAclsRequest(*acl, operation, _DENY))


async def test_given_reading_is_forbidden_then_the_view_says_so_skips_nothing_and_goes_on_when_allowed(
    log_url: str, tmp_path: Path
) -> None:
    async with (
        own_kafka(tmp_path, **_AUTHORIZER) as (_, kafka),
        opened_log(log_url, kafka.bootstrap_servers, partitions=2) as log,
        following(log, effects(log.counted)) as view,
    ):
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        await admin.start()
        await log.publish(_events(log, 1, 10))
        await _applied(log, 10)
        await _forbid(admin, log.topic, _READ)
        await _told(view, "TopicAuthorizationFailedError")
        await log.publish(_events(log, 11, 20))
        assert await log.pool.fetchval("select count(*) from effect") == 10
        await _allow(admin, log.topic, _READ)
        await _applied(log, 20)
        await _well(view)
        await admin.close()


async def test_given_writing_is_forbidden_then_the_relay_is_blocked_and_drains_when_allowed(
    log_url: str, tmp_path: Path
) -> None:
    async with (
        own_kafka(tmp_path, **_AUTHORIZER) as (_, kafka),
        opened_log(log_url, kafka.bootstrap_servers, partitions=2) as log,
        _relay(log) as relay,
        following(log, effects(log.counted)),
    ):
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        await admin.start()
        await log.append(_SUBJECT, 0)
        await _applied(log, 1)
        await _forbid(admin, log.topic, _WRITE)
        for number in range(5):
            await log.append(_SUBJECT, number)
        await _told(relay, "TopicAuthorizationFailedError")
        await _told(relay, "5 events wait")
        assert await log.published() == 1
        await _allow(admin, log.topic, _WRITE)
        await _applied(log, 6)
        await _well(relay)
        await admin.close()


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=2) as log:
        yield log


async def test_given_a_topic_that_was_made_anew_and_is_shorter_then_the_view_stops(log: Log) -> None:
    async with following(log, effects(log.counted)):
        await log.publish(_events(log, 1, 10))
        await _applied(log, 10)
    admin = AIOKafkaAdminClient(bootstrap_servers=log.servers)
    await admin.start()
    await admin.delete_topics([log.topic])

    async def made() -> bool:
        # Kafka deletes in its own time; until then the name is taken.
        answer = await admin.create_topics([NewTopic(log.topic, log.partitions, 1)])
        return bool(answer.topic_errors[0][1] == 0)

    await until(made, "the topic is there again")
    await admin.close()
    await log.publish(_events(log, 11, 13))
    place = f"{log.topic}/{partition_for(str(_SUBJECT).encode(), log.partitions)} goes on at offset 10"
    async with following(log, effects(log.counted)) as view:
        await _told(view, f"{place}, but Kafka holds 0 to 3")
    assert await log.pool.fetchval("select count(*) from effect") == 10


async def test_given_somebody_moved_the_committed_offsets_then_nothing_changes(log: Log) -> None:
    async with following(log, effects(log.counted)):
        await log.publish(_events(log, 1, 10))
        await _applied(log, 10)
    await log.publish(_events(log, 11, 20))
    tool = AIOKafkaConsumer(
        bootstrap_servers=log.servers, group_id=f"{log.owner}.effects", enable_auto_commit=False
    )
    await tool.start()
    partition = TopicPartition(log.topic, partition_for(str(_SUBJECT).encode(), log.partitions))
    tool.assign([partition])
    await tool.commit({partition: 20})
    await tool.stop()
    async with following(log, effects(log.counted)):
        await _applied(log, 20)
