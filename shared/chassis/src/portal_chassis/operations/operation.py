"""What can an operator ask of one service, beside running it?

`python -m <service> <operation> …` runs in a process of its own, with the service's environment, beside
whatever else of the service runs. What it has to say goes to standard output; it ends with an exit code.
"""

import argparse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal_eventstore.view import View


class OperationError(Exception):
    """It cannot be done; the message is one sentence that says why, and which command mends it."""


@dataclass(frozen=True)
class Operated:
    """The service that is operated on. `keeps_log`: it appends events, which its topic holds too."""

    service: str
    database_url: str
    bootstrap_servers: str
    views: Sequence[View[Any]]
    keeps_log: bool
    migrations: Sequence[tuple[Path, str]]

    def view(self, name: str) -> View[Any]:
        """Return one of the views; raises OperationError."""
        for view in self.views:
            if view.name == name:
                return view
        known = ", ".join(sorted(view.name for view in self.views)) or "none"
        raise OperationError(f"{self.service} has no view {name}; its views: {known}")


@dataclass(frozen=True)
class Operation:
    """One subcommand: its options, and what it does. `run` returns the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Operated, argparse.Namespace], Awaitable[int]]
