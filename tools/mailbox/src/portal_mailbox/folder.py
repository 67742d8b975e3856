"""Where are the mails kept, and for how long? One private file each, the newest 500."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from portal_mailbox.letters import DELIVERED_TO, Letter, read_letter

KEPT = 500
_SUFFIX = ".eml"


class Folder:
    """Keeps mails; receiving and showing run in different threads.

    A file's name is its mail's id and begins with the time of arrival, so that names sort as mails came.
    """

    def __init__(self, path: Path, kept: int = KEPT) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._kept = kept
        self._lock = threading.Lock()
        self._letters: dict[str, Letter] = {}
        self._last = 0
        for file in sorted(path.glob(f"*{_SUFFIX}")):
            self._remember(file.stem, file.read_bytes())
        self._drop_oldest()

    def add(self, recipients: Sequence[str], content: bytes, now: dt.datetime) -> str:
        """Keep a mail that arrived `now` (UTC) and return its id."""
        envelope = "".join(f"{DELIVERED_TO}: {recipient}\r\n" for recipient in recipients)
        whole = envelope.encode("utf-8", "surrogateescape") + content
        with self._lock:
            # Two mails of one microsecond, or of a clock set back, still sort as they came.
            self._last = max(self._last + 1, int(now.timestamp() * 1_000_000))
            letter_id = f"{self._last:017d}-{secrets.token_hex(4)}"
            beside = self._path / f".{letter_id}.new"
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(whole)
            beside.replace(self._file(letter_id))
            self._remember(letter_id, whole)
            self._drop_oldest()
        return letter_id

    def letters(self, to: str | None = None) -> list[Letter]:
        """List the mails, newest first; `to` selects one recipient's."""
        with self._lock:
            found = list(reversed(self._letters.values()))
        if to is None:
            return found
        wanted = to.casefold()
        return [letter for letter in found if wanted in (address.casefold() for address in letter.to)]

    def find(self, letter_id: str) -> tuple[Letter, bytes] | None:
        """Return a mail with its bytes; None when it is not, or no longer, here."""
        with self._lock:
            letter = self._letters.get(letter_id)
            return None if letter is None else (letter, self._file(letter_id).read_bytes())

    def _file(self, letter_id: str) -> Path:
        return self._path / f"{letter_id}{_SUFFIX}"

    def _remember(self, letter_id: str, content: bytes) -> None:
        self._last = max(self._last, int(letter_id.partition("-")[0]))
        received_at = dt.datetime.fromtimestamp(self._last / 1_000_000, dt.UTC)
        self._letters[letter_id] = read_letter(letter_id, content, received_at)

    def _drop_oldest(self) -> None:
        while len(self._letters) > self._kept:
            oldest = next(iter(self._letters))
            del self._letters[oldest]
            self._file(oldest).unlink(missing_ok=True)
