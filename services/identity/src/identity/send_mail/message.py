"""What does a mail look like on its way?"""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Final

from identity.mail_orders import MailKind
from identity.send_mail.words import WORDS
from portal_events.blind import normalise_email

_PATHS: Final = {
    MailKind.RESET_PASSWORD: "password-reset",
    MailKind.CONFIRM_EMAIL: "email-confirmation",
    MailKind.APPROVE_FROM_OLD_EMAIL: "email-confirmation",
    MailKind.APPROVE_FROM_NEW_EMAIL: "email-confirmation",
}
"""Which page of the gateway reads the token; it stands behind the #, which no server is sent."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Whom mails are from, and where their links lead."""

    sender: Address
    public_url: str

    def write(
        self, kind: MailKind, *, to: str, language: str, token: str | None, now: datetime
    ) -> EmailMessage:
        """Write a mail; `token` ends its link, where it has one."""
        words = WORDS[language][kind]
        portal = self.public_url.rstrip("/")
        link = "" if token is None else f"{portal}/{_PATHS[kind]}#{token}"
        message = EmailMessage(policy=SMTP)
        message["From"] = self.sender
        message["To"] = _recipient(to)
        message["Subject"] = words.subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = make_msgid(domain=self.sender.domain)
        # No answering machine answers this (RFC 3834, 5).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(words.text.format(link=link, portal=portal), cte="quoted-printable")
        message["Content-Language"] = language
        return message


def _recipient(address: str) -> Address:
    """Return the address as servers take it: the domain in ASCII (IDNA), the rest as it was typed."""
    local, _, _ = address.strip().rpartition("@")
    _, _, domain = normalise_email(address).rpartition("@")
    return Address(username=local, domain=domain)
