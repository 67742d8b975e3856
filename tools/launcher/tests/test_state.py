"""Are secrets private and lasting, ports remembered, and strangers' processes left alone?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from portal_launcher import migrations
from portal_launcher.ports import internal_ports
from portal_launcher.processes import ProcessId, identify, is_alive, stop_leftovers
from portal_launcher.run_file import read_run
from portal_launcher.services import SERVICES, Wiring


def test_given_ports_picked_before_when_picked_again_then_the_same_unless_taken(tmp_path: Path) -> None:
    first = internal_ports(tmp_path, ["a", "b"])
    assert internal_ports(tmp_path, ["a", "b"]) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["a"]))
        other.listen()
        second = internal_ports(tmp_path, ["a", "b"])
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


def test_given_a_pid_that_is_a_strangers_now_when_leftovers_are_stopped_then_it_lives() -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        identity = identify(stranger.pid)
        assert identity is not None
        recorded = ProcessId(identity.pid, identity.started - 1)
        assert stop_leftovers([("kafka", recorded, 15)]) == []
        assert is_alive(identity)
        assert stop_leftovers([("kafka", identity, 15)]) == ["kafka"]
    finally:
        stranger.kill()
        stranger.wait()


def test_given_half_a_run_file_when_read_then_there_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"pid": 1, "proce')
    assert read_run(tmp_path / "run.json") is None


def test_given_the_services_when_wired_then_none_is_told_anothers_database_or_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL_IDENTITY", "postgresql://identity")
    monkeypatch.setenv("SMTP_URL", "smtp://user:secret@127.0.0.1:25")
    names = [service.name for service in SERVICES]
    wiring = Wiring(
        root=tmp_path,
        logs=tmp_path,
        secrets=tmp_path,
        bootstrap_servers="127.0.0.1:1",
        database_urls={name: f"postgresql://{name}" for name in names},
        ports={name: 20_000 + number for number, name in enumerate(names)},
        public_url="http://127.0.0.1:8080",
        smtp_url="smtp://user:secret@127.0.0.1:25",
    )
    by_name = {service.name: wiring.environment(service, service.name) for service in SERVICES}
    assert by_name["booking"]["DATABASE_URL"] == "postgresql://booking"
    assert "identity" not in by_name["booking"]["DATABASE_URL"]
    assert [name for name in names if "DATABASE_URL_IDENTITY" in by_name[name]] == []
    assert [name for name in names if "UNIQUENESS_KEY_FILE" in by_name[name]] == ["identity"]
    assert [name for name in names if "GATEWAY_SIGNING_KEY_FILE" in by_name[name]] == ["gateway"]
    assert [name for name in names if "SMTP_URL" in by_name[name]] == ["identity"]
    assert by_name["identity"]["MAIL_FROM"] == "Zdrovia <no-reply@zdrovia.example>"
    assert by_name["identity"]["PUBLIC_URL"] == "http://127.0.0.1:8080"
    assert by_name["booking"]["REQUEST_KEY_FILE"] != by_name["identity"]["REQUEST_KEY_FILE"]
    assert by_name["gateway"]["IDENTITY_URL"] == "http://127.0.0.1:20000"
    assert by_name["gateway"]["PATH"] == os.environ["PATH"]


def test_given_migrated_databases_when_code_sql_or_data_change_then_they_are_migrated_again(
    tmp_path: Path,
) -> None:
    sql = tmp_path / "services" / "booking" / "migrations" / "0001.sql"
    sql.parent.mkdir(parents=True)
    sql.write_text("create table a ()")
    (tmp_path / "requirements.lock").write_text("a==1")
    data = tmp_path / "data"
    data.mkdir()
    assert not migrations.are_done(data, tmp_path)
    migrations.remember(data, tmp_path)
    assert migrations.are_done(data, tmp_path)
    sql.write_text("create table b ()")
    assert not migrations.are_done(data, tmp_path)
    migrations.remember(data, tmp_path)
    sql.rename(sql.with_name("0002.sql"))
    assert not migrations.are_done(data, tmp_path)
