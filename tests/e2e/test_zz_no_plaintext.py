"""Does anything that a person typed lie anywhere in the clear? Last of all: everything was typed before."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from portal_events.topics import TOPICS
from portal_faults.running import RunningPortal

from .browser import Patient
from .people import Typed

pytestmark = pytest.mark.connected

STREET = "ul. Domaniewska 41B"  # a facility's: public, in booking's events and views
PIECE = 8 * 1024**2


class Search:
    """Looks for many texts in many bytes, with grep, whose time does not grow with the number of texts.

    NUL bytes are left out on both sides: half of a database's files is zeros, and no text
    can hide behind that.
    """

    def __init__(self, needles: Iterable[bytes]) -> None:
        self._needles = {needle.translate(None, b"\0"): needle for needle in needles}
        assert all(self._needles), "an empty text would be found everywhere"
        assert not any(b"\n" in text for text in self._needles), "grep takes each line for a text of its own"

    def within(self, haystack: bytes) -> set[bytes]:
        """Return what stands in some bytes."""
        return self._found([haystack])

    def file(self, path: Path) -> set[bytes]:
        """Return what stands in a file."""
        return self._found(pieces(path))

    def files(self, paths: Sequence[Path]) -> dict[str, set[bytes]]:
        """Return what stands where."""
        found = self._found(piece for path in paths for piece in (*pieces(path), b"\n"))
        texts = {text: needle for text, needle in self._needles.items() if needle in found}
        return {str(path): there for path in paths if (there := _standing(texts, path))}

    def _found(self, haystack: Iterable[bytes]) -> set[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            texts, hits = Path(folder) / "texts", Path(folder) / "hits"
            texts.write_bytes(b"\n".join(self._needles))
            command = ["grep", "--fixed-strings", "--text", "--only-matching", "--file", str(texts)]
            # In this locale grep compares bytes; what is no UTF-8 would be left out in another one.
            environment = {**os.environ, "LC_ALL": "C"}
            with (
                hits.open("wb") as out,
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, env=environment) as grep,
            ):
                assert grep.stdin is not None
                for piece in haystack:
                    grep.stdin.write(piece.translate(None, b"\0"))
                grep.stdin.close()
            assert grep.returncode in {0, 1}
            return {self._needles[hit] for hit in set(hits.read_bytes().split(b"\n")) if hit}


def _standing(texts: Mapping[bytes, bytes], path: Path) -> set[bytes]:
    """Look for the few texts that are somewhere at all; one may lie across two pieces."""
    found: set[bytes] = set()
    rest = b""
    for piece in pieces(path) if texts else ():
        whole = rest + piece.translate(None, b"\0")
        found |= {needle for text, needle in texts.items() if text in whole}
        rest = whole[-max(map(len, texts)) :]
    return found


def pieces(path: Path) -> Iterator[bytes]:
    """Read a file, which a server may remove or replace meanwhile."""
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except FileNotFoundError:
        pass


async def test_given_all_that_people_typed_when_every_byte_is_searched_then_none_of_it_is_there(
    servers: Mapping[str, str],
    portal: RunningPortal,
    known_patient: Patient,
    typed: Typed,
    tmp_path: Path,
) -> None:
    browser = known_patient.browser
    slot = (await browser.slots("Internist", city="Warszawa"))[-1]
    booked = await browser.book(slot["slotId"], reason=typed.reason("Szukaj mnie"))
    assert booked.status_code == 201, booked.text
    await browser.timeline()

    files, rows = await files_of(servers, portal), await rows_of(portal)
    records = await portal.records(*TOPICS, "__consumer_offsets")
    needles = typed.needles()
    search = Search(needles)
    found: dict[str, object] = {where: search.files(paths) for where, paths in files.items()}
    found["rows"] = {table: hits for table, text in rows.items() if (hits := search.within(text))}
    found["records"] = search.within(whole(records))
    assert {where: hits for where, hits in found.items() if hits} == {}

    # That nothing was found proves something only if what is there is found in the same places, the same way.
    public = Search([STREET.encode()])
    marker = portal.logs / "marker.log"
    marker.write_text(f'{{"event":"{STREET}"}}\n')
    assert public.files(files["PostgreSQL"])
    assert str(marker) in public.files((await files_of(servers, portal))["state and logs"])
    assert {table for table, content in rows.items() if public.within(content)} == {
        "booking.event",
        "booking.catalogue_facility",
        "booking.free_slots_offer",
        "booking.free_slots_place",
        "gateway.directory",
    }
    assert public.within(whole(records))
    opaque = known_patient.patient_id.encode()
    assert Search([opaque]).files(files["Kafka"]), "keys are not compressed away"
    assert {record.topic for record in records if opaque in (record.key or b"")} >= {
        "booking.events",
        "identity.events",
        "patient.keys",
    }
    assert any(opaque in value for record in records for _, value in record.headers)
    typed_by_hand = tmp_path / "typed"
    typed_by_hand.write_bytes(b"\n".join(needle[:1] + b"\0" + needle[1:] for needle in sorted(needles)))
    assert search.file(typed_by_hand) == needles


async def files_of(servers: Mapping[str, str], portal: RunningPortal) -> dict[str, list[Path]]:
    """List the files that were written in this session: the servers are older and hold others' data."""
    connection = await asyncpg.connect(servers["PORTAL_TEST_DATABASE_URL"])
    try:
        await connection.execute("checkpoint")
    finally:
        await connection.close()
    servers_logs = Path(servers["PORTAL_TEST_STATE"]) / "logs"
    folders = {
        "PostgreSQL": [Path(servers["PORTAL_TEST_PG_DATA"])],
        "Kafka": [Path(servers["PORTAL_TEST_KAFKA_DATA"])],
        "state and logs": [portal.state, portal.output.parent, servers_logs],
    }
    # The local mailbox stands for people's own mail providers: what was sent lies there in the clear.
    return {
        name: [
            path
            for folder in roots
            for path in folder.rglob("*")
            if portal.mails not in path.parents and written_since(path, portal.began)
        ]
        for name, roots in folders.items()
    }


def written_since(path: Path, began: float) -> bool:
    """Tell whether a regular file may hold something of this session."""
    try:
        return path.is_file() and path.stat().st_mtime >= began
    except FileNotFoundError:
        return False


async def rows_of(portal: RunningPortal) -> dict[str, bytes]:
    """Return every table's rows as text: in the files a long value may lie compressed (TOAST)."""
    found: dict[str, bytes] = {}
    for service, url in portal.database_urls.items():
        connection = await asyncpg.connect(url)
        try:
            for table in await connection.fetch(
                "select tablename from pg_tables where schemaname = 'public'"
            ):
                content = io.BytesIO()
                await connection.copy_from_table(table["tablename"], output=content)
                found[f"{service}.{table['tablename']}"] = content.getvalue()
        finally:
            await connection.close()
    return found


def whole(records: Iterable[ConsumerRecord]) -> bytes:
    """Return all that records carry, decompressed: keys, values, names and values of headers."""
    parts: list[bytes] = []
    for record in records:
        parts += [record.key or b"", record.value or b""]
        parts += [part for name, value in record.headers for part in (name.encode(), value)]
    return b"\n".join(parts)
