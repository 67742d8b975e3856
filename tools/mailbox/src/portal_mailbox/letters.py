"""What does a mail say? Addresses, subject and text, decoded, whatever its encodings."""

from __future__ import annotations

import datetime as dt
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.parser import BytesParser

DELIVERED_TO = "Delivered-To"
"""The header in which the mailbox notes to whom a mail was addressed on the envelope, one each."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail without its text; `to` are the envelope's addresses, `received_at` is UTC."""

    id: str
    to: tuple[str, ...]
    sender: str
    subject: str
    received_at: dt.datetime


def read_letter(letter_id: str, content: bytes, received_at: dt.datetime) -> Letter:
    """Read what a list shows of a mail."""
    message = parsed(content, headers_only=True)
    return Letter(
        id=letter_id,
        to=tuple(str(address) for address in message.get_all(DELIVERED_TO, [])),
        sender=str(message.get("From", "")),
        subject=str(message.get("Subject", "")),
        received_at=received_at,
    )


def read_text(content: bytes) -> str:
    """Return the mail's plain text, or its HTML as it is written where there is no other."""
    message = parsed(content, headers_only=False)
    body = message.get_body(("plain", "html"))
    return "" if body is None else decoded(body)


def parsed(content: bytes, *, headers_only: bool) -> EmailMessage:
    """Parse a mail with decoded headers."""
    return BytesParser(EmailMessage, policy=email.policy.default).parsebytes(
        content, headersonly=headers_only
    )


def decoded(part: Message) -> str:
    """Decode a text part; what its charset cannot explain becomes a mark, not an error."""
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    try:
        return raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")
