import base64
import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal_events.keys import (
    FileKeyWrap,
    KeyFileError,
    KeyRecordError,
    KeyUnwrapError,
    KeyWrap,
    WrappedKey,
    from_record,
    new_data_key,
    patient_of,
    read_key,
    to_record,
)

ANNA = UUID("0195573e-7b1c-7c02-b0a4-00000000000a")
JAN = UUID("0195573e-7b1c-7c02-b0a4-00000000000b")
DATA_KEY = bytes(range(32))


def key_file(folder: Path, key: bytes, name: str = "key") -> Path:
    path = folder / name
    path.write_text(base64.urlsafe_b64encode(key).decode() + "\n", encoding="ascii")
    return path


@pytest.fixture
def wrap(tmp_path: Path) -> KeyWrap:
    return FileKeyWrap(key_file(tmp_path, b"\x01" * 32))


def test_given_a_data_key_when_wrapped_and_unwrapped_then_the_same(wrap: KeyWrap) -> None:
    wrapped = wrap.wrap(ANNA, DATA_KEY)
    assert wrap.unwrap(wrapped) == DATA_KEY
    assert (wrapped.patient_id, wrapped.kek_version) == (ANNA, 1)
    assert DATA_KEY not in wrapped.ciphertext
    assert wrap.wrap(ANNA, DATA_KEY).ciphertext != wrapped.ciphertext


def test_given_another_key_encryption_key_when_unwrapped_then_refused(wrap: KeyWrap, tmp_path: Path) -> None:
    other = FileKeyWrap(key_file(tmp_path, b"\x02" * 32, "other"))
    with pytest.raises(KeyUnwrapError, match=f"^patient {ANNA}$"):
        other.unwrap(wrap.wrap(ANNA, DATA_KEY))


def test_given_another_version_of_the_key_encryption_key_when_unwrapped_then_refused_by_name(
    wrap: KeyWrap, tmp_path: Path
) -> None:
    newer = FileKeyWrap(key_file(tmp_path, b"\x01" * 32), version=2)
    with pytest.raises(KeyUnwrapError, match="wrapped under key-encryption key 1, this one is 2"):
        newer.unwrap(wrap.wrap(ANNA, DATA_KEY))
    with pytest.raises(KeyUnwrapError):
        newer.unwrap(replace(wrap.wrap(ANNA, DATA_KEY), kek_version=2))


def test_given_another_patients_wrapped_key_when_unwrapped_as_ones_own_then_refused(wrap: KeyWrap) -> None:
    with pytest.raises(KeyUnwrapError, match=f"^patient {JAN}$"):
        wrap.unwrap(replace(wrap.wrap(ANNA, DATA_KEY), patient_id=JAN))


@pytest.mark.parametrize("at", [0, 11, 12, 43, 59])
def test_given_an_altered_byte_when_unwrapped_then_refused(wrap: KeyWrap, at: int) -> None:
    wrapped = wrap.wrap(ANNA, DATA_KEY)
    altered = bytearray(wrapped.ciphertext)
    altered[at] ^= 1
    with pytest.raises(KeyUnwrapError):
        wrap.unwrap(replace(wrapped, ciphertext=bytes(altered)))


@pytest.mark.parametrize("ciphertext", [b"", b"short", b"x" * 12])
def test_given_something_too_short_when_unwrapped_then_refused(wrap: KeyWrap, ciphertext: bytes) -> None:
    with pytest.raises(KeyUnwrapError):
        wrap.unwrap(WrappedKey(ANNA, 1, ciphertext))


def test_given_a_key_of_another_length_when_wrapped_then_refused(wrap: KeyWrap) -> None:
    with pytest.raises(ValueError, match=r"^a data key has 32 bytes, not 16$"):
        wrap.wrap(ANNA, bytes(16))


def test_given_new_data_keys_then_32_bytes_and_never_the_same() -> None:
    keys = {new_data_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}


def test_given_a_wrapped_key_when_printed_then_without_ciphertext() -> None:
    assert repr(WrappedKey(ANNA, 1, b"secret")) == f"WrappedKey(patient_id={ANNA!r}, kek_version=1)"


@given(patient_id=st.uuids(), kek_version=st.integers(1, 1000), ciphertext=st.binary(min_size=1, max_size=80))
def test_given_any_wrapped_key_when_published_then_it_reads_back(
    patient_id: UUID, kek_version: int, ciphertext: bytes
) -> None:
    wrapped = WrappedKey(patient_id, kek_version, ciphertext)
    assert from_record(*to_record(wrapped)) == wrapped


def test_given_a_wrapped_key_when_published_then_readable_json_under_the_patients_id() -> None:
    key, value = to_record(WrappedKey(ANNA, 3, b"\xfb\xff"))
    assert key == str(ANNA).encode()
    assert json.loads(value) == {"kekVersion": 3, "ciphertext": "-_8"}


def test_given_a_tombstone_when_read_then_none_and_its_key_names_the_patient() -> None:
    assert from_record(str(ANNA).encode(), None) is None
    assert patient_of(str(ANNA).encode()) == ANNA


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        (b"", None),
        (b"not-a-patient", None),
        (b"z" * 36, None),
        (b"\xff" * 36, None),
        (str(ANNA).encode(), b""),
        (str(ANNA).encode(), b"{"),
        (str(ANNA).encode(), b"[]"),
        (str(ANNA).encode(), b"{}"),
        (str(ANNA).encode(), b'{"kekVersion":1}'),
        (str(ANNA).encode(), b'{"kekVersion":"1","ciphertext":"AAAA"}'),
        (str(ANNA).encode(), b'{"kekVersion":1,"ciphertext":"A"}'),
        (str(ANNA).encode(), b'{"kekVersion":1,"ciphertext":"!!!!"}'),
        (str(ANNA).encode(), b'{"kekVersion":1,"ciphertext":null}'),
    ],
)
def test_given_a_malformed_record_when_read_then_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(KeyRecordError, match=r"^patient\.keys: "):
        from_record(key, value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 bytes where 32 are wanted"),
        ("AAAA", "3 bytes where 32 are wanted"),
        ("geheim!geheim!", "not base64url text"),
        ("ż", "not base64url text"),
    ],
)
def test_given_a_file_that_holds_no_key_when_read_then_refused_without_its_text(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KeyFileError) as refused:
        read_key(path)
    assert str(refused.value) == f"{path}: {reason}"
    assert refused.value.__cause__ is None


def test_given_no_file_when_read_then_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"nowhere: No such file or directory$"):
        read_key(tmp_path / "nowhere")


@pytest.mark.parametrize("padding", ["=", ""])
def test_given_a_key_with_or_without_padding_when_read_then_the_same(tmp_path: Path, padding: str) -> None:
    path = tmp_path / "key"
    text = base64.urlsafe_b64encode(DATA_KEY).decode().rstrip("=") + padding
    path.write_text(text, encoding="ascii")
    assert read_key(path) == DATA_KEY
