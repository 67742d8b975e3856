"""How often may something be tried?

Guesses are slowed for each account and each address, and the owner is never locked out: what fails from
strange addresses counts against strange addresses only, not against those from which the owner has signed
in. A reset by e-mail makes an address the owner's, too. An account that does not exist is treated like any
other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from portal_events.blind import BlindIndex
from portal_eventstore.decision import TooMany

FAMILIAR_FOR: Final = timedelta(days=180)
"""An address from which nobody has signed in for so long is strange again."""


class TooManyAttempts(TooMany):
    """One wording for every limit."""

    code = "too-many-attempts"
    title = "Too many attempts: try again later"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many times within so long at once; from then on, one by one as time passes."""

    name: str
    times: int
    within: timedelta


_QUARTER: Final = timedelta(minutes=15)
_HOUR: Final = timedelta(hours=1)

# An office, a clinic or a mobile network has one address for many people.
SIGN_UPS_FROM_ADDRESS: Final = Limit("sign-up", 100, _HOUR)
RESETS_FROM_ADDRESS: Final = Limit("reset", 30, _HOUR)
GUESSES_FROM_ADDRESS: Final = Limit("guess-from", 100, _HOUR)
GUESSES_FROM_ADDRESS_OF_ACCOUNT: Final = Limit("guess-from-of", 10, _QUARTER)
GUESSES_FROM_STRANGERS_OF_ACCOUNT: Final = Limit("guess-of", 20, _HOUR)
GUESSES_OF_OWN_PASSWORD: Final = Limit("own-guess", 10, _QUARTER)
RESET_MAILS_TO_ADDRESSEE: Final = Limit("reset-mail", 5, _HOUR)
MAILS_OF_ACCOUNT: Final = Limit("mail", 5, _HOUR)

BY_A_WRONG_CLOCK: Final = 2 * _HOUR
"""Nobody counts so far ahead by a clock that is right: what does is begun anew, and locks nobody out."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try that counts under a key."""

    key: str
    limit: Limit
    step: timedelta

    def wait(self, full_until: datetime, now: datetime) -> timedelta:
        """Return how much too early the try comes that has moved `full_until` to there."""
        return full_until - now - self.limit.within


class Attempts(Protocol):
    """The counters."""

    async def take(self, attempts: Sequence[Attempt], now: datetime) -> None:
        """Count all of them, or none: raises TooManyAttempts."""

    async def give_back(self, attempts: Sequence[Attempt]) -> None:
        """Count them no more."""

    async def forget(self, key: str) -> None:
        """Begin anew."""

    async def is_familiar(self, key: str) -> bool:
        """Tell whether `remember` was called."""

    async def remember(self, key: str, now: datetime) -> None:
        """Make an address an account's own."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A password that is about to be checked, counted as wrong already: guesses at once get no more tries."""

    email_tag: str
    client: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits, and whose turn they count.

    `address_factor`: how many times an address' limits are those above, where many people share one.
    """

    attempts: Attempts
    blind_index: BlindIndex
    address_factor: int = 1

    async def sign_up(self, client: str, now: datetime) -> None:
        """Count a sign-up; raises TooManyAttempts."""
        await self.attempts.take([self._by_address(SIGN_UPS_FROM_ADDRESS, client)], now)

    async def reset(self, client: str, now: datetime) -> None:
        """Count a request for a reset; raises TooManyAttempts."""
        await self.attempts.take([self._by_address(RESETS_FROM_ADDRESS, client)], now)

    async def reset_mail(self, email_tag: str, now: datetime) -> bool:
        """Count a mail to an addressee; False when there have been enough."""
        try:
            await self.attempts.take([self._attempt(RESET_MAILS_TO_ADDRESSEE, email_tag)], now)
        except TooManyAttempts:
            return False
        return True

    async def mail(self, account_id: UUID, now: datetime) -> None:
        """Count a mail that an account's owner asks for; raises TooManyAttempts."""
        await self.attempts.take([self._attempt(MAILS_OF_ACCOUNT, str(account_id))], now)

    async def guess(self, email_tag: str, client: str, now: datetime) -> Guess:
        """Count a password that somebody signs in with; raises TooManyAttempts."""
        attempts = [
            self._by_address(GUESSES_FROM_ADDRESS, client),
            self._attempt(GUESSES_FROM_ADDRESS_OF_ACCOUNT, email_tag, client),
        ]
        if not await self.attempts.is_familiar(self._familiar(email_tag, client)):
            attempts.append(self._attempt(GUESSES_FROM_STRANGERS_OF_ACCOUNT, email_tag))
        await self.attempts.take(attempts, now)
        return Guess(email_tag, client, tuple(attempts))

    async def unjudged(self, guess: Guess) -> None:
        """Take back a guess that nobody could check."""
        await self.attempts.give_back(guess.attempts)

    async def right(self, guess: Guess, now: datetime) -> None:
        """Take back a guess that was right: its address is the owner's."""
        await self.attempts.give_back(guess.attempts)
        await self.owner(guess.email_tag, guess.client, now)

    async def owner(self, email_tag: str, client: str, now: datetime) -> None:
        """Let an account's owner begin anew at this address, which is familiar from now on."""
        await self.attempts.forget(self._attempt(GUESSES_FROM_ADDRESS_OF_ACCOUNT, email_tag, client).key)
        await self.attempts.remember(self._familiar(email_tag, client), now)

    async def own_guess(self, account_id: UUID, now: datetime) -> Attempt:
        """Count a password that somebody signed in confirms something with; raises TooManyAttempts."""
        attempt = self._attempt(GUESSES_OF_OWN_PASSWORD, str(account_id))
        await self.attempts.take([attempt], now)
        return attempt

    async def own_right(self, attempt: Attempt) -> None:
        """Begin anew after a guess that was right."""
        await self.attempts.forget(attempt.key)

    def _by_address(self, limit: Limit, client: str) -> Attempt:
        return self._attempt(limit, client, factor=self.address_factor)

    def _attempt(self, limit: Limit, *parts: str, factor: int = 1) -> Attempt:
        return Attempt(self._key(limit.name, *parts), limit, limit.within / (limit.times * factor))

    def _familiar(self, email_tag: str, client: str) -> str:
        return self._key("familiar", email_tag, client)

    def _key(self, *parts: str) -> str:
        # NUL stands in none of the parts, and in nothing else that this index makes tags of.
        return self.blind_index.tag("\x00".join(("limit", *parts)))


