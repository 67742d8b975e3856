"""Does a backup hold what Kafka does not, and is a wrong one refused?"""

import os
import stat
import uuid
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from portal_events.keys import WrappedKey, to_record
from portal_eventstore.backup.archive import Archive, BackupError
from portal_eventstore.backup.load import load
from portal_eventstore.backup.write import back_up
from portal_eventstore.kafka import Outgoing, Publisher
from portal_eventstore.restore.events import import_events, only_restore
from portal_eventstore.restore.keys import restore_keys
from portal_eventstore.testing.kafka_log import Log, effects, migrate, opened_log
from portal_eventstore.view import view_of

pytestmark = pytest.mark.connected

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
OWN = """
create table credential (id uuid primary key, hash text not null, note bytea);
create table counter (n bigint generated always as identity primary key, what text);
create table test_migration (version text primary key);
insert into test_migration values ('0001'), ('0002');
create table store_like (only_row boolean primary key default true, position bigint);
insert into store_like values (true, 0);
"""


@pytest.fixture
async def log(log_url: str, kafka: str) -> AsyncIterator[Log]:
    async with opened_log(log_url, kafka, partitions=2) as log:
        await log.pool.execute(OWN)
        yield log


async def empty(log: Log) -> None:
    await log.pool.execute("drop schema public cascade")
    await log.pool.execute("create schema public")
    await migrate(log.database_url)
    await log.pool.execute(OWN)
    await log.pool.expire_connections()


async def saved(log: Log, folder: Path) -> Path:
    path, _ = await back_up(
        log.database_url, log.owner, [view_of(effects(log.counted))], ["test_migration"], folder, NOW
    )
    return path


async def loaded(log: Log, path: Path, service: str | None = None) -> int:
    archive = Archive.opened(path)
    try:
        async with only_restore(log.database_url, log.owner) as connection:
            return await load(connection, archive, service or log.owner, [view_of(effects(log.counted))])
    finally:
        archive.close()


async def contents(log: Log) -> list[Any]:
    tables = ("event", "event_tag", "credential", "counter", "store_like")
    return [
        sorted(tuple(row) for row in await log.pool.fetch(f"select * from {table}"))  # noqa: S608  our own names
        for table in tables
    ]


async def filled(log: Log) -> None:
    await log.pool.execute(
        "insert into credential values ($1, $2, $3)", uuid.uuid4(), "tab\t\\ new\nline Zażółć", b"\x00\xff"
    )
    await log.pool.execute("insert into counter (what) values ('a'), (null)")
    await log.pool.execute("update store_like set position = 7")
    await log.append(uuid.uuid4(), 1, 2)


async def test_given_a_lost_database_when_a_backup_is_loaded_then_every_row_is_there_and_younger_events_too(
    log: Log, tmp_path: Path
) -> None:
    await filled(log)
    path = await saved(log, tmp_path / "backups")
    before = await contents(log)
    await log.append(uuid.uuid4(), 3)
    await log.publish(await log.store.tail(0, 10))
    after = await contents(log)
    await empty(log)

    assert await loaded(log, path) > 0
    assert await contents(log) == before
    async with only_restore(log.database_url, log.owner) as connection:
        done = await import_events(connection, log.owner, log.servers)

    assert done.events == 1
    assert await contents(log) == after
    assert await log.append(uuid.uuid4(), 4) == 4
    assert await log.pool.fetchval("insert into counter (what) values ('b') returning n") == 3


async def test_given_a_backup_when_it_was_made_then_only_its_owner_reads_it_and_it_holds_no_view(
    log: Log, tmp_path: Path
) -> None:
    await log.pool.execute(view_of(effects(log.counted)).table)
    path = await saved(log, tmp_path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [f"{log.owner}-20260329T120000Z.backup"]
    parts = Archive.opened(path).manifest.parts
    assert {"event", "event_tag", "relay", "credential", "parked"} <= set(parts)
    assert not {"effect", "store_identity", "projection_position", "test_migration"} & set(parts)


async def test_given_a_store_that_holds_events_when_loaded_then_refused_and_unchanged(
    log: Log, tmp_path: Path
) -> None:
    await filled(log)
    path = await saved(log, tmp_path)
    await log.append(uuid.uuid4(), 3)
    before = await contents(log)

    with pytest.raises(BackupError, match="holds events"):
        await loaded(log, path)
    assert await contents(log) == before


async def test_given_another_services_or_a_newer_backup_when_loaded_then_refused(
    log: Log, tmp_path: Path
) -> None:
    path = await saved(log, tmp_path)
    with pytest.raises(BackupError, match=f"a backup of {log.owner}, not of other"):
        await loaded(log, path, "other")
    await log.pool.execute("delete from test_migration where version = '0002'")
    with pytest.raises(BackupError, match="newer portal: it has migration 0002"):
        await loaded(log, path)


def _with(path: Path, member: str, content: bytes) -> Path:
    changed = path.with_suffix(".changed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return changed


async def test_given_a_damaged_backup_when_opened_then_it_says_so(log: Log, tmp_path: Path) -> None:
    await filled(log)
    path = await saved(log, tmp_path)
    with pytest.raises(BackupError, match="the table credential was changed"):
        Archive.opened(_with(path, "credential", b"x"))
    with zipfile.ZipFile(path) as archive:
        fields = orjson.loads(archive.read("manifest.json"))
    with pytest.raises(BackupError, match="its manifest was changed"):
        Archive.opened(_with(path, "manifest.json", orjson.dumps({**fields, "service": "other"})))
    whole, manifest = path.read_bytes(), Archive.opened(path).manifest
    for length in (0, 10, len(whole) // 2, len(whole) - 10):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:length])
        with pytest.raises(BackupError, match="damaged"):
            Archive.opened(cut)
    for place in range(40, len(whole) // 2, 37):
        cut.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            found = Archive.opened(cut).manifest
        except BackupError:
            continue
        # A byte that says nothing, a file's date for example: all parts have their digests.
        assert found == manifest
    with pytest.raises(BackupError, match="cannot be read"):
        Archive.opened(tmp_path / "absent")


async def test_given_no_room_when_made_then_nothing_is_left(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackupError, match="could not be written"):
        await saved(log, tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_hazard_an_erased_key_comes_back_with_a_backup(log: Log) -> None:
    """Its tombstone, too, may be compacted away: what was published and is not in Kafka was erased."""
    await log.pool.execute(
        "create table issued_key (patient_id uuid primary key, kek_version int not null, "
        "ciphertext bytea not null, published_at timestamptz)"
    )
    kept, erased, young = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    rows = [(erased, 1, b"e", NOW), (young, 1, b"y", None)]
    await log.pool.executemany("insert into issued_key values ($1, $2, $3, $4)", rows)
    publisher = await Publisher.connect(log.servers)
    key, value = to_record(WrappedKey(kept, 1, b"k" * 60))
    await publisher.publish(log.topic, 0, [Outgoing(key, value)])
    await publisher.close()

    async with log.pool.acquire() as connection:
        found = await restore_keys(connection, log.servers, log.topic)

    assert found == (1, 1)
    left = await log.pool.fetch("select patient_id, published_at is not null as told from issued_key")
    assert {row["patient_id"]: row["told"] for row in left} == {kept: True, young: False}
