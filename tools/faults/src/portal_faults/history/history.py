"""How is what clients did and saw kept, so that it can be checked later, or again?

JSON lines, appended as answers come in: first the clocks, then the slots that were offered, then operations.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from portal_faults.history.operation import Operation, Outcome, Slot


@dataclass(frozen=True, slots=True)
class History:
    """What was offered and what was done. `epoch`: what to add to an instant for seconds since 1970."""

    slots: dict[str, Slot] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    epoch: float = 0.0


class Recorder:
    """Appends operations to a file; for any number of asyncio clients of one process.

    `count`: of those whose outcome is known.
    """

    def __init__(self, file: Path, slots: Iterable[Slot]) -> None:
        """Begin a history of these slots."""
        self._out = file.open("w", encoding="utf-8")
        self.count = 0
        self._write({"epoch": time.time() - time.monotonic()})
        for slot in slots:
            self._write({"offered": asdict(slot)})

    def note(self, operation: Operation) -> None:
        """Append an operation whose outcome is known, or known not to be known."""
        self._write(operation.to_json())
        self.count += operation.outcome is not Outcome.UNKNOWN

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")


def read_history(file: Path) -> History:
    """Read what a recorder wrote."""
    history, epoch = History(), 0.0
    with file.open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if "offered" in line:
                slot = Slot(**line["offered"])
                history.slots[slot.slot] = slot
            elif "epoch" in line:
                epoch = line["epoch"]
            else:
                history.operations.append(Operation.from_json(line))
    return History(history.slots, history.operations, epoch)
