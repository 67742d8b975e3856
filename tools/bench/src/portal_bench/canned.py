"""How fast is the crowd itself? A server that reads nothing and answers at once.

`python -m portal_bench.canned PORT BYTES` answers every request with a body of so many bytes.
"""

import asyncio
import sys
from typing import Any

import uvloop


class _Canned(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  one request is one piece here
        self._transport.write(self._answer)


async def serve(port: int, size: int) -> None:
    """Answer until the process is ended."""
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode() + b"x" * size
    server = await asyncio.get_running_loop().create_server(lambda: _Canned(answer), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
