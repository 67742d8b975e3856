"""How far is the launcher, and how long did it take?"""

from __future__ import annotations

import sys
import time


class Progress:
    """Lines with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def say(self, line: str) -> None:
        """Print one line at once."""
        print(f"[{self.elapsed:6.1f} s] {line}", flush=True)


def show(line: str = "") -> None:
    """Print a line of an answer."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Print a fault."""
    print(f"portal: {line}", file=sys.stderr, flush=True)
