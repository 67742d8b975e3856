"""What does the public OpenAPI document say?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from portal_chassis.idempotency import MAX_KEY, IdempotencyKeyMissing
from portal_chassis.problems import MEDIA_TYPE, Invalid, problems
from portal_contract.operations import PREFIX, Operation, PublicOperation, Refused
from portal_contract.schemas import SchemaNames

JSON: Final = "application/json"
READ: Final = "GET"

DESCRIPTION: Final = """\
Names are camelCase, ids are opaque, instants are RFC 3339 in UTC, with the wall clock's zone beside them
where a person reads them. Lists are `{"items": [...], "next": cursor or null}`.

Errors are `application/problem+json` (RFC 9457); `/problems/<code>` explains each code to people. Beside what
an operation lists, every one may answer 500 `internal-error` and, to a body that is not UTF-8, 400
`bad-request`; every address may answer 404 `not-found` and 405 `method-not-allowed`.

A session is a cookie that `POST /api/accounts` or `POST /api/sessions` sets: `portal` over http on this
machine, `__Host-portal` over https. Writes need the header `X-Portal-CSRF: 1`; a foreign `Origin` is refused.

Every answer to a write carries `Portal-Position`; a read that sends it back sees that write, or says
`Portal-Stale: true` when it could not within 2 seconds. The same header stands on an answer whose view was
last complete more than ten seconds ago; `Portal-Fresh-At` beside it says up to when it is complete.
"""

TAGS: Final = {
    "accounts": "Create an account",
    "sessions": "Sign in and out, see and end one's sessions",
    "me": "The own account: who one is, what the level allows, changes",
    "password-resets": "A new password by a link sent by e-mail",
    "email-confirmations": "Confirm an e-mail address by a link",
    "catalogue": "Services, facilities and doctors of the network",
    "slots": "Search free slots",
    "holds": "Keep a slot for five minutes while deciding",
    "appointments": "Book, list, cancel and move",
    "timeline": "What is planned and what has been, live",
}
"""The rooms, in the order in which a person enters them: the first part of a path after /api."""

SEEN_LATER: Final = frozenset({"slots", "appointments", "timeline"})
"""Rooms whose reads come from views, which follow the writes."""

PARAMETERS: Final = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
        "description": "Made by the client; for 24 hours the same key and body get the same answer",
    },
    "OptionalIdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
        "description": "Made by the client; for 24 hours the same key and body get the same answer",
    },
    "PortalPosition": {
        "name": "Portal-Position",
        "in": "header",
        "schema": {"type": "string"},
        "description": "The newest one that was received: this answer is to have seen what it stands for",
    },
}

HEADERS: Final = {
    "PortalPosition": {
        "schema": {"type": "string"},
        "description": "Opaque; send it with the next request to see this write",
    },
    "PortalStale": {
        "schema": {"type": "string", "const": "true"},
        "description": "There when the view had not yet seen the position that was sent, or does not keep up",
    },
    "PortalFreshAt": {
        "schema": {"type": "string", "format": "date-time"},
        "description": "Beside Portal-Stale: everything up to then is in the answer",
    },
    "RetryAfter": {"schema": {"type": "integer"}, "description": "Seconds to wait before trying again"},
}

SECURITY: Final = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "portal",
        "description": "Over https its name is `__Host-portal`",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Portal-CSRF",
        "description": "`1`: shows that the portal's own pages, or a program, send the request",
    },
}


def document(operations: Iterable[PublicOperation]) -> dict[str, Any]:
    """Build the whole document."""
    listed = tuple(operations)
    refusals = meanings(listed)
    names = SchemaNames()
    names.components["Problem"] = problems(Invalid)[Invalid.status]["content"][MEDIA_TYPE]["schema"]
    paths: dict[str, dict[str, Any]] = {}
    for one in listed:
        if room(one.path) not in TAGS:
            raise ValueError(f"TAGS does not say what {room(one.path)} is for")
        paths.setdefault(one.path, {})[one.method.lower()] = described(one, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Patient Portal", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(names.components.items())),
            "examples": {code: {"value": example(refused)} for code, refused in sorted(refusals.items())},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def described(one: PublicOperation, names: SchemaNames) -> dict[str, Any]:
    """Describe one operation."""
    source = one.asked if one.forwarded and one.asked is not None else one.own
    operation_id = camel(str(source.description["summary"]))
    summary, _, rest = str(source.description.get("description", "")).partition("\n\n")
    written: dict[str, Any] = {
        "operationId": operation_id,
        "tags": [room(one.path)],
        "summary": " ".join(summary.split()),
    }
    if rest:
        written["description"] = rest
    written["security"] = security(one)
    written["parameters"] = parameters(one, names, operation_id)
    for reader in (one.own, one.asked):
        if reader is not None and "requestBody" in reader.description:
            content = reader.description["requestBody"]["content"]
            name = f"{upper(operation_id)}Request"
            content = media_types(content, reader, names, operation_id, name)
            written["requestBody"] = {"required": True, "content": content}
    written["responses"] = {**successes(one, source, names, operation_id), **refused(one.refusals.values())}
    return written


def parameters(one: PublicOperation, names: SchemaNames, operation_id: str) -> list[dict[str, Any]]:
    """List what an operation reads beside its body: of the path, of the query, of headers."""
    in_path = [{"name": name, "in": "path", "required": True} for name in re.findall(r"\{(\w+)\}", one.path)]
    known = {p["name"]: p for p in one.own.parameters}
    if one.forwarded and one.asked is not None:
        # The same places under the service's own names.
        theirs = re.findall(r"\{(\w+)\}", one.asked.path)
        by_name = {p["name"]: p for p in one.asked.parameters}
        known |= {ours["name"]: by_name[name] for ours, name in zip(in_path, theirs, strict=True)}
        known |= {name: p for name, p in by_name.items() if p["in"] != "path"}
    schemas = (one.asked or one.own).schemas
    listed: list[dict[str, Any]] = []
    for parameter in [*in_path, *(p for p in known.values() if p["in"] != "path")]:
        found = {**known.get(str(parameter["name"]), {}), **parameter}
        shown = ("name", "in", "required", "description")
        described: dict[str, Any] = {key: value for key, value in found.items() if key in shown}
        schema = names.add(found.get("schema", {"type": "string"}), schemas, operation_id)
        listed.append({**described, "schema": schema})
    if one.takes_key:
        required = IdempotencyKeyMissing.code in one.refusals
        listed.append(reference("parameters", "IdempotencyKey" if required else "OptionalIdempotencyKey"))
    return [*listed, reference("parameters", "PortalPosition")]


def successes(
    one: PublicOperation, source: Operation, names: SchemaNames, operation_id: str
) -> dict[str, Any]:
    """Describe the answers that are no refusal."""
    found: dict[str, Any] = {}
    for status, response in source.description["responses"].items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            continue
        content = response.get("content", {})
        if content == {JSON: {"schema": {}}}:
            # Of what was merely accepted there is nothing to say yet.
            if int(status) != HTTPStatus.ACCEPTED:
                raise ValueError(f"{one.method} {one.path} does not say what it answers: response_model")
            content = {}
        answer: dict[str, Any] = {"description": HTTPStatus(int(status)).phrase}
        headers = dict(response.get("headers", {}))
        if one.method != READ:
            headers["Portal-Position"] = reference("headers", "PortalPosition")
        elif JSON in content and room(one.path) in SEEN_LATER:
            headers["Portal-Stale"] = reference("headers", "PortalStale")
            headers["Portal-Fresh-At"] = reference("headers", "PortalFreshAt")
        if headers:
            answer["headers"] = headers
        if content:
            answer["content"] = media_types(content, source, names, operation_id)
        found[status] = answer
    return found


def refused(refusals: Iterable[Refused]) -> dict[str, Any]:
    """Describe the refusals, by status."""
    found: dict[str, Any] = {}
    for one in sorted(refusals, key=lambda refused: (refused.status, refused.code)):
        answer = found.setdefault(
            str(one.status),
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": reference("schemas", "Problem"), "examples": {}}},
            },
        )
        answer["content"][MEDIA_TYPE]["examples"][one.code] = reference("examples", one.code)
        answer["description"] = ", ".join(answer["content"][MEDIA_TYPE]["examples"])
        if one.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            answer["headers"] = {"Retry-After": reference("headers", "RetryAfter")}
    return found


def security(one: PublicOperation) -> list[dict[str, list[str]]]:
    """Say what a client must show: a session, our own pages' header, both, or nothing."""
    shown: dict[str, list[str]] = {"session": []} if one.needs_session else {}
    return [shown if one.method == READ else {**shown, "csrf": []}]


