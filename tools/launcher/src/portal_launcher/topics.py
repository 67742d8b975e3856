"""Which Kafka topics exist before the first service starts?"""

from __future__ import annotations

import asyncio
import time

from portal_launcher.faults import DID_NOT_START, Fault


async def create_topics(bootstrap_servers: str, *, within: float = 30.0) -> None:
    """Create every topic of the published language that is missing; existing ones stay as they are.

    Three copies where the cluster has three brokers, else as many as there are brokers.
    """
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415 - slow, and only needed here
    from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code  # noqa: PLC0415

    from portal_events.topics import TOPICS  # noqa: PLC0415

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
                raise Fault(
                    DID_NOT_START, f"The topics could not be created at {bootstrap_servers}: {error}"
                ) from error
            await asyncio.sleep(0.3)
        else:
            return
        finally:
            await admin.close()
