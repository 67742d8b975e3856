"""Have these databases been brought up to date by this very code? Then a start need not ask again.

Loading three services only to hear that nothing is to be done costs a third of a start on two cores.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from portal_secrets.files import write_private


def code_digest(root: Path) -> str:
    """Digest everything that a migration could depend on: code, SQL and locked packages."""
    sums = hashlib.sha256((root / "requirements.lock").read_bytes())
    for folder in ("services", "shared"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in {".py", ".sql"}:
                sums.update(f"{file}\0".encode() + file.read_bytes())
    return sums.hexdigest()


def are_done(folder: Path, root: Path) -> bool:
    """Tell whether the databases in this folder were migrated by the present code."""
    note = folder / "migrated"
    return note.exists() and note.read_text() == code_digest(root)


def remember(folder: Path, root: Path) -> None:
    """Note beside the data that they were migrated, so that the note goes when they go."""
    write_private(folder / "migrated", code_digest(root))
