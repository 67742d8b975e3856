"""Which request is this, seen across processes?

W3C Trace Context (https://www.w3.org/TR/trace-context/): a valid `traceparent` is continued, any other is
replaced. The trace id is also the correlation id of the events that a request causes.
"""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """One request in this process: `span_id` is its own, `trace_id` the whole chain's."""

    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        """Return the header for what this request causes elsewhere."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @property
    def correlation_id(self) -> UUID:
        """Return the trace id in the form that events carry."""
        return UUID(hex=self.trace_id)


_CURRENT: ContextVar[Trace | None] = ContextVar("portal_trace", default=None)


def continued(traceparent: str | None) -> Trace:
    """Continue the caller's trace, or begin a new one where the header is absent or malformed."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent is not None else None
    span_id = secrets.token_hex(8)
    # Version ff, an all-zero trace and an all-zero parent are invalid; version 00 has exactly four parts.
    if (
        found is None
        or traceparent is None
        or traceparent.startswith("ff")
        or (traceparent.startswith("00") and found[4] is not None)
        or not int(found[1], 16)
        or not int(found[2], 16)
    ):
        return Trace(secrets.token_hex(16), span_id)
    return Trace(found[1], span_id, found[3])


def enter(trace: Trace) -> None:
    """Make `trace` the current one of this task and of the tasks that it starts."""
    _CURRENT.set(trace)


def current_trace() -> Trace:
    """Return the current request's trace; outside a request, a new one that lasts for the task."""
    trace = _CURRENT.get()
    if trace is None:
        trace = continued(None)
        _CURRENT.set(trace)
    return trace
