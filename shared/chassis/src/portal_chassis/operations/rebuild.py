"""How does an operator have a view built anew, and see how far that is?"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from portal_chassis.operations.child import child
from portal_chassis.operations.operation import Operated, Operation, OperationError
from portal_eventstore.rebuild.build import Progress, RebuildError, progress
from portal_eventstore.rebuild.cancel import cancel
from portal_eventstore.rebuild.compare import Comparison
from portal_eventstore.rebuild.rebuild import Rebuilt, help_filling, rebuild
from portal_eventstore.view import View

_LOOK_SECONDS: Final = 0.5
_LINE_SECONDS: Final = 5.0
_BAR_WIDTH: Final = 30


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("view", help="the view's name")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="fill the tables with N processes"
    )
    parser.add_argument("--cancel", action="store_true", help="end a build, running or left behind, for good")
    parser.add_argument("--helping", action="store_true", help=argparse.SUPPRESS)


async def _run(operated: Operated, options: argparse.Namespace) -> int:
    view = operated.view(options.view)
    try:
        if options.cancel:
            return await _cancel(operated, view)
        if options.helping:
            await help_filling(operated.database_url, operated.bootstrap_servers, view)
            return 0
        return await _rebuild(operated, view, options.processes)
    except RebuildError as error:
        raise OperationError(str(error)) from error


async def _cancel(operated: Operated, view: View[Any]) -> int:
    if await cancel(operated.database_url, view.name):
        _say(f"The build of {view.name} is gone; the view is as it was.")
    else:
        _say(f"There is no build of {view.name}.")
    return 0


async def _rebuild(operated: Operated, view: View[Any], processes: int) -> int:
    async def help_with_it() -> None:
        # One that dies leaves its units to the others.
        with contextlib.suppress(RebuildError):
            await child(operated.service, "rebuild", view.name, "--helping")

    helpers = [help_with_it] * (processes - 1)
    _stop_on_signals()
    shown = asyncio.create_task(_show(operated.database_url, view.name))
    try:
        rebuilt = await rebuild(operated.database_url, operated.bootstrap_servers, view, helpers)
    except asyncio.CancelledError:
        raise OperationError(
            f"stopped; what was built of {view.name} is kept: run it again, or with --cancel to end it"
        ) from None
    finally:
        shown.cancel()
        with contextlib.suppress(
            asyncio.CancelledError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError
        ):
            await shown
        _end_line()
    for line in _summary(view.name, rebuilt):
        _say(line)
    return 0


def _stop_on_signals() -> None:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _summary(view: str, rebuilt: Rebuilt) -> Sequence[str]:
    """Say what was built, and whether it is what was there before."""
    rows = ", ".join(f"{count:,} in {table}" for table, count in rebuilt.comparison.rows.items())
    a_second = rebuilt.records / max(rebuilt.seconds, 0.001)
    return (
        f"{view}: {rebuilt.records:,} events in {rebuilt.seconds:.1f} s ({a_second:,.0f}/s); rows: {rows}",
        f"digest {rebuilt.comparison.digest}: {_verdict(rebuilt.comparison)}",
        *_differences(rebuilt.comparison),
    )


def _verdict(comparison: Comparison) -> str:
    if comparison.why_not is not None:
        return f"not compared ({comparison.why_not})"
    return "equal to the tables before" if comparison.equal else "DIFFERS from the tables that it replaced"


def _differences(comparison: Comparison) -> list[str]:
    return [
        f"  {table.table}: {table.live_rows:,} rows before, {table.built_rows:,} now; "
        f"for example {'; '.join(table.differing) or 'rows without an id'}"
        for table in comparison.tables
        if not table.equal
    ]


@dataclass
class _Speed:
    """How fast the records of a phase go by, since this process has looked."""

    phase: str = ""
    begun: int = 0
    since: float = field(default_factory=time.monotonic)

    def of(self, found: Progress) -> float:
        """Return records a second."""
        if found.phase != self.phase:
            self.phase, self.begun, self.since = found.phase, found.done, time.monotonic()
        return max(0, found.done - self.begun) / max(time.monotonic() - self.since, 0.001)


async def _show(database_url: str, view: str) -> None:
    """Show how far the build is: a bar on a terminal, otherwise a line for each phase and now and then."""
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "rebuild progress"})
    speed, said_phase, said_at = _Speed(), "", 0.0
    try:
        while True:
            found = await progress(connection, view)
            if found is not None:
                line = _line(found, speed.of(found))
                if sys.stdout.isatty():
                    sys.stdout.write(f"\r\x1b[K{line}")
                    sys.stdout.flush()
                elif found.phase != said_phase or time.monotonic() - said_at > _LINE_SECONDS:
                    said_phase, said_at = found.phase, time.monotonic()
                    _say(line)
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close(timeout=1)


def _line(found: Progress, speed: float) -> str:
    if not found.total:
        return f"{found.phase} …"
    full = _BAR_WIDTH * found.percent // 100
    bar = f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {found.percent:3} %"
    if not speed:
        return f"{bar}  {found.phase}"
    left = max(0, found.total - found.done) / speed
    return f"{bar}  {found.phase}, {speed:,.0f}/s, {left:.0f} s left"


def _end_line() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[K")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


REBUILD: Final = Operation("rebuild", "build a view anew, beside its tables", _arguments, _run)
