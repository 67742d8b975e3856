"""In which context does identity decide? Within the request, or whatever else is being traced."""

from datetime import datetime

from portal_chassis.trace import current_trace
from portal_eventstore.command import Context, Request


def command_context(
    *, now: datetime, actor: str, key: bytes | None = None, request: Request | None = None
) -> Context:
    """Return the context of a command; `actor` is an account id or `system:<name>`."""
    trace = current_trace()
    return Context(
        time=now,
        actor=actor,
        correlation_id=trace.correlation_id,
        request=request,
        key=key,
        traceparent=trace.traceparent,
    )
