"""Is what the store holds what the topic holds, and what the views show?

One line a check. Exit code 0: all is equal, 1: something differs, 2: something could not be compared.
"""

import argparse
import sys
from collections.abc import AsyncIterator
from typing import Final

import asyncpg

from portal_chassis.operations.operation import Operated, Operation
from portal_eventstore.history import LostHistoryError, SilentKafkaError
from portal_eventstore.verify.check import Check
from portal_eventstore.verify.log import verify_log
from portal_eventstore.verify.quick import look_at_log
from portal_eventstore.verify.views import look_at_view, verify_view

_WORDS: Final = {True: "equal  ", False: "DIFFERS", None: "unknown"}
_DIFFERS: Final = 1
_UNKNOWN: Final = 2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="counts and places only")


async def _run(operated: Operated, options: argparse.Namespace) -> int:
    found: set[bool | None] = set()
    checks = _quickly(operated) if options.quick else _fully(operated)
    try:
        async for check in checks:
            found.add(check.clean)
            sys.stdout.write(f"{operated.service}: {_WORDS[check.clean]} {check.text}\n")
            sys.stdout.flush()
    except (SilentKafkaError, LostHistoryError) as error:
        sys.stdout.write(f"{operated.service}: {_WORDS[None]} {error}\n")
        return _UNKNOWN
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Only its kind: its text may quote a row.
        sys.stdout.write(f"{operated.service}: {_WORDS[None]} PostgreSQL cannot ({type(error).__name__})\n")
        return _UNKNOWN
    return _DIFFERS if False in found else _UNKNOWN if None in found else 0


async def _fully(operated: Operated) -> AsyncIterator[Check]:
    url, servers = operated.database_url, operated.bootstrap_servers
    if operated.keeps_log:
        async for check in verify_log(url, operated.service, servers):
            yield check
    for view in operated.views:
        for check in await verify_view(url, servers, view):
            yield check


async def _quickly(operated: Operated) -> AsyncIterator[Check]:
    url, servers = operated.database_url, operated.bootstrap_servers
    if operated.keeps_log:
        for check in await look_at_log(url, operated.service, servers):
            yield check
    for view in operated.views:
        for check in await look_at_view(url, servers, view):
            yield check


VERIFY: Final = Operation("verify", "compare store, topic and views", _arguments, _run)
