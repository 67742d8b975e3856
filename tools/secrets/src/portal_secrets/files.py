"""Which keys and passwords does a portal need, and how are they made and kept?

Each secret is one file of mode 0600 in a folder of mode 0700, made once and never overwritten.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

SYMMETRIC_KEYS = ("key-encryption-key", "uniqueness-key", "request-key-booking", "request-key-identity")
SIGNING_KEY = "gateway-signing-key.pem"
PUBLIC_KEY = "gateway-public-key.pem"


def make_secrets(folder: Path) -> None:
    """Make every key that is missing."""
    for name in SYMMETRIC_KEYS:
        secret(folder / name, new_symmetric_key)
    make_signing_keys(folder)


def password(folder: Path, name: str) -> str:
    """Read a password, made on first use."""
    return secret(folder / f"password-{name}", new_password)


def secret(path: Path, make: Callable[[], str]) -> str:
    """Read a secret, made on first use."""
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()


def new_password() -> str:
    """Make a password of 48 hexadecimal digits, which nothing needs to quote."""
    return secrets.token_hex(24)


def new_symmetric_key() -> str:
    """Make 32 random bytes as base64url text."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def make_signing_keys(folder: Path) -> None:
    """Make the gateway's key pair; services get the public half only."""
    if (folder / SIGNING_KEY).exists() and (folder / PUBLIC_KEY).exists():
        return
    for name, text in new_signing_keys().items():
        write_private(folder / name, text)


def new_signing_keys() -> dict[str, str]:
    """Make an Ed25519 pair as PEM; each half stands under its file's name."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow, and needed once
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {PUBLIC_KEY: public.decode(), SIGNING_KEY: private.decode()}


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically; only its owner can read it."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
