"""How does a server get a disk so small that it can be filled?

A tmpfs over the folder that holds its data; that takes root.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portal_launcher.layout import Layout
from portal_launcher.postgres import OUTSIDE
from portal_launcher.secret_files import write_private

_BALLAST: Final = "ballast"
_KEPT: Final = 64 * 1024
"""Bytes that are left: what a full disk has is blocks, not none."""


class Volume:
    """A disk of `size` bytes at a folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size

    def mount(self) -> None:
        """Put it there."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        options = f"size={self._size},mode=0711"
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder))

    def unmount(self) -> None:
        """Take it away with everything on it."""
        if self.folder.is_mount():
            _run("umount", "--lazy", str(self.folder))

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room until the block ends."""
        ballast = self.folder / _BALLAST
        try:
            with ballast.open("wb") as file:
                free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
                os.posix_fallocate(file.fileno(), 0, max(free - _KEPT, 1))
            yield
        finally:
            ballast.unlink(missing_ok=True)


def postgres_folder(layout: Layout) -> Path:
    """Return the folder that root's PostgreSQL of a state lies in."""
    return OUTSIDE / f"portal-{layout.digest}"


def claim(layout: Layout) -> None:
    """Note that the volume belongs to the state: the launcher would remove a folder that it did not make."""
    for note in (layout.state / "postgres.id", postgres_folder(layout) / "state.id"):
        write_private(note, layout.digest)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed commands
