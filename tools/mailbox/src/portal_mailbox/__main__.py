"""How is the mailbox started? `python -m portal_mailbox --folder PATH --smtp-port N --http-port N`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from portal_mailbox.folder import Folder
from portal_mailbox.receive import listen
from portal_mailbox.show import Server


async def run(path: Path, host: str, smtp_port: int, http_port: int) -> None:
    """Receive and show until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    folder = Folder(path)
    async with await listen(folder, host, smtp_port):
        # Shown last: whoever sees /readyz can send.
        shown = Server(folder, host, http_port)
        await stopped.wait()
        shown.server_close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m portal_mailbox")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        asyncio.run(run(options.folder, options.host, options.smtp_port, options.http_port))
    except OSError as error:
        sys.exit(f"mailbox: {error}")


if __name__ == "__main__":
    main()
