"""How do mails come in? By SMTP, from anybody to anybody, and no further."""

from __future__ import annotations

import asyncio
import datetime as dt

from aiosmtpd.smtp import SMTP, Envelope, Session

from portal_mailbox.folder import Folder

MAX_BYTES = 16 * 1024**2


class Receiver:
    """Keeps what arrives."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep one mail (the name is the library's)."""
        content = envelope.content
        self._folder.add(
            envelope.rcpt_tos,
            content if isinstance(content, bytes) else (content or "").encode(),
            dt.datetime.now(dt.UTC),
        )
        return "250 Kept"


async def listen(folder: Folder, host: str, port: int) -> asyncio.Server:
    """Receive mails."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(
            Receiver(folder),
            hostname="mailbox.localhost",
            ident="mailbox",
            enable_SMTPUTF8=True,
            data_size_limit=MAX_BYTES,
            loop=loop,
        ),
        host,
        port,
    )
