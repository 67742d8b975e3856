"""Which keys do the chassis' tests share?"""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from portal_eventstore.testing.planting import plant_named


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant_named(Path(__file__).parent)


@pytest.fixture
def key_pair(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    def make(name: str) -> tuple[Path, Path]:
        key = Ed25519PrivateKey.generate()
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub.pem"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return private, public

    return make


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "request.key"
    path.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("="))
    return path
