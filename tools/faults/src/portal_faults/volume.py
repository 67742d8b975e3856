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
from portal_secrets.files import write_private

_BALLAST: Final = "ballast"
_PIECE: Final = 64 * 1024
_NEARLY: Final = 8 * 1024**2
"""Bytes that are left to be filled piece by piece: the server writes meanwhile."""


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
            with ballast.open("wb", buffering=0) as file:
                place = os.statvfs(self.folder)
                size = max(place.f_bavail * place.f_frsize - _NEARLY, 1)
                os.posix_fallocate(file.fileno(), 0, size)
                file.seek(size)
                with contextlib.suppress(OSError):
                    while file.write(bytes(_PIECE)):
                        pass
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
