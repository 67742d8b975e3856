"""How far behind are relay and views, as an operator reads it?

Exits with 0 when all is well, 1 when something is behind or stopped, 2 when a server could not be asked.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

from portal_chassis.operations.operation import Operated, Operation
from portal_eventstore.vitals.lag import Lag, LogLag, ViewLag, measure

_BEHIND: Final = 1
_UNASKED: Final = 2
_HEADS: Final = ("VIEW", "STATE", "BEHIND", "WORST PARTITION", "COMPLETE UP TO", "AGE", "PARKED")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one line of JSON a service")


async def _run(operated: Operated, options: argparse.Namespace) -> int:
    lag = await measure(
        operated.database_url,
        operated.bootstrap_servers,
        operated.service,
        operated.views,
        keeps_log=operated.keeps_log,
    )
    sys.stdout.write(
        f"{json.dumps(asdict(lag), default=str)}\n" if options.json else "\n".join(_lines(lag)) + "\n"
    )
    if lag.unasked:
        return _UNASKED
    return 0 if lag.well else _BEHIND


def _lines(lag: Lag) -> Iterator[str]:
    yield lag.service
    for sentence in lag.unasked:
        yield f"  {sentence}"
    if lag.log is not None:
        yield from _log(lag.log)
    if lag.views:
        yield from _table([_HEADS, *map(_row, lag.views)])


def _log(log: LogLag) -> Iterator[str]:
    waits = f"{log.backlog} events wait"
    if log.oldest:
        waits += f", the oldest for {_span(log.oldest)}"
    yield f"  relay: head {log.head}, published {log.published}, {waits}"
    yield f"  owner: {log.owner or 'nobody: no relay runs'}"
    if log.kept_by is not None:
        yield f"  append lock: kept by {log.kept_by}"


def _row(view: ViewLag) -> tuple[str, ...]:
    worst = view.worst
    return (
        view.view,
        view.state,
        "?" if view.behind is None else str(view.behind),
        "-" if worst is None else f"{worst.topic}/{worst.partition}: {worst.records}",
        "never" if view.fresh_at is None else f"{view.fresh_at:%Y-%m-%d %H:%M:%S}Z",
        "-" if view.age is None else _span(view.age),
        str(view.parked),
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield ("  " + "  ".join(map(str.ljust, row, widths))).rstrip()


def _span(seconds: float) -> str:
    """Write a span as people read it."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


LAG: Final = Operation("lag", "how far relay and views are behind", _arguments, _run)
