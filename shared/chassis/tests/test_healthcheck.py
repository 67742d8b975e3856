"""Does a container's check tell a process that is ready from one that is not, or not there?"""

import http.server
import threading
from collections.abc import Iterator

import pytest

from portal_chassis.healthcheck import is_ready


class Answering(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def test_given_what_readyz_answers_when_checked_then_ready_only_with_200(
    server: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_ready(server.server_port)
    monkeypatch.setattr(Answering, "status", 503)
    assert not is_ready(server.server_port)


def test_given_nobody_who_listens_when_checked_then_not_ready(server: http.server.HTTPServer) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    assert not is_ready(port)
