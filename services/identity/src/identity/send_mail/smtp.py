"""How does a mail get to the mail server, and what if it does not?

To a server on this machine, or one whose address says `?starttls=optional`, as it is; to any other only
encrypted: the mails hold links that open accounts.
"""

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

TIMEOUT_SECONDS: Final = 20.0

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SUBMISSION_PORT: Final = 587
_TLS_PORT: Final = 465
_PERMANENT: Final = range(500, 600)


class ServerAwayError(Exception):
    """The server takes no mails at the moment. The message names the error's class and code, nothing else."""


class MailDelayedError(Exception):
    """The server does not take this mail at the moment."""


class MailRefusedError(Exception):
    """The server will never take this mail."""


class Post(Protocol):
    """What carries mails."""

    async def open(self) -> None:
        """Get ready to deliver some, unless it is; raises ServerAwayError."""

    async def deliver(self, message: EmailMessage) -> None:
        """Hand over one; raises ServerAwayError, MailDelayedError or MailRefusedError."""

    async def close(self) -> None:
        """Deliver no more for now."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed over. `tls`: from the first byte; otherwise STARTTLS, which `local` may lack."""

    host: str
    port: int
    tls: bool
    local: bool
    username: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> "MailServer":
        """Read `smtp://` or `smtps://`, with credentials where the server wants them."""
        parts = urlsplit(url)
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname or "",
            port=parts.port or (_TLS_PORT if tls else _SUBMISSION_PORT),
            tls=tls,
            local=parts.hostname in _LOOPBACK or parse_qs(parts.query).get("starttls") == ["optional"],
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


class Smtp:
    """A Post over SMTP: one connection for the mails that wait together."""

    def __init__(self, server: MailServer) -> None:
        """Take the server; it need not be up."""
        self._server = server
        self._client: aiosmtplib.SMTP | None = None

    async def open(self) -> None:
        """Connect, encrypt, log in."""
        if self._client is not None:
            return
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls,
            # None: encrypted where the server offers it.
            start_tls=None if server.tls or server.local else True,
            timeout=TIMEOUT_SECONDS,
            # What names this machine to the server would be in every mail's trace.
            local_hostname="localhost",
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise ServerAwayError(_named(error)) from error
        self._client = client

    async def deliver(self, message: EmailMessage) -> None:
        """Send one mail over the open connection."""
        if self._client is None:
            raise ServerAwayError("not connected")
        try:
            await self._client.send_message(message)
        except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPNotSupported) as error:
            if _is_permanent(error):
                raise MailRefusedError(_named(error)) from error
            raise MailDelayedError(_named(error)) from error
        except aiosmtplib.SMTPDataError as error:
            if error.code in _PERMANENT:
                raise MailRefusedError(_named(error)) from error
            raise MailDelayedError(_named(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            # A refused sender, too, is the operator's to mend.
            raise ServerAwayError(_named(error)) from error

    async def close(self) -> None:
        """Say goodbye, if anybody listens."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError):
            client.close()


def _is_permanent(error: aiosmtplib.SMTPException) -> bool:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(recipient.code in _PERMANENT for recipient in error.recipients)
    return True


def _named(error: Exception) -> str:
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"
