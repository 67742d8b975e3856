"""Where do the portal's mails go when no mail server was given? Into a mailbox beside it, and no further."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from portal_launcher.layout import Layout
from portal_launcher.supervise import Program

MAILBOX, SMTP = "mailbox", "mailbox-smtp"
"""The mailbox's process, which is also the name of its page's port, and the port that receives."""


def smtp_url(ports: Mapping[str, int]) -> str:
    """Say where mails are sent: to the server given in the environment, else to the mailbox."""
    return os.environ.get("SMTP_URL") or f"smtp://127.0.0.1:{ports[SMTP]}"


def ports_needed() -> list[str]:
    """Name the mailbox's ports; none when a mail server was given."""
    return [] if os.environ.get("SMTP_URL") else [MAILBOX, SMTP]


def mailbox_program(layout: Layout, ports: Mapping[str, int]) -> Program:
    """Describe the mailbox's process."""
    command = [sys.executable, "-m", "portal_mailbox", "--folder", str(layout.state / "mails")]
    command += ["--smtp-port", str(ports[SMTP]), "--http-port", str(ports[MAILBOX])]
    return Program(
        name=MAILBOX,
        command=command,
        environment=dict(os.environ),
        log=layout.logs / "mailbox.log",
        directory=layout.root,
        port=ports[MAILBOX],
        http=True,
    )
