"""How can a value be found again, and kept unique, without being shown?

A blind index replaces it by an HMAC-SHA-256 under a key that only its owner holds: equal values have equal
tags, and nobody without the key can guess what a tag stands for (a plain hash of a PESEL falls in seconds).
"""

import hashlib
import hmac
import unicodedata
from pathlib import Path

import idna

from portal_events.keys import DATA_KEY_BYTES, read_key


class EmailMalformedError(ValueError):
    """The text is no e-mail address; the message does not repeat it."""


class BlindIndex:
    """Tags of values under one key. `version` rises when the key is replaced."""

    def __init__(self, key: Path | bytes, *, version: int = 1) -> None:
        """Take the key itself, or the file that holds it."""
        if isinstance(key, Path):
            key = read_key(key)
        if len(key) < DATA_KEY_BYTES:
            raise ValueError(f"a blind index needs a key of {DATA_KEY_BYTES} bytes")
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)
        self._prefix = f"v{version}:"

    def tag(self, text: str) -> str:
        """Return `v<version>:` and the HMAC in hexadecimal. The caller normalises `text` first."""
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return self._prefix + keyed.hexdigest()


def normalise_email(address: str) -> str:
    """Return the one spelling under which an address is unique; raises EmailMalformedError.

    Lower case, NFC, the domain as A-labels (IDNA 2008 with UTS 46 mapping). The local part is case-sensitive
    by RFC 5321 2.4, but no provider that people use treats it so.
    """
    local, at, domain = address.strip().rpartition("@")
    if not (local and at) or any(c.isspace() or not c.isprintable() for c in local):
        raise EmailMalformedError("not an e-mail address")
    try:
        ascii_domain = idna.encode(domain.removesuffix("."), uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        # Without the cause: it quotes a part of the address.
        raise EmailMalformedError("not an e-mail address") from None
    return f"{_nfc(_nfc(local).lower())}@{ascii_domain.lower()}"


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
