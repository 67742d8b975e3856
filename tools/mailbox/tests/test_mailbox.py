"""Does a mail that is sent arrive, stay private and readable, and go nowhere else?"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from http.client import HTTPConnection
from pathlib import Path

import pytest

from portal_mailbox.folder import Folder
from portal_mailbox.letters import read_letter, read_text
from portal_mailbox.pages import linked
from portal_mailbox.show import HTML, answer

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
LINK = "http://127.0.0.1:8080/password-reset#dGVzdA"
DEADLINE = 30.0  # seconds


def mail(subject: str = "Zażółć gęślą jaźń", text: str = f"Otwórz: {LINK}.\n😀") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Zdrovia <no-reply@zdrovia.example>"
    message["To"] = "Anna <anna@example.com>"
    message["Subject"] = subject
    message.set_content(text)
    return message


@dataclass(frozen=True)
class Mailbox:
    smtp_port: int
    http_port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.http_port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    smtp_port, http_port = free_ports()
    command = [sys.executable, "-m", "portal_mailbox", "--folder", str(tmp_path / "mails")]
    command += ["--smtp-port", str(smtp_port), "--http-port", str(http_port)]
    process = subprocess.Popen(command)
    running = Mailbox(smtp_port, http_port, tmp_path / "mails", process)
    deadline = time.monotonic() + DEADLINE
    while not running.is_ready():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield running
    process.kill()
    process.wait()


def test_given_a_mail_sent_to_anybody_when_looked_at_then_it_is_there_decoded_private_and_linked(
    mailbox: Mailbox,
) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as client:
        client.send_message(mail(), to_addrs=["anna@example.com", "ukryty@example.org"])

    [item] = json.loads(mailbox.get("/mails?to=ANNA@example.com")[1])["items"]
    assert item["to"] == ["anna@example.com", "ukryty@example.org"]
    assert item["from"] == "Zdrovia <no-reply@zdrovia.example>"
    assert item["subject"] == "Zażółć gęślą jaźń"
    assert json.loads(mailbox.get("/mails?to=jan@example.com")[1]) == {"items": []}
    whole = json.loads(mailbox.get(f"/mails/{item['id']}")[1])
    assert whole["text"].split() == ["Otwórz:", f"{LINK}.", "😀"]
    assert f'<a href="{LINK}" rel="noreferrer">{LINK}</a>.' in mailbox.get(f"/read/{item['id']}")[1]
    assert "Zażółć gęślą jaźń" in mailbox.get("/")[1]
    [file] = mailbox.folder.iterdir()
    assert file.suffix == ".eml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert mailbox.folder.stat().st_mode & 0o777 == 0o700

    mailbox.process.terminate()
    assert mailbox.process.wait(DEADLINE) == 0


def test_given_a_name_of_another_site_when_asked_then_nothing_is_shown(mailbox: Mailbox) -> None:
    status, text = mailbox.get("/", host="evil.example:80")
    assert (status, text) == (421, "{}")
    assert mailbox.get("/", host=f"localhost:{mailbox.http_port}")[0] == 200


def test_given_a_mailbox_when_asked_from_outside_then_it_listens_on_loopback_only(mailbox: Mailbox) -> None:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A"]
    ours = [a for a in listening if int(a.partition(":")[2], 16) in (mailbox.smtp_port, mailbox.http_port)]
    assert [address.partition(":")[0] for address in ours] == ["0100007F"] * 2


def test_given_a_taken_port_when_started_then_one_sentence(mailbox: Mailbox) -> None:
    command = [sys.executable, "-m", "portal_mailbox", "--folder", str(mailbox.folder)]
    command += ["--smtp-port", str(mailbox.smtp_port), "--http-port", str(mailbox.http_port)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert result.returncode == 1
    assert result.stderr.startswith("mailbox: ")
    assert "Traceback" not in result.stderr


def test_given_more_mails_than_are_kept_when_one_comes_then_the_oldest_go_here_and_after_a_start(
    tmp_path: Path,
) -> None:
    kept = Folder(tmp_path, kept=3)
    # The clock stands still, and is even set back.
    ids = [kept.add(["a@b"], mail(str(n)).as_bytes(), NOON - dt.timedelta(seconds=n)) for n in range(5)]
    assert [letter.subject for letter in kept.letters()] == ["4", "3", "2"]
    assert kept.find(ids[0]) is None
    assert len(list(tmp_path.iterdir())) == 3
    again = Folder(tmp_path, kept=2)
    assert [letter.subject for letter in again.letters()] == ["4", "3"]
    again.add(["a@b"], mail("5").as_bytes(), NOON - dt.timedelta(days=1))
    assert [letter.subject for letter in again.letters()] == ["5", "4"]


@pytest.mark.parametrize("path", ["/mails/../../etc/passwd", "/read/x", "/x", "/mails/", "//", "/read"])
def test_given_what_is_not_there_when_asked_then_404(tmp_path: Path, path: str) -> None:
    assert answer(Folder(tmp_path), path)[0] == 404


def test_given_markup_in_a_mail_when_shown_then_it_is_text(tmp_path: Path) -> None:
    kept = Folder(tmp_path)
    letter_id = kept.add(['"<i>"@b'], mail("<script>1</script>", "<img src=x>").as_bytes(), NOON)
    for path in ("/", f"/read/{letter_id}"):
        _, media_type, text = answer(kept, path)
        assert media_type == HTML
        assert not any(tag in text for tag in ("<script>", "<img", "<i>"))
        assert "&lt;script&gt;" in text


def test_given_addresses_in_a_text_when_linked_then_only_web_addresses_without_the_sentences_end() -> None:
    assert linked('(http://a/b?c&d), javascript:x "http://e"') == (
        '(<a href="http://a/b?c&amp;d" rel="noreferrer">http://a/b?c&amp;d</a>), javascript:x '
        '&quot;<a href="http://e" rel="noreferrer">http://e</a>&quot;'
    )


def test_given_mails_of_other_programs_when_read_then_text_or_html_and_never_an_error() -> None:
    both = mail(text="zwykły")
    both.add_alternative("<p>HTML</p>", subtype="html")
    assert read_text(both.as_bytes()).strip() == "zwykły"
    html = EmailMessage()
    html.set_content("<p>ż</p>", subtype="html")
    assert read_text(html.as_bytes()).strip() == "<p>ż</p>"
    assert read_text(b"Content-Type: text/plain; charset=klingon\r\n\r\nab") == "ab"
    assert read_text(b"Content-Type: multipart/mixed\r\n\r\n") == ""
    assert read_letter("1", b"\xff\xfe\r\n\r\n", NOON).subject == ""


async def test_given_a_mail_of_no_sender_when_received_then_kept(mailbox: Mailbox) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as client:
            client.sendmail("", ["zażółć@example.com"], b"Subject: x\r\n\r\ny", ["SMTPUTF8"])

    await asyncio.to_thread(send)
    [item] = json.loads(mailbox.get("/mails")[1])["items"]
    assert item["to"] == ["zażółć@example.com"]
