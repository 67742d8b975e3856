"""Is this request a repeat of one that was already answered?

The client's Idempotency-Key becomes an opaque tag and the body an opaque hash, both HMACs: keys and bodies
may hold anything, even a password. Which scope a key has (actor, route) is part of the tag.
"""

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, overload

import orjson
from fastapi import Depends, Header
from fastapi import Request as HttpRequest

from portal_chassis.settings import read_key
from portal_eventstore.command import Request
from portal_eventstore.decision import Malformed

MAX_KEY: Final = 128


class IdempotencyKeyMissing(Malformed):
    """A write that must be repeatable came without the client's key."""

    code = "idempotency-key-missing"
    title = "The Idempotency-Key header is required here"


class IdempotencyKeyTooLong(Malformed):
    """The client's key is over 128 characters."""

    code = "idempotency-key-too-long"
    title = f"An Idempotency-Key has at most {MAX_KEY} characters"


class RequestKeys:
    """Makes Idempotency-Keys opaque, under the service's own request key."""

    def __init__(self, key_file: Path) -> None:
        """Read the key: 32 bytes, base64url."""
        self._key = read_key(key_file)

    @overload
    def request(self, *, actor: str, route: str, key: str, body: bytes | Mapping[str, Any]) -> Request: ...

    @overload
    def request(
        self, *, actor: str, route: str, key: str | None, body: bytes | Mapping[str, Any]
    ) -> Request | None: ...

    def request(
        self, *, actor: str, route: str, key: str | None, body: bytes | Mapping[str, Any]
    ) -> Request | None:
        """Return the opaque request, or None without a key. A mapping is hashed by content, not by layout."""
        if key is None:
            return None
        text = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
        return Request(
            tag=f"request:v1:{self._mac(b'key', actor.encode(), route.encode(), key.encode())}",
            body_hash=f"v1:{self._mac(b'body', text)}",
        )

    def _mac(self, *parts: bytes) -> str:
        # Lengths stand before the parts, so that no two lists of parts look the same.
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


async def _optional_key(
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> str | None:
    if idempotency_key and len(idempotency_key) > MAX_KEY:
        raise IdempotencyKeyTooLong
    return idempotency_key or None


OptionalIdempotencyKey = Annotated[str | None, Depends(_optional_key)]
"""The Idempotency-Key header, where a repeat does no harm without it; 422 when it is too long."""


async def _required_key(idempotency_key: OptionalIdempotencyKey) -> str:
    if idempotency_key is None:
        raise IdempotencyKeyMissing
    return idempotency_key


IdempotencyKey = Annotated[str, Depends(_required_key)]
"""The Idempotency-Key header; 422 when it is missing or too long."""


async def _request_keys(request: HttpRequest) -> RequestKeys:
    keys: RequestKeys = request.app.state.request_keys
    return keys


CurrentRequestKeys = Annotated[RequestKeys, Depends(_request_keys)]
"""The service's RequestKeys, from `app.state.request_keys`."""
