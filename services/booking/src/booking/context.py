"""What does a decision get to know of the request that it answers?"""

from datetime import datetime

from portal_chassis.access import PatientCaller
from portal_chassis.trace import current_trace
from portal_eventstore.command import Context, Request


def context_of(
    caller: PatientCaller, now: datetime, *, request: Request | None = None, key: bytes | None = None
) -> Context:
    """Return the context of a patient's own command; `key` is the patient's data key."""
    trace = current_trace()
    return Context(
        time=now,
        actor=str(caller.account_id),
        correlation_id=trace.correlation_id,
        request=request,
        key=key,
        traceparent=trace.traceparent,
    )
