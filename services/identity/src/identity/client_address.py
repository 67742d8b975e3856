"""From which address does a request come?

The gateway says it in a header of its own. Of IPv6 the first 64 bits count: a household, or an attacker, has
all the addresses behind them.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Final

from fastapi import Depends, Header

UNKNOWN: Final = "unknown"
"""Whoever's address is not told: all of them count as one."""

_HOUSEHOLD_BITS: Final = 64


def client_of(text: str | None) -> str:
    """Return what attempts from an address are counted under."""
    try:
        address = ip_address((text or "").strip())
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _HOUSEHOLD_BITS), strict=False))


async def _client(
    portal_client_address: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> str:
    return client_of(portal_client_address)


ClientAddress = Annotated[str, Depends(_client)]
"""What attempts from the client's address are counted under."""
