"""What does a backup file look like, and is one whole?

A zip file: `manifest.json`, and beside it one part a table, as COPY writes it. The manifest names the SHA-256
of every part; its own stands in the last member.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import orjson

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_SEAL: Final = "manifest.sha256"
_CHUNK: Final = 1024 * 1024

_DAMAGES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a byte that is another one makes of a zip file or of the manifest."""


class BackupError(Exception):
    """A backup cannot be made, read or used; the message is one sentence."""


@dataclass(frozen=True)
class Part:
    """One table: its columns, how many rows, and the digest of what COPY wrote."""

    columns: list[str]
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `sequences`: the last value of each."""

    format: int
    service: str
    taken_at: str
    migrations: dict[str, list[str]]
    head: int
    published: int
    sequences: dict[str, int]
    parts: dict[str, Part]

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Read it from JSON."""
        parts = {table: Part(**part) for table, part in fields["parts"].items()}
        return cls(**{**fields, "parts": parts})


class Writing:
    """A backup on its way: it has its name only once it is whole, and nobody else may read it."""

    def __init__(self, path: Path) -> None:
        """Write to a file beside `path`."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._work = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(self._work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=3)

    def part(self, table: str) -> "WritingPart":
        """Begin a table."""
        return WritingPart(self._zip, table)

    def finish(self, manifest: Manifest) -> None:
        """Seal it, and give it its name."""
        text = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
        self._zip.writestr(_MANIFEST, text)
        self._zip.writestr(_SEAL, hashlib.sha256(text).hexdigest())
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._work.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def discard(self) -> None:
        """Leave nothing of it."""
        self._file.close()
        self._work.unlink(missing_ok=True)


class WritingPart:
    """One table on its way."""

    def __init__(self, archive: zipfile.ZipFile, table: str) -> None:
        self._digest = hashlib.sha256()
        self._member = archive.open(table, "w", force_zip64=True)

    async def write(self, data: bytes) -> None:
        """Take what COPY gives."""
        self._digest.update(data)
        self._member.write(data)

    def close(self) -> str:
        """End the table; return its digest."""
        self._member.close()
        return self._digest.hexdigest()


class Archive:
    """A finished backup."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        """Use `opened` instead."""
        self._path = path
        self._zip = archive
        self.manifest = manifest

    @classmethod
    def opened(cls, path: Path) -> Self:
        """Open a backup and check every part of it; raises BackupError."""
        try:
            archive = zipfile.ZipFile(path)
        except OSError as error:
            raise BackupError(f"{path} cannot be read ({type(error).__name__})") from error
        except zipfile.BadZipFile:
            raise BackupError(f"{path} is no backup, or a damaged one") from None
        try:
            found = cls(path, archive, _manifest(path, archive))
            found._check()
        except BackupError:
            archive.close()
            raise
        except _DAMAGES as error:
            archive.close()
            raise BackupError(f"{path} is damaged ({type(error).__name__})") from error
        return found

    def chunks(self, table: str) -> Iterator[bytes]:
        """Yield a part's bytes."""
        with self._zip.open(table) as member:
            while data := member.read(_CHUNK):
                yield data

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def _check(self) -> None:
        for table, part in self.manifest.parts.items():
            digest = hashlib.sha256()
            for data in self.chunks(table):
                digest.update(data)
            if digest.hexdigest() != part.sha256:
                raise BackupError(f"{self._path} is damaged: the table {table} was changed")


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    text = archive.read(_MANIFEST)
    if hashlib.sha256(text).hexdigest().encode() != archive.read(_SEAL):
        raise BackupError(f"{path} is damaged: its manifest was changed")
    fields = orjson.loads(text)
    if fields.get("format") != FORMAT:
        raise BackupError(f"{path} is of another format than this portal reads")
    return Manifest.read(fields)
