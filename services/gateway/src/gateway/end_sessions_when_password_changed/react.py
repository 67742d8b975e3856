"""Which sessions are over because the password is another one now?

Whoever changes a password through this gateway is answered after the sessions are gone; this is for the
gateway that died in between. Nothing is kept here: only how far identity's events have been followed.
"""

from collections.abc import Sequence
from typing import Any, Final

from portal_events.identity import PasswordChanged
from portal_events.topics import events_topic
from portal_eventstore.view import NO_ROWS, Projection, Received

# Begun at the same instant is begun before: only what goes on after this very change, or a later one, stays.
# Locked in one order, as everybody who ends several sessions does it.
_END: Final = """
with ended as (
    select s.digest
    from session s
    join unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) as change (account_id, at, position)
        on s.account_id = change.account_id
        and s.created_at <= change.at
        and s.password_position < change.position
    order by s.digest
    for update of s
)
delete from session using ended where session.digest = ended.digest
"""


async def apply(connection: Any, batch: Sequence[Received]) -> None:
    """End the sessions that began before the changes of a batch, in one statement."""
    changes = [
        (received.event.account_id, received.stored.time, received.stored.position)
        for received in batch
        if isinstance(received.event, PasswordChanged)
    ]
    if changes:
        await connection.execute(_END, *map(list, zip(*changes, strict=True)))


END_SESSIONS: Final = Projection(
    view="end_sessions_when_password_changed",
    topics=(events_topic("identity"),),
    events=(PasswordChanged,),
    table=NO_ROWS,
    apply=apply,
)
