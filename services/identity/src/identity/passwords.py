"""How are passwords hashed and verified without stopping everything else?

Argon2id with 64 MiB takes about 0.15 s of a core: a few threads do it, and when too many wait for them the
caller is asked to come back. What is not known is verified too, against a hash that nothing matches.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from portal_eventstore.decision import Unavailable

T = TypeVar("T")

_MEMORY_KIB: Final = 64 * 1024
_PASSES: Final = 3
_LANES: Final = 1
_THREADS: Final = 2
_MOST_WAITING: Final = 50


class Busy(Unavailable):
    """Too many passwords wait to be checked."""

    code = "busy"
    title = "Too many people are signing in at the moment"


class Passwords:
    """Hashes and verifies, a few at a time."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB, passes: int = _PASSES) -> None:
        """Take the cost: what new hashes are made with, and old ones are brought up to."""
        self._hasher = PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=_LANES, type=Type.ID
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return the password's hash, with its salt and parameters (PHC string)."""
        return await self._off_loop(lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Tell whether the hash is this password's; without a hash, no, in the same time."""
        return await self._off_loop(lambda: self._matches(password, password_hash))

    def outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    async def run(self, slow: Callable[[], T]) -> T:
        """Run another slow function about a password in the same threads."""
        return await self._off_loop(slow)

    def close(self) -> None:
        """End the threads, after what they are at."""
        self._threads.shutdown()

    def _matches(self, password: str, password_hash: str | None) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobodys, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    async def _off_loop(self, slow: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, slow)
        finally:
            self._waiting -= 1


def _bytes(password: str) -> bytes:
    # One spelling of the same characters, whatever keyboard they came from (RFC 8265, 4.2).
    return unicodedata.normalize("NFC", password).encode()
