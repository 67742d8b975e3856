"""Whose fault is it that values cannot be applied, and what may be told about it?

The text of an error may quote a row, and so a person: only kinds and places are told.
"""

import asyncio
import enum
import traceback
from pathlib import Path
from typing import Final

import asyncpg

_FRAMES: Final = 30

# Classes of SQLSTATE: connections, rollbacks by the server, resources (a full disk), state (a lock time-out),
# interventions (shutdown, statement time-out), the system's and the server's own faults.
_MOMENTARY_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_READ_ONLY, _IDLE_TIMEOUT = "25006", "25P03"


class Blame(enum.Enum):
    """What must change before the values can be applied."""

    EVENT = "the event"
    MOMENT = "the database or the network, which recovers"
    CODE = "the view's statements or its tables"


def blame(error: BaseException) -> Blame:
    """Say whose fault `error` is, when a view has raised it."""
    match error:
        case asyncpg.SyntaxOrAccessError() | asyncpg.InvalidSchemaNameError():
            return Blame.CODE
        case asyncpg.PostgresError(sqlstate=str(code)):
            momentary = code[:2] in _MOMENTARY_CLASSES or code in (_READ_ONLY, _IDLE_TIMEOUT)
            return Blame.MOMENT if momentary else Blame.EVENT
        case asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return Blame.MOMENT
        # Not every OSError: a time zone that an event names may be a folder.
        case ConnectionError() | TimeoutError() | asyncio.IncompleteReadError() | MemoryError():
            return Blame.MOMENT
        case _:
            return Blame.EVENT


def kind(error: BaseException) -> str:
    """Name the error's class, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame)] or frames
    constraint = getattr(error, "constraint_name", None)
    what = type(error).__name__ + (f" on {constraint}" if constraint else "")
    return what + (f" at {ours[-1].name} ({_place(ours[-1])})" if ours else "")


def stack(error: BaseException) -> str:
    """Return the places that the error and its causes went through, one a line; no text, no values."""
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(lines) < _FRAMES:
        lines.append(type(cause).__name__)
        frames = traceback.extract_tb(cause.__traceback__)[-_FRAMES:]
        lines += [f"  {_place(frame)} {frame.name}" for frame in frames]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n".join(lines)


def _is_ours(frame: traceback.FrameSummary) -> bool:
    parts = Path(frame.filename).parts
    return "site-packages" not in parts and parts[:1] != ("asyncpg",)


def _place(frame: traceback.FrameSummary) -> str:
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
