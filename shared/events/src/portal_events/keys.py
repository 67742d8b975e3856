"""How does a patient's data key travel to every service, and to nobody else?

identity makes one data key a patient and publishes it on `patient.keys`, wrapped: encrypted under a
key-encryption key that only services hold. The patient's id and the key-encryption key's version are
associated data, so a wrapped key serves no other patient. A tombstone there erases: what was sealed stays so.
"""

import base64
import binascii
import operator
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DATA_KEY_BYTES = 32
"""AES-256."""

_NONCE_BYTES = 12
_UUID_CHARACTERS = 36


class KeyFileError(Exception):
    """A key file is missing, or holds something else than 32 bytes in base64url."""


class KeyUnwrapError(Exception):
    """The wrapped key belongs to another key-encryption key or patient, or was altered."""


class KeyRecordError(Exception):
    """A record of `patient.keys` cannot be read."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A patient's data key as it may be stored and published. `ciphertext`: nonce, then AES-256-GCM."""

    patient_id: UUID
    kek_version: int
    ciphertext: bytes = field(repr=False)


class KeyWrap(Protocol):
    """What wraps data keys: the part of a key management service that the portal uses."""

    def wrap(self, patient_id: UUID, key: bytes) -> WrappedKey:
        """Encrypt a data key for `patient_id` under the newest key-encryption key."""
        ...

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Return the data key; raises KeyUnwrapError."""
        ...


class FileKeyWrap:
    """A KeyWrap whose key-encryption key lies in a file."""

    def __init__(self, path: Path, *, version: int = 1) -> None:
        """Read the key-encryption key; `version` names it in every key that it wraps."""
        self._cipher = AESGCM(read_key(path))
        self._version = version

    def wrap(self, patient_id: UUID, key: bytes) -> WrappedKey:
        """Encrypt a data key for `patient_id`."""
        if len(key) != DATA_KEY_BYTES:
            raise ValueError(f"a data key has {DATA_KEY_BYTES} bytes, not {len(key)}")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, key, _place(patient_id, self._version))
        return WrappedKey(patient_id, self._version, nonce + sealed)

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Return the data key; raises KeyUnwrapError."""
        if wrapped.kek_version != self._version:
            raise KeyUnwrapError(
                f"patient {wrapped.patient_id}: wrapped under key-encryption key {wrapped.kek_version}, "
                f"this one is {self._version}"
            )
        nonce, sealed = wrapped.ciphertext[:_NONCE_BYTES], wrapped.ciphertext[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, sealed, _place(wrapped.patient_id, self._version))
        except (InvalidTag, ValueError) as error:
            raise KeyUnwrapError(f"patient {wrapped.patient_id}") from error


def new_data_key() -> bytes:
    """Return a fresh random data key."""
    return os.urandom(DATA_KEY_BYTES)


def read_key(path: Path) -> bytes:
    """Return the 32 bytes that a key file holds as base64url text; raises KeyFileError."""
    try:
        text = path.read_text(encoding="ascii").strip()
        key = _from_base64url(text)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except ValueError:
        # Without the cause: it may quote the key.
        raise KeyFileError(f"{path}: not base64url text") from None
    if len(key) != DATA_KEY_BYTES:
        raise KeyFileError(f"{path}: {len(key)} bytes where {DATA_KEY_BYTES} are wanted")
    return key


def to_record(wrapped: WrappedKey) -> tuple[bytes, bytes]:
    """Return key and value of the record on `patient.keys`."""
    ciphertext = base64.urlsafe_b64encode(wrapped.ciphertext).decode().rstrip("=")
    value = orjson.dumps({"kekVersion": wrapped.kek_version, "ciphertext": ciphertext})
    return str(wrapped.patient_id).encode(), value


def from_record(key: bytes | None, value: bytes | None) -> WrappedKey | None:
    """Return the wrapped key, or None for a tombstone; raises KeyRecordError."""
    try:
        patient_id = patient_of(key)
        if value is None:
            return None
        fields = orjson.loads(value)
        kek_version, ciphertext = fields["kekVersion"], fields["ciphertext"]
        return WrappedKey(patient_id, operator.index(kek_version), _from_base64url(ciphertext))
    except (KeyError, TypeError, ValueError) as error:
        raise KeyRecordError(f"patient.keys: unreadable record: {type(error).__name__}: {error}") from error


def patient_of(key: bytes | None) -> UUID:
    """Return the patient whose key a record of `patient.keys` sets or, as a tombstone, erases."""
    if key is None or len(key) != _UUID_CHARACTERS:
        raise KeyRecordError("patient.keys: a record's key must be a patient id")
    try:
        return UUID(key.decode("ascii"))
    except ValueError as error:
        raise KeyRecordError("patient.keys: a record's key must be a patient id") from error


def _place(patient_id: UUID, version: int) -> bytes:
    return f"data-key/{version}/{patient_id}".encode()


def _from_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
