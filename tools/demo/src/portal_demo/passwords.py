"""Which password does a demo account have?

It follows from a random secret of this portal, kept beside its keys: nobody can know it from the source, and
a seed that was interrupted goes on with the same passwords.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

_FILE = "demo-passwords"
_CHARACTERS = 20


class Passwords:
    """The demo accounts' passwords in one portal."""

    def __init__(self, folder: Path) -> None:
        """Read the secret, made on first use."""
        path = folder / _FILE
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32))
        self._key = path.read_bytes()

    def of(self, email: str) -> str:
        """Return the password of the account with this address."""
        digest = hmac.digest(self._key, email.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode()[:_CHARACTERS]
