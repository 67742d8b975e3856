"""Does `up` start, mend, refuse and stop as it says? The services are stand-ins, the servers are real."""

from __future__ import annotations

import http.client
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portal_launcher.faults import ALREADY_RUNNING, DID_NOT_START, NOT_RUNNING, PORT_TAKEN
from portal_launcher.processes import is_alive
from portal_launcher.run_file import read_run

from .conftest import Launched, eventually


def portal(launched: Launched, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal_launcher", *arguments],
        env=launched.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def told(launched: Launched, process: str) -> dict[str, str]:
    lines = (launched.notes / process).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_given_a_taken_port_when_up_then_one_sentence_names_the_option_before_anything_starts(
    launched: Launched,
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", launched.port))
        other.listen()
        code = launched.start().end()
    assert code == PORT_TAKEN
    said = launched.said().splitlines()
    assert len(said) == 1
    assert f"Port {launched.port} is in use" in said[0]
    assert "--port" in said[0]
    assert not (launched.state / "kafka").exists()
    assert not (launched.state / "postgres").exists()


@pytest.mark.connected
def test_given_a_running_portal_when_up_again_then_one_sentence_names_its_pid_and_address(
    beside_servers: Launched,
) -> None:
    first = beside_servers.start().ready()
    assert first.process is not None
    second = Launched(first.state, first.port + 1, first.environment, first.notes)
    assert second.start().end() == ALREADY_RUNNING
    said = second.said().splitlines()
    assert len(said) == 1
    assert str(first.process.pid) in said[0]
    assert f"http://127.0.0.1:{first.port}" in said[0]
    assert first.answers(first.port)


@pytest.mark.connected
def test_given_servers_in_the_environment_when_up_then_they_are_used_and_none_is_started(
    beside_servers: Launched, kafka: str, database_url: str
) -> None:
    run = beside_servers.start().ready().run()
    assert {record.name for record in run.processes} == {"mailbox", "back", "front"}
    front = told(beside_servers, "front-all")
    assert front["KAFKA_BOOTSTRAP_SERVERS"] == kafka
    assert front["DATABASE_URL"] == database_url
    assert front["BACK_URL"] == f"http://127.0.0.1:{run.ports['back']}"
    assert front["PUBLIC_URL"] == f"http://127.0.0.1:{beside_servers.port}"
    assert (beside_servers.notes / "back-migrate").exists()
    assert (beside_servers.state / "run.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.connected
def test_given_split_when_up_then_each_service_has_two_processes(beside_servers: Launched) -> None:
    beside_servers.arguments.append("--split")
    run = beside_servers.start().ready().run()
    names = {record.name for record in run.processes}
    assert names == {"mailbox", "back", "back-worker", "front", "front-worker"}
    assert told(beside_servers, "front-app")["HTTP_PORT"] == str(beside_servers.port)
    assert told(beside_servers, "front-worker")["HTTP_PORT"] == str(run.ports["front-worker"])


@pytest.mark.connected
def test_given_no_mail_server_when_up_then_mails_end_in_a_mailbox_whose_address_is_told(
    beside_servers: Launched,
) -> None:
    launcher = beside_servers.start().ready()
    run = launcher.run()
    assert run.mailbox == f"http://127.0.0.1:{run.ports['mailbox']}"
    assert f"Its mails:  {run.mailbox}" in launcher.said()
    sender = urlsplit(told(launcher, "back-all")["SMTP_URL"])
    assert told(launcher, "back-all")["MAIL_FROM"] == "Zdrovia <no-reply@zdrovia.example>"
    assert told(launcher, "back-all")["PUBLIC_URL"] == run.url
    assert told(launcher, "front-all")["SMTP_URL"] == ""
    with smtplib.SMTP(str(sender.hostname), sender.port or 0, timeout=10) as client:
        client.sendmail("from@example.com", ["anna@example.com"], "Subject: it works\r\n\r\nsaid the mailbox")
    page = http.client.HTTPConnection("127.0.0.1", run.ports["mailbox"], timeout=10)
    page.request("GET", "/mails?to=anna@example.com")
    [item] = json.load(page.getresponse())["items"]
    page.close()
    assert item["subject"] == "it works"
    assert "mailbox " in portal(launcher, "status").stdout
    assert portal(launcher, "logs", "mailbox").returncode == 0


@pytest.mark.connected
def test_given_a_mail_server_in_the_environment_when_up_then_it_is_used_and_no_mailbox_started(
    beside_servers: Launched,
) -> None:
    launcher = beside_servers.start(SMTP_URL="smtp://user:secret@127.0.0.1:9").ready()
    assert {record.name for record in launcher.run().processes} == {"back", "front"}
    assert told(launcher, "back-all")["SMTP_URL"] == "smtp://user:secret@127.0.0.1:9"
    assert told(launcher, "front-all")["SMTP_URL"] == ""
    assert "mails" not in launcher.said()


@pytest.mark.connected
def test_given_a_child_killed_when_supervised_then_it_is_restarted_and_named(
    beside_servers: Launched,
) -> None:
    launcher = beside_servers.start().ready()
    before = launcher.record("back")
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: launcher.record("back").restarts == 1, "back is started again")
    after = launcher.record("back")
    assert after.pid != before.pid
    assert after.port is not None
    port = after.port
    eventually(lambda: launcher.answers(port), "back answers again")
    [line] = [line for line in launcher.said().splitlines() if "SIGKILL" in line]
    assert "back was ended by SIGKILL; starting it again" in line
    assert after.log in line
    status = portal(launcher, "status")
    assert status.returncode == 0, status.stdout
    assert str(after.pid) in status.stdout


@pytest.mark.connected
def test_given_a_running_portal_when_down_then_no_process_is_left(beside_servers: Launched) -> None:
    launcher = beside_servers.start().ready()
    run = launcher.run()
    result = portal(launcher, "down")
    assert result.returncode == 0, result.stderr
    assert launcher.end() == 0
    assert [record.name for record in run.processes if is_alive(record.identity)] == []
    assert read_run(launcher.state / "run.json") is None
    assert portal(launcher, "status").returncode == NOT_RUNNING


@pytest.mark.connected
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_given_a_running_portal_when_signalled_then_it_stops_in_order(
    beside_servers: Launched, number: signal.Signals
) -> None:
    launcher = beside_servers.start().ready()
    run = launcher.run()
    launcher.signal(number)
    assert launcher.end() == 0
    assert [record.name for record in run.processes if is_alive(record.identity)] == []
    assert "stopped" in launcher.said().splitlines()[-1]


@pytest.mark.connected
def test_given_a_launcher_killed_when_its_children_heed_signals_then_they_end_with_it(
    beside_servers: Launched,
) -> None:
    launcher = beside_servers.start().ready()
    run = launcher.run()
    launcher.signal(signal.SIGKILL)
    launcher.end()
    eventually(
        lambda: not any(is_alive(record.identity) for record in run.processes),
        "the children have ended as well",
    )


@pytest.mark.connected
def test_given_leftovers_of_a_killed_launcher_when_up_then_they_are_stopped_first(
    beside_servers: Launched,
) -> None:
    launcher = beside_servers.start(FAKE_STUBBORN="1", SMTP_URL="smtp://127.0.0.1:9").ready()
    left = launcher.run().processes
    launcher.signal(signal.SIGKILL)
    launcher.end()
    assert all(is_alive(record.identity) for record in left), "stubborn children outlive the launcher"
    launcher.start().ready()
    assert "stopped what a killed launcher had left: back, front" in launcher.said()
    assert not any(is_alive(record.identity) for record in left)
    assert launcher.answers(launcher.port)


@pytest.mark.connected
def test_given_a_service_that_cannot_start_when_up_then_its_last_words_are_told_and_all_is_stopped(
    beside_servers: Launched,
) -> None:
    launcher = beside_servers.start(FAKE_BACK_DIES="1")
    assert launcher.end() == DID_NOT_START
    last = launcher.said().splitlines()[-1]
    assert "back ended with exit code 1" in last
    assert "the moon is full" in last
    assert "Traceback" not in launcher.said()
    assert not launcher.answers(launcher.port)


@pytest.mark.connected
def test_given_real_servers_when_one_is_killed_then_it_comes_back_and_down_leaves_nothing(
    launched: Launched,
) -> None:
    """The only test here that starts Kafka and PostgreSQL: both are real, and data survive a restart."""
    launcher = launched.start().ready()
    killed = [launcher.record(name) for name in ("postgres", "kafka")]
    for record in killed:
        os.kill(record.pid, signal.SIGKILL)
    for record in killed:
        eventually(lambda name=record.name: launcher.record(name).restarts == 1, f"{record.name} is back")  # type: ignore[misc]
        assert f"{record.name} was ended by SIGKILL" in launcher.said()
    run = launcher.run()
    assert set(run.database_urls) == {"back", "front"}
    data = Path(run.postgres_data)
    launcher.signal(signal.SIGTERM)
    assert launcher.end() == 0, launcher.said()
    assert [record.name for record in run.processes if is_alive(record.identity)] == []
    launcher.start().ready()
    assert launcher.run().database_urls == run.database_urls
    assert portal(launcher, "down", "--purge").returncode == 0
    assert launcher.end() == 0
    assert not data.exists()
    assert not launcher.state.exists()
