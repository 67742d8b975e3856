"""What may a log line hold?

JSON on stdout: event, level, time, trace and request id, and what the caller of `structlog` names. Never a
body, a header, a query string or an exception's message (a driver puts the row's values there): of an
exception only its type and the places it went through.
"""

import contextlib
import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, BinaryIO, cast

import orjson
import structlog

from portal_chassis.trace import current_trace

_FRAMES = 30
_OURS = ("portal_chassis", "portal_eventstore", "portal_events", "uvicorn.error")


def configure_logging(service: str) -> None:
    """Send structlog and every library's logging through one JSON writer."""

    def name_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
        _add_trace,
        _summarise_exception,
    ]
    # Our own lines, one a request, go straight to stdout: through logging they would cost twice as much.
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Forgiving(sys.stdout.buffer))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries may put addresses and URLs into their INFO lines (httpx does); only ours are known not to.
    root.setLevel(logging.WARNING)
    for ours in (*_OURS, service):
        logging.getLogger(ours).setLevel(logging.INFO)


def exception_summary(error: BaseException) -> dict[str, Any]:
    """Return the type of `error` and of its causes, and the places it went through; no message."""
    types: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(types) < _FRAMES:
        types.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return {"types": types, "at": [f"{f.filename}:{f.lineno} {f.name}" for f in frames]}


class _Forgiving:
    """Loses lines rather than requests, when the disk is full or nobody reads any more."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, line: Any) -> int:
        """Write a line, if it can be written."""
        with contextlib.suppress(OSError):
            self._out.write(line)
        return len(line)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            self._out.flush()


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    trace = current_trace()
    event.setdefault("trace_id", trace.trace_id)
    event.setdefault("request_id", trace.span_id)
    return event


def _summarise_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    elif raised is not None and not isinstance(raised, BaseException):
        raised = sys.exc_info()[1]
    if isinstance(raised, BaseException):
        event["failure"] = exception_summary(raised)
    # ProcessorFormatter would otherwise render the record's own traceback, message included.
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        record.exc_info = None
        record.exc_text = None
    return event


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
