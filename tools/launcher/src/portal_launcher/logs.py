"""What did a process say?"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from portal_launcher.faults import NOT_RUNNING, Fault
from portal_launcher.layout import Layout

LINES = 200


def logs(layout: Layout, process: str, *, follow: bool) -> int:
    """Print the end of a process's log; with `follow` go on until interrupted."""
    known = sorted(path.stem for path in layout.logs.glob("*.log"))
    path = layout.logs / f"{process}.log"
    if process not in known:
        raise Fault(
            NOT_RUNNING, f"There is no log of {process}; there are: {', '.join(known) or 'none yet'}."
        )
    with path.open(errors="replace") as file:
        sys.stdout.write("".join(file.readlines()[-LINES:]))
        sys.stdout.flush()
        while follow:
            text = file.read()
            sys.stdout.write(text)
            sys.stdout.flush()
            if not text:
                if was_replaced(path, file.tell()):
                    return logs(layout, process, follow=True)
                time.sleep(0.2)
    return 0


def was_replaced(path: Path, read: int) -> bool:
    """Tell whether a new log has begun under the same name."""
    return path.exists() and path.stat().st_size < read
