"""Which Kafka topics exist before the first service starts?

`python -m portal_eventstore.topics` makes them at KAFKA_BOOTSTRAP_SERVERS.
"""

import asyncio
import os
import sys
import time

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from portal_events.topics import TOPICS

_POLL_SECONDS = 0.3


class TopicsError(Exception):
    """The topics could not be made; one sentence says where and why."""


async def create_topics(bootstrap_servers: str, *, within: float = 30.0) -> None:
    """Create every topic of the published language that is missing; existing ones stay as they are.

    Three copies where the cluster has three brokers, else as many as there are brokers.
    """
    deadline = time.monotonic() + within
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=10_000)
        try:
            await admin.start()
            present = set(await admin.list_topics())
            replication = min(3, len((await admin.describe_cluster())["brokers"]))
            wanted = [
                NewTopic(name, topic.partitions, replication, topic_configs=dict(topic.configs))
                for name, topic in TOPICS.items()
                if name not in present
            ]
            if wanted:
                answer = await admin.create_topics(wanted)
                for name, code, *_ in answer.topic_errors:
                    fault = for_code(code)
                    if code != 0 and fault is not TopicAlreadyExistsError:
                        raise fault(f"topic {name}")
        except (KafkaError, OSError) as error:
            passing = isinstance(error, OSError) or error.retriable
            if not passing or time.monotonic() > deadline:
                raise TopicsError(
                    f"The topics could not be created at {bootstrap_servers}: {error}"
                ) from error
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return
        finally:
            await admin.close()


if __name__ == "__main__":
    try:
        asyncio.run(create_topics(os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")))
    except TopicsError as failed:
        sys.exit(str(failed))
