"""Where does the launcher keep what it downloads, writes and remembers?"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Layout:
    """The folders of one portal; two portals differ in `state` only."""

    state: Path
    demo: Path
    root: Path = ROOT

    @property
    def dependencies(self) -> Path:
        """Downloads that every state shares: jars and PostgreSQL."""
        return self.root / ".portal" / "deps"

    @property
    def secrets(self) -> Path:
        """Generated keys and passwords."""
        return self.state / "secrets"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.state / "logs"

    @property
    def run_file(self) -> Path:
        """What runs now: pids, ports, addresses."""
        return self.state / "run.json"

    @property
    def digest(self) -> str:
        """Name the state in a few characters, for folders that must lie elsewhere."""
        return hashlib.sha256(str(self.state).encode()).hexdigest()[:16]

    def make(self) -> None:
        """Create the folders, closed to others."""
        for folder in (self.state, self.secrets, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        self.dependencies.mkdir(parents=True, exist_ok=True)


def layout_from_environment() -> Layout:
    """Choose the state folder: PORTAL_STATE, else .portal/state of this clone."""
    chosen = os.environ.get("PORTAL_STATE")
    if chosen:
        state = Path(chosen).resolve()
        return Layout(state=state, demo=state / "demo.json")
    return Layout(state=ROOT / ".portal" / "state", demo=ROOT / ".portal" / "demo.json")