_TAKE: Final = """
insert into attempt as a (key, full_until)
select key, $3::timestamptz + step from unnest($1::text[], $2::interval[]) as t (key, step) order by key
on conflict (key) do update set full_until = (excluded.full_until - $3)
    + case when a.full_until > $3 + $4::interval then $3 else greatest(a.full_until, $3) end
returning key, full_until
"""
_GIVE_BACK: Final = """
update attempt a set full_until = a.full_until - t.step
from unnest($1::text[], $2::interval[]) as t (key, step) where a.key = t.key
"""


class PostgresAttempts:
    """The tables `attempt` and `familiar_address`."""

    def __init__(self, pool: Any) -> None:
        """Use the service's own pool."""
        self._pool = pool

    async def take(self, attempts: Sequence[Attempt], now: datetime) -> None:
        """Move the counters on in one transaction, which is undone when one of them is too far ahead."""
        by_key = {attempt.key: attempt for attempt in attempts}
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_TAKE, *_columns(attempts), now, BY_A_WRONG_CLOCK)
            refuse_early([by_key[row["key"]].wait(row["full_until"], now) for row in rows])

    async def give_back(self, attempts: Sequence[Attempt]) -> None:
        """Move the counters back."""
        await self._pool.execute(_GIVE_BACK, *_columns(attempts))

    async def forget(self, key: str) -> None:
        """Delete a counter."""
        await self._pool.execute("delete from attempt where key = $1", key)

    async def is_familiar(self, key: str) -> bool:
        """Look for a row."""
        found: bool = await self._pool.fetchval(
            "select exists (select from familiar_address where key = $1)", key
        )
        return found

    async def remember(self, key: str, now: datetime) -> None:
        """Insert or renew a row."""
        await self._pool.execute(
            "insert into familiar_address (key, seen_at) values ($1, $2)"
            " on conflict (key) do update set seen_at = excluded.seen_at",
            key,
            now,
        )


def refuse_early(waits: Sequence[timedelta]) -> None:
    """Raise TooManyAttempts with the longest wait, if any try comes too early."""
    longest = max(waits)
    if longest > timedelta(0):
        raise TooManyAttempts(-(-longest // timedelta(seconds=1)))


def _columns(attempts: Sequence[Attempt]) -> tuple[list[str], list[timedelta]]:
    return [attempt.key for attempt in attempts], [attempt.step for attempt in attempts]
