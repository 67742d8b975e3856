"""Are secrets made once, private, the same for all who share them, and never made anew beside old data?"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portal_secrets.containers import LASTING, READERS, LostSecretsError, make_container_secrets
from portal_secrets.files import PUBLIC_KEY, SIGNING_KEY, SYMMETRIC_KEYS, make_secrets


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the secrets of a portal of containers."""
    make_container_secrets(tmp_path / "secrets")
    return tmp_path / "secrets"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a folder that PostgreSQL has filled."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("17")
    return tmp_path / "data"


def test_given_an_empty_folder_when_secrets_are_made_twice_then_private_and_unchanged(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    first = contents(tmp_path)
    make_secrets(tmp_path)
    assert contents(tmp_path) == first
    assert set(first) == {*SYMMETRIC_KEYS, SIGNING_KEY, PUBLIC_KEY}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in tmp_path.iterdir())
    assert all(len(base64.urlsafe_b64decode(first[name])) == 32 for name in SYMMETRIC_KEYS)


def test_given_no_secrets_for_containers_when_made_twice_then_each_reader_has_its_own_unchanged(
    folder: Path,
) -> None:
    first = contents(folder)
    assert make_container_secrets(folder) == []
    assert contents(folder) == first
    assert set(first) == {f"{reader}/{name}" for name, readers in READERS.items() for reader in readers}
    for name, readers in READERS.items():
        assert len({first[f"{reader}/{name}"] for reader in readers}) == 1, name
    keys = [first[f"identity/{name}"] for name in SYMMETRIC_KEYS if name != "request-key-booking"]
    assert all(len(base64.urlsafe_b64decode(key)) == 32 for key in keys)
    assert len({first[f"{readers[0]}/{name}"] for name, readers in READERS.items()}) == len(READERS)


def test_given_secrets_for_containers_when_looked_at_then_containers_read_them_and_only_the_owner_gets_there(
    folder: Path,
) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(place.stat().st_mode & 0o777 == 0o755 for place in folder.iterdir())
    assert all(file.stat().st_mode & 0o777 == 0o444 for file in folder.glob("*/*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_given_root_makes_them_in_anothers_folder_then_they_are_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    os.chown(folder, 4242, 4343)
    (folder / "booking").mkdir()
    make_container_secrets(folder)
    assert {(place.stat().st_uid, place.stat().st_gid) for place in folder.rglob("*")} == {(4242, 4343)}


def test_given_a_copy_is_gone_when_made_again_then_it_is_that_of_the_other_readers(folder: Path) -> None:
    first = contents(folder)
    shutil.rmtree(folder / "booking")
    assert set(make_container_secrets(folder)) == {"request-key-booking"}
    assert {k: v for k, v in contents(folder).items() if k != "booking/request-key-booking"} == {
        k: v for k, v in first.items() if k != "booking/request-key-booking"
    }


def test_given_half_of_the_signing_pair_is_gone_when_made_again_then_both_are_new(folder: Path) -> None:
    first = contents(folder)
    (folder / "gateway" / SIGNING_KEY).unlink()
    assert set(make_container_secrets(folder)) == {SIGNING_KEY, PUBLIC_KEY}
    now = contents(folder)
    assert now[f"booking/{PUBLIC_KEY}"] == now[f"identity/{PUBLIC_KEY}"] != first[f"booking/{PUBLIC_KEY}"]
    assert now[f"gateway/{SIGNING_KEY}"] != first[f"gateway/{SIGNING_KEY}"]


@pytest.mark.parametrize("name", sorted(LASTING))
def test_given_data_when_what_it_was_made_with_is_gone_then_refused_in_a_sentence_and_nothing_is_made(
    folder: Path, data: Path, name: str
) -> None:
    for reader in READERS[name]:
        (folder / reader / name).unlink()
    before = contents(folder)
    done = subprocess.run(
        [sys.executable, "-m", "portal_secrets", folder, data], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"lacks {name}: bring the files" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert contents(folder) == before


def test_given_data_and_no_secret_at_all_when_made_then_refused(tmp_path: Path, data: Path) -> None:
    with pytest.raises(LostSecretsError, match="key-encryption-key"):
        make_container_secrets(tmp_path / "none", data)
    assert contents(tmp_path / "none") == {}


def test_given_data_when_only_a_services_password_is_gone_then_a_new_one_for_it_and_for_postgresql(
    folder: Path, data: Path
) -> None:
    first = contents(folder)
    for reader in READERS["password-booking"]:
        (folder / reader / "password-booking").unlink()
    assert make_container_secrets(folder, data) == ["password-booking"]
    now = contents(folder)
    assert now["booking/password-booking"] == now["postgres/password-booking"]
    assert now["booking/password-booking"] != first["booking/password-booking"]


def test_given_no_data_yet_when_made_then_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert set(make_container_secrets(tmp_path / "secrets", tmp_path / "data")) == set(READERS)
