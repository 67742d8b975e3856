"""In which cookie does a browser keep its session?

`__Host-` binds the cookie to this very host over TLS (RFC 6265bis, 4.1.3.2); browsers refuse that name over
plain http, which is allowed on loopback only, where the name is plain.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """Reads and writes the session's cookie."""

    https: bool

    @property
    def name(self) -> str:
        """The cookie's name."""
        return "__Host-portal" if self.https else "portal"

    def read(self, request: Request) -> str | None:
        """Return the cookie's value."""
        return request.cookies.get(self.name)

    def write(self, response: Response, token: str) -> None:
        """Give the browser its session; it forgets it when it closes."""
        response.set_cookie(self.name, token, path="/", secure=self.https, httponly=True, samesite="lax")

    def clear(self, response: Response) -> None:
        """Let the browser forget its session."""
        response.delete_cookie(self.name, path="/", secure=self.https, httponly=True, samesite="lax")
