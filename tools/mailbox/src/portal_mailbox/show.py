"""How are the mails looked at? A page for people and JSON for tests, on this machine only.

Pages: `GET /` and `/read/{id}`. JSON: `GET /mails?to=`, `/mails/{id}`, and `/readyz` for the launcher.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from portal_mailbox.folder import Folder
from portal_mailbox.letters import Letter, read_text
from portal_mailbox.pages import STYLE, letter_page, list_page

HTML, CSS, JSON = "text/html; charset=utf-8", "text/css; charset=utf-8", "application/json"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOOPBACK = {"127.0.0.1", "localhost"}

Answer = tuple[HTTPStatus, str, str]


def answer(folder: Folder, target: str) -> Answer:
    """Answer one GET: status, media type and text."""
    parts = urlsplit(target)
    to = parse_qs(parts.query).get("to", [None])[0]
    whole: dict[str, Callable[[], tuple[str, str]]] = {
        "/": lambda: (HTML, list_page(folder.letters())),
        "/style.css": lambda: (CSS, STYLE),
        "/readyz": lambda: (JSON, json.dumps({"status": "ready", "missing": []})),
        "/mails": lambda: (JSON, json.dumps({"items": [described(item) for item in folder.letters(to)]})),
    }
    if parts.path in whole:
        return HTTPStatus.OK, *whole[parts.path]()
    room, _, letter_id = parts.path.removeprefix("/").partition("/")
    found = folder.find(letter_id) if room in ONE else None
    if found is None:
        return HTTPStatus.NOT_FOUND, JSON, json.dumps({"status": HTTPStatus.NOT_FOUND})
    return HTTPStatus.OK, *ONE[room](found[0], read_text(found[1]))


def described(letter: Letter) -> dict[str, Any]:
    """Describe a mail as JSON, without its text."""
    return {
        "id": letter.id,
        "to": letter.to,
        "from": letter.sender,
        "subject": letter.subject,
        "receivedAt": letter.received_at.isoformat().replace("+00:00", "Z"),
    }


ONE: Mapping[str, Callable[[Letter, str], tuple[str, str]]] = {
    "read": lambda letter, text: (HTML, letter_page(letter, text)),
    "mails": lambda letter, text: (JSON, json.dumps({**described(letter), "text": text})),
}
"""The two ways to look at one mail."""


class Server(http.server.ThreadingHTTPServer):
    """Shows one folder, from threads that end with the process."""

    daemon_threads = True

    def __init__(self, folder: Folder, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.folder = folder
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    server_version = "mailbox"
    sys_version = ""
    timeout = 30  # seconds that an idle connection keeps its thread
    server: Server

    def do_GET(self) -> None:
        """Answer, unless another site's name was pointed at this machine to read the mails."""
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname in LOOPBACK:
            status, media_type, text = answer(self.server.folder, self.path)
        else:
            status, media_type, text = HTTPStatus.MISDIRECTED_REQUEST, JSON, "{}"
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": media_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing: addresses stand in queries."""
