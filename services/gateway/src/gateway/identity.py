"""How is identity asked about a person, and its word understood?

It knows accounts and passwords, and refuses; the gateway passes bodies on unread.
"""

from datetime import datetime
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from gateway.edge.client import client_address
from gateway.edge.session import Session
from gateway.edge.signed_in import caller_of
from gateway.upstream import Answer, Ask, ServiceFailed, Upstream
from portal_chassis.positions import HEADER, Positions, encode

M = TypeVar("M", bound=BaseModel)


class FromIdentity(BaseModel):
    """What identity says; of it only what is declared goes out."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)


async def _identity(request: Request) -> Upstream:
    upstreams: dict[str, Upstream] = request.app.state.upstreams
    return upstreams["identity"]


Identity = Annotated[Upstream, Depends(_identity)]


async def passed_on(
    request: Request, method: str, path: str, now: datetime, session: Session | None = None
) -> Ask:
    """Return the question that passes the request's body on, from a visitor or from whose session it is."""
    return Ask(
        method,
        path,
        None if session is None else caller_of(session, request),
        now,
        headers=request.headers,
        body=await request.body(),
        client_address=client_address(request),
    )


def understood(model: type[M], answer: Answer) -> M:
    """Read a success; raises ServiceFailed where it is not what was agreed."""
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        # Not `from` it: what identity said is personal.
        raise ServiceFailed from None


def answered(body: Any, positions: Positions, status: int = 200) -> Response:
    """Answer in JSON, with what identity wrote."""
    text = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    return Response(text, status, told(positions), "application/json")


def told(positions: Positions) -> dict[str, str]:
    """Return the header that says what was written."""
    return {HEADER: encode(positions)} if positions else {}