def meanings(operations: Iterable[PublicOperation]) -> dict[str, Refused]:
    """Map each code to what it means, which is the same everywhere."""
    found: dict[str, Refused] = {}
    for one in operations:
        for refusal in one.refusals.values():
            if found.setdefault(refusal.code, refusal) != refusal:
                raise ValueError(f"{refusal.code} means two things: {refusal} and {found[refusal.code]}")
    return found


def example(refusal: Refused) -> dict[str, Any]:
    """Write a refusal as it looks."""
    value: dict[str, Any] = {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "instance": "urn:uuid:0193588a-7a00-7000-8000-000000000000",
    }
    if refusal.code == Invalid.code:
        value["errors"] = [{"pointer": "/email", "code": "missing", "detail": "This field is required"}]
    return value


def media_types(
    content: Mapping[str, Any],
    owner: Operation,
    names: SchemaNames,
    operation_id: str,
    name: str = "",
) -> dict[str, Any]:
    """Bring the schemas of a body under the document's names."""
    return {
        media_type: {"schema": names.add(described["schema"], owner.schemas, operation_id, name)}
        for media_type, described in content.items()
    }


def reference(kind: str, name: str) -> dict[str, str]:
    """Refer to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def room(path: str) -> str:
    """Return the room that a path leads into."""
    return path.removeprefix(PREFIX).split("/")[1]


def camel(summary: str) -> str:
    """Make an operation's id of its endpoint's name, as FastAPI spells it out."""
    first, *others = summary.split()
    return first.lower() + "".join(others)


def upper(operation_id: str) -> str:
    """Make a class's name of an operation's id."""
    return operation_id[:1].upper() + operation_id[1:]
