"""What waits because a view could not apply it, and how does an operator see, replay or discard it?"""

import argparse
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from portal_chassis.operations.operation import Operated, Operation, OperationError
from portal_eventstore.parking.blame import kind
from portal_eventstore.parking.parked import (
    Lane,
    ParkedError,
    ParkedRecord,
    discard,
    drain,
    give_up,
    parked_record,
    waiting_lanes,
)

_HEADS: Final = ("NUMBER", "VIEW", "TYPE", "RECORD", "BEHIND IT", "PARKED AT", "WHY")
_PLACE: Final = "VIEW:TOPIC/PARTITION@OFFSET"
_RECORD: Final = re.compile(r"(\w+):([\w.-]+)/(\d+)@(\d+)", re.ASCII)
_LISTED: Final = 200
_TIME: Final = "%Y-%m-%d %H:%M:%S UTC"


def _arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what waits, a line for each key")
    listing.add_argument("--view", help="of one view only")
    show = actions.add_parser("show", help="what is known of one record; not what it holds")
    show.add_argument("number", type=int)
    replay = actions.add_parser("replay", help="apply what waits, each key's records in order")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("number", type=int, nargs="?", help="with everything of the same key")
    which.add_argument("--view", help="everything of one view")
    which.add_argument("--all", action="store_true", help="everything")
    giving_up = actions.add_parser("discard", help="give one record up; what waits behind it waits on")
    what = giving_up.add_mutually_exclusive_group(required=True)
    what.add_argument("number", type=int, nargs="?")
    what.add_argument(
        "--record", type=_record, metavar="VIEW:TOPIC/PARTITION@OFFSET", help="where a view stopped"
    )
    giving_up.add_argument("--reason", required=True, help="kept with the record")


async def _run(operated: Operated, options: argparse.Namespace) -> int:
    try:
        async with _connected(operated) as pool:
            match options.action:
                case "list":
                    return await _list(pool, operated, options.view)
                case "show":
                    _tell(operated, _described(await parked_record(pool, options.number)))
                case "replay" if options.number is not None:
                    record = await parked_record(pool, options.number)
                    return await _replay(pool, operated, [(record.view, options.number)])
                case "replay":
                    lanes = await waiting_lanes(pool, _views(operated, options.view))
                    return await _replay(pool, operated, [(lane.view, lane.number) for lane in lanes])
                case "discard" if options.record is not None:
                    name, topic, partition, offset = options.record
                    view = operated.view(name)
                    number = await give_up(pool, view, topic, partition, offset, options.reason)
                    _tell(operated, [f"given up as {number}; view {name} goes on behind it by itself"])
                case "discard":
                    await discard(pool, options.number, options.reason)
                    _tell(operated, [f"discarded {options.number}; what waits behind it needs a replay"])
    except ParkedError as error:
        raise OperationError(str(error)) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Its text may quote a row.
        raise OperationError(f"the database did not do it, and nothing was changed ({kind(error)})") from None
    return 0


def _record(text: str) -> tuple[str, str, int, int]:
    found = _RECORD.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"name it as {_PLACE}")
    return found[1], found[2], int(found[3]), int(found[4])


@asynccontextmanager
async def _connected(operated: Operated) -> AsyncIterator[Any]:
    settings = {"application_name": f"{operated.service} parked"}
    async with asyncpg.create_pool(
        operated.database_url, min_size=1, max_size=2, server_settings=settings
    ) as pool:
        yield pool


def _views(operated: Operated, named: str | None) -> list[str]:
    return [view.name for view in operated.views] if named is None else [operated.view(named).name]


async def _list(pool: Any, operated: Operated, named: str | None) -> int:
    lanes = await waiting_lanes(pool, None if named is None else [operated.view(named).name])
    if not lanes:
        _tell(operated, ["nothing is parked"])
        return 0
    rows = [
        ("NUMBER", "VIEW", "TYPE", "RECORD", "BEHIND IT", "PARKED AT", "WHY"),
        *map(_row, lanes[:_LISTED]),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    records = sum(1 + lane.behind_it for lane in lanes)
    lines = [f"{records} records of {len(lanes)} keys wait"]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if len(lanes) > _LISTED:
        lines.append(f"and {len(lanes) - _LISTED} more")
    _tell(operated, lines)
    return 0


def _row(lane: Lane) -> tuple[str, ...]:
    return (
        str(lane.number),
        lane.view,
        lane.type or "?",
        f"{lane.topic}/{lane.partition}@{lane.record_offset}",
        str(lane.behind_it),
        f"{lane.parked_at:{_TIME}}",
        lane.reason,
    )


def _described(record: ParkedRecord) -> Sequence[str]:
    known = {
        "number": record.number,
        "view": record.view,
        "record": f"{record.topic}/{record.partition}@{record.record_offset}",
        "type": record.type,
        "event": record.event_id,
        "position": record.position,
        "key": record.key or "no id",
        "holds": f"{record.value_bytes} bytes; headers {', '.join(record.header_names) or 'none'}",
        "status": record.status if record.behind is None else f"{record.status} behind {record.behind}",
        "parked at": f"{record.parked_at:{_TIME}}",
        "handled": f"{record.deliveries} times",
        "why": record.reason,
        "settled at": None if record.settled_at is None else f"{record.settled_at:{_TIME}}",
        "given up": record.discard_reason,
    }
    lines = [f"{name:<12}{value}" for name, value in known.items() if value is not None]
    return lines + [f"            {line}" for line in record.stack.splitlines()]


async def _replay(pool: Any, operated: Operated, lanes: Sequence[tuple[str, int]]) -> int:
    applied, failed = 0, []
    for name, number in lanes:
        try:
            drained = await drain(pool, operated.view(name), number)
        except ParkedError:
            if len(lanes) == 1:
                raise
            continue  # another replay was first
        applied += drained.applied
        if drained.failed is not None:
            failed.append(f"{drained.failed} fails again ({drained.reason}); {drained.left} of its key wait")
    _tell(operated, [f"applied {applied} records", *failed[:_LISTED]])
    if len(failed) > _LISTED:
        _tell(operated, [f"and {len(failed) - _LISTED} keys more"])
    return 1 if failed else 0


def _tell(operated: Operated, lines: Sequence[str]) -> None:
    for line in lines:
        print(f"{operated.service}: {line}".rstrip())


PARKED: Final = Operation(
    "parked", "list, show, replay or discard events that a view could not apply", _arguments, _run
)
