"""What does the launcher see of a service? A stand-in with nothing behind it: `python -m front ROLE`."""

import http.server
import os
import signal
import sys
from pathlib import Path


class Answer(http.server.BaseHTTPRequestHandler):
    """Say yes to /readyz."""

    def do_GET(self) -> None:
        """Answer 200, and the process's own number, so that a test can end it."""
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def main(role: str) -> None:
    """Leave a note of what this process was told, then serve unless asked to migrate."""
    notes = Path(os.environ["FAKE_NOTES"])
    told = (
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP_SERVERS",
        "HTTP_PORT",
        "PUBLIC_URL",
        "BACK_URL",
        "SMTP_URL",
        "MAIL_FROM",
    )
    text = "".join(f"{key}={os.environ.get(key, '')}\n" for key in told)
    (notes / f"{Path(sys.argv[0]).stem}-{role}").write_text(text)
    if role == "migrate":
        return
    if os.environ.get("FAKE_DIES"):
        sys.exit("cannot go on: the moon is full")
    if os.environ.get("FAKE_STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    address = (os.environ["HTTP_HOST"], int(os.environ["HTTP_PORT"]))
    http.server.ThreadingHTTPServer(address, Answer).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
