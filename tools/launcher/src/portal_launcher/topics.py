"""How does the launcher get its topics, and say why it does not?"""

from __future__ import annotations

from portal_launcher.faults import DID_NOT_START, Fault


async def create_topics(bootstrap_servers: str) -> None:
    """Create what is missing; raises Fault."""
    from portal_eventstore import topics  # noqa: PLC0415 - slow, and only needed here

    try:
        await topics.create_topics(bootstrap_servers)
    except topics.TopicsError as error:
        raise Fault(DID_NOT_START, str(error)) from error
