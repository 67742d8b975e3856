"""How does a client learn that, and why, something was refused or went wrong?

RFC 9457 problem documents: `type` is `/problems/<code>`. `instance` names the occurrence by its trace id, so
that nothing of the request, which may be personal, is repeated. A 500 says no more than that.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, get_args

import asyncpg
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType
from starlette.exceptions import HTTPException
from starlette.responses import Response

from portal_chassis.logs import exception_summary
from portal_chassis.trace import current_trace
from portal_eventstore.decision import Malformed, Refusal, StoreUnavailable

MEDIA_TYPE: Final = "application/problem+json"

_DATABASE_GONE: Final[tuple[type[Exception], ...]] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection ended while idle, before the driver noticed
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # The database, or its role, is gone: somebody restores it.
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.UndefinedTableError,  # a view that was dropped and is being built anew
    OSError,  # the connection's own, and time-outs
)

_BUILT_IN: Final = frozenset(get_args(ErrorType))
_DETAILS: Final = {
    "missing": "This field is required",
    "extra-forbidden": "This field is not known",
    "string-type": "This must be text",
    "json-invalid": "This is not JSON",
}
# A member's name that is safe to repeat in a pointer: what a client may have made up is not.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

_log = structlog.get_logger()

_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body"},
                    "parameter": {"type": "string", "description": "where it is no part of the body"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a request; `detail` never repeats the input. `parameter`: of the query, path or header."""

    pointer: str
    code: str
    detail: str
    parameter: str | None = None


class Invalid(Malformed):
    """The request has faults, each named in `errors`."""

    code = "invalid"
    title = "The request is not valid"

    def __init__(self, errors: Sequence[FieldError] = ()) -> None:
        """Take the faults, in the order of the fields."""
        super().__init__()
        self.errors = tuple(errors)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer refusals, faults of requests, HTTP errors and an absent database as problem documents.

    What nobody foresaw is answered by RequestMiddleware (requests.py), which `create_app` installs.
    """
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http_error)
    for error in _DATABASE_GONE:
        app.add_exception_handler(error, _database_gone)


def problems(*refusals: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Describe an endpoint's refusals for `responses=`; 422 `invalid` is possible wherever 422 is."""
    listed: dict[int, dict[str, type[Refusal]]] = {}
    for refusal in refusals:
        listed.setdefault(refusal.status, {})[refusal.code] = refusal
    if Invalid.status in listed:
        listed[Invalid.status].setdefault(Invalid.code, Invalid)
    return {
        status: {
            "description": "; ".join(f"{code}: {r.title}" for code, r in sorted(by_code.items())),
            "content": {
                MEDIA_TYPE: {
                    "schema": _SCHEMA,
                    "examples": {
                        code: {"value": {"type": f"/problems/{code}", "title": r.title, "status": status}}
                        for code, r in sorted(by_code.items())
                    },
                }
            },
        }
        for status, by_code in sorted(listed.items())
    }


def problem_response(
    code: str,
    title: str,
    status: int,
    *,
    detail: str | None = None,
    errors: Sequence[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    """Write one problem document; `extensions` are members of this problem type's own (RFC 9457, 3.2)."""
    document: dict[str, Any] = {"type": f"/problems/{code}", "title": title, "status": status}
    if detail is not None:
        document["detail"] = detail
    document["instance"] = f"urn:uuid:{current_trace().correlation_id}"
    if errors is not None:
        document["errors"] = [_fault(error) for error in errors]
    document.update(extensions or {})
    return Response(orjson.dumps(document), status, dict(headers or {}), MEDIA_TYPE)


def refusal_response(refusal: Refusal) -> Response:
    """Write the problem document of a refusal; `retry_after` (seconds) becomes its header.

    `extensions`, where the refusal has them, are members of its problem type's own.
    """
    headers: dict[str, str] = {}
    retry_after = getattr(refusal, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1
    errors = refusal.errors if isinstance(refusal, Invalid) else None
    return problem_response(
        refusal.code,
        refusal.title,
        refusal.status,
        detail=refusal.detail,
        errors=errors,
        headers=headers,
        extensions=getattr(refusal, "extensions", None),
    )


def internal_error_response() -> Response:
    """Write the answer to a fault of ours: where to look it up, and nothing about it."""
    trace_id = current_trace().trace_id
    return problem_response(
        "internal-error", "Something went wrong on our side", 500, extensions={"traceId": trace_id}
    )


def field_errors(errors: Sequence[ErrorDetails]) -> list[FieldError]:
    """Turn pydantic's findings into ours.

    Only custom errors (PydanticCustomError, with a code of our own) speak for themselves: the library's own
    messages may quote the input.
    """
    return [_field_error(error) for error in errors]


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a place in the body."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _field_error(error: ErrorDetails) -> FieldError:
    place, *path = error["loc"] or ("body",)
    kind = error["type"]
    if kind in _BUILT_IN or kind == "json_invalid":
        code = kind.replace("_", "-")
        detail = _DETAILS.get(code, "This value is not valid")
    else:
        code, detail = kind, error["msg"]
    if code == "json-invalid":
        path = []
    # The name of an unknown field is the client's own text: beyond a plain name, point at what holds it.
    while path and isinstance(path[-1], str) and not _PLAIN_NAME.fullmatch(path[-1]):
        path.pop()
    if place == "body":
        return FieldError(pointer(*path), code, detail)
    return FieldError("", code, detail, parameter=str(path[0]) if path else None)


def _fault(error: FieldError) -> dict[str, str]:
    fault = {"pointer": error.pointer, "code": error.code, "detail": error.detail}
    if error.parameter is not None:
        fault["parameter"] = error.parameter
    return fault


async def _refused(_: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return refusal_response(refusal)


async def _not_valid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return refusal_response(Invalid(field_errors(error.errors())))


async def _database_gone(_: Request, error: Exception) -> Response:
    _log.warning("database unavailable", failure=exception_summary(error))
    return refusal_response(StoreUnavailable())


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    title = HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "-").replace("'", "")
    # The exception's own detail is left out: a library may put part of the request there.
    return problem_response(code, title, error.status_code, headers=error.headers)
