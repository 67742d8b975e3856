"""Who is calling, and how does a service know?

The gateway signs a short-lived token (JWT, Ed25519: RFC 8037, RFC 9864) for one service; the service verifies
it. Only that algorithm is accepted: `none` and HS256 with the public key are forgeries.

The signature binds who calls, in which roles, what they have seen, for which service and until when; nothing
of the request. So the gateway sends a token again for the same caller for some seconds, having looked at the
session each time, and a service remembers what it has verified until the token ends: whoever could read one
token could use it for as long in either case.

An app that uses `CurrentCaller` keeps its TokenVerifier in `app.state.token_verifier` and a clock in
`app.state.clock`.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jwt import JWTClaimsRegistry

from portal_chassis.clock import CurrentTime
from portal_chassis.positions import HEADER, Positions, decode, encode, merge
from portal_eventstore.decision import Forbidden, Refusal

LIFETIME_SECONDS: Final = 30
SENT_AGAIN_SECONDS: Final = 15
"""For so long a token is sent again: what is left of its life covers any request's way."""

_ALGORITHM: Final = "Ed25519"
_ISSUER: Final = "gateway"
_MAX_TOKEN: Final = 8192
_CLOCK_SKEW_SECONDS: Final = 5
_REMEMBERED: Final = 10_000


class NotSignedIn(Refusal):
    """There is no valid token: absent, forged, expired, or meant for another service."""

    code = "not-signed-in"
    title = "Sign in first"
    status = 401


class PatientOnly(Forbidden):
    """The account belongs to no patient."""

    code = "patient-only"
    title = "Only a patient can do this"


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they have already seen. `patient_id` is None for staff."""

    account_id: UUID
    patient_id: UUID | None
    roles: tuple[str, ...]
    positions: Positions


@dataclass(frozen=True)
class PatientCaller(Caller):
    """A caller who is a patient."""

    patient_id: UUID


class TokenSigner:
    """Signs callers' tokens: the gateway's side."""

    def __init__(self, private_key_file: Path) -> None:
        """Read the Ed25519 private key, PEM (PKCS8)."""
        self._key = OKPKey.import_key(private_key_file.read_bytes())
        if not self._key.is_private:
            raise ValueError(f"{private_key_file} holds no private key")
        self._signed: OrderedDict[tuple[object, ...], tuple[str, int]] = OrderedDict()

    def sign(self, caller: Caller, *, audience: str, now: datetime) -> str:
        """Return a token that the service `audience` accepts for 15 to 30 seconds from now."""
        second = int(now.timestamp())
        key = (
            audience,
            caller.account_id,
            caller.patient_id,
            caller.roles,
            frozenset(caller.positions.items()),
        )
        known = self._signed.get(key)
        if known is not None and 0 <= second - known[1] < SENT_AGAIN_SECONDS:
            return known[0]
        token = self._sign(caller, audience, second)
        _remember(self._signed, key, (token, second))
        return token

    def _sign(self, caller: Caller, audience: str, issued: int) -> str:
        claims: dict[str, Any] = {
            "iss": _ISSUER,
            "aud": audience,
            "sub": str(caller.account_id),
            "iat": issued,
            "exp": issued + LIFETIME_SECONDS,
            "roles": list(caller.roles),
            "positions": encode(caller.positions),
        }
        if caller.patient_id is not None:
            claims["patient"] = str(caller.patient_id)
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key, algorithms=[_ALGORITHM])


class TokenVerifier:
    """Verifies callers' tokens: a service's side."""

    def __init__(self, public_key_file: Path, audience: str) -> None:
        """Read the gateway's Ed25519 public key, PEM; `audience` is this service's name."""
        self._key = OKPKey.import_key(public_key_file.read_bytes())
        if self._key.is_private:
            raise ValueError(f"{public_key_file} holds a private key, which only the gateway may have")
        self._audience = audience
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    def verify(self, token: str, *, now: datetime) -> Caller:
        """Return who calls; raises NotSignedIn."""
        if len(token) > _MAX_TOKEN:
            raise NotSignedIn
        known = self._verified.get(token)
        if known is None:
            known = self._verify(token, now)
            _remember(self._verified, token, known)
        # Only "issued in the future" is forgiven for clocks that differ; a token's end is its end.
        if now.timestamp() >= known.ends or known.issued - now.timestamp() > _CLOCK_SKEW_SECONDS:
            raise NotSignedIn
        return known.caller

    def _verify(self, token: str, now: datetime) -> "_Verified":
        registry = JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=0,
            iss={"essential": True, "value": _ISSUER},
            aud={"essential": True, "value": self._audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            issued = float(claims.pop("iat"))
            registry.validate(claims)
            patient = claims.get("patient")
            caller = Caller(
                account_id=UUID(claims["sub"]),
                patient_id=None if patient is None else UUID(patient),
                roles=tuple(str(role) for role in claims.get("roles", ())),
                positions=decode(claims.get("positions")),
            )
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            raise NotSignedIn from None
        return _Verified(caller, issued, float(claims["exp"]))


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token under the right key, for this service. Instants are seconds since 1970."""

    caller: Caller
    issued: float
    ends: float


K = TypeVar("K")
V = TypeVar("V")


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


async def _current_caller(
    request: Request,
    now: CurrentTime,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    position: Annotated[str | None, Header(alias=HEADER)] = None,
) -> Caller:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn
    verifier: TokenVerifier = request.app.state.token_verifier
    caller = verifier.verify(token.strip(), now=now)
    if position is None:
        return caller
    return replace(caller, positions=merge(caller.positions, decode(position)))


CurrentCaller = Annotated[Caller, Depends(_current_caller)]
"""The signed-in caller; 401 `not-signed-in` otherwise."""


async def _current_patient(caller: CurrentCaller) -> PatientCaller:
    if caller.patient_id is None:
        raise PatientOnly
    return PatientCaller(caller.account_id, caller.patient_id, caller.roles, caller.positions)


CurrentPatient = Annotated[PatientCaller, Depends(_current_patient)]
"""The signed-in patient; 401 `not-signed-in` or 403 `patient-only` otherwise."""
