"""From which address does this request come?

The other end of the connection, and nothing that a header claims: whoever counts attempts by address would
otherwise count what the attacker types.
"""

from starlette.requests import Request


def client_address(request: Request) -> str | None:
    """Return the address of the socket's other end; None where the server knows none."""
    return None if request.client is None else request.client.host
