"""How does a crowd ask an HTTP server, cheaply enough not to be what is measured?

`python -m portal_bench.crowd` reads an Order as JSON from stdin and prints what it saw as JSON. Requests are
bytes that were made before; the answers are read just far enough to know where they end. Closed loop: every
connection sends its next request when the last was answered. Open loop: requests are due at a fixed rate, and
an answer's latency counts from the instant at which its request was due, however long it had to wait.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from portal_bench.measured import WARM_UP, Figures, Measured

_GRACE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Order:
    """What to ask. `requests` is a file of `pack`; `rate` (a second) makes it an open loop.

    `first`: where in the file to begin; `again`: begin anew at its end, where a repeat is no other question.
    """

    port: int
    requests: str
    connections: int
    seconds: float
    rate: float | None = None
    first: int = 0
    again: bool = True


@dataclass
class Seen:
    """What came back: answers by status, requests sent, and the part of a core that this process took."""

    figures: Figures
    statuses: dict[str, int]
    sent: int
    busy: float = 0.0


@dataclass(frozen=True)
class Ask:
    """One request to be written down."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def wire(self) -> bytes:
        """Return the request as HTTP/1.1 sends it."""
        headers = {"Host": "127.0.0.1", **self.headers}
        if self.body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def pack(file: Path, asks: Sequence[Ask]) -> Path:
    """Write requests for a crowd."""
    with file.open("wb") as out:
        for ask in asks:
            wire = ask.wire()
            out.write(len(wire).to_bytes(4, "big") + wire)
    return file


def _unpack(file: Path) -> list[bytes]:
    packed, found, place = file.read_bytes(), [], 0
    while place < len(packed):
        end = place + 4 + int.from_bytes(packed[place : place + 4], "big")
        found.append(packed[place + 4 : end])
        place = end
    return found


class _Crowd:
    """The requests still to be sent, and what was seen so far."""

    def __init__(self, order: Order, requests: Sequence[bytes]) -> None:
        self.order = order
        self.measured = Measured(order.connections)
        self.statuses: Counter[int] = Counter()
        self.sent = 0
        self.failure: Exception | None = None
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self._requests = requests

    def next_request(self) -> bytes:
        """Return the next one; raises IndexError when there is none left."""
        place = self.order.first + self.sent
        self.sent += 1
        return self._requests[place % len(self._requests) if self.order.again else place]

    def answered(self, connection: "_Connection", status: int) -> None:
        """Count an answer and go on."""
        self.statuses[status] += 1
        self.measured.note(connection.number, time.perf_counter() - connection.since)
        if self.order.rate is None:
            if self.measured.running():
                connection.ask(self.next_request(), time.perf_counter())
            else:
                self.idle.append(connection)
        elif self.due:
            connection.ask(self.next_request(), self.due.popleft())
        else:
            self.idle.append(connection)

    def failed(self, error: Exception) -> None:
        """Remember why this run says nothing."""
        self.failure = self.failure or error

    async def run(self, connections: "list[_Connection]") -> None:
        """Ask until the time is over and everything was answered."""
        self.measured.start(self.order.seconds)
        if self.order.rate is None:
            for connection in connections:
                connection.ask(self.next_request(), time.perf_counter())
        else:
            # In turn, so that none is closed for having been idle.
            self.idle.extend(connections)
            for instant in self._instants(self.order.rate):
                await asyncio.sleep(instant - time.perf_counter())
                if self.idle:
                    self.idle.popleft().ask(self.next_request(), instant)
                else:
                    self.due.append(instant)
        deadline = time.perf_counter() + self.order.seconds + _GRACE_SECONDS
        while len(self.idle) < len(connections):
            if self.failure is not None:
                raise self.failure
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{len(connections) - len(self.idle)} requests were not answered")
            await asyncio.sleep(0.02)
        self.measured.stop()

    def _instants(self, rate: float) -> Iterator[float]:
        began = time.perf_counter()
        for number in range(int(rate * (self.order.seconds + WARM_UP))):
            yield began + number / rate


class _Connection(asyncio.Protocol):
    """One kept connection with one request under way."""

    def __init__(self, crowd: _Crowd, number: int) -> None:
        self.number = number
        self.since = 0.0
        self._crowd = crowd
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes, since: float) -> None:
        """Send a request that was due at `since`."""
        self.since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read = self._read + data if self._read else data
        try:
            status = self._complete()
            if status is not None:
                self._read = b""
                self._crowd.answered(self, status)
        except Exception as error:  # noqa: BLE001  a loop would only log it
            self._crowd.failed(error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.failed(exc or ConnectionError("a connection was closed"))

    def _complete(self) -> int | None:
        """Return the answer's status when all of it is there."""
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._read[:end].lower()
        status = int(head[9:12])
        place = head.find(b"\r\ncontent-length:")
        if place < 0:
            raise ValueError(f"an answer of unknown length, status {status}")
        stop = head.find(b"\r\n", place + 2)
        length = int(head[place + 17 : stop if stop > 0 else end])
        return status if len(self._read) == end + 4 + length else None


async def ask_all(order: Order) -> Seen:
    """Carry out an order in this process."""
    crowd = _Crowd(order, _unpack(Path(order.requests)))
    loop = asyncio.get_running_loop()
    connections = []
    for number in range(order.connections):
        made = _Connection(crowd, number)
        await loop.create_connection(lambda made=made: made, "127.0.0.1", order.port)  # type: ignore[misc]
        connections.append(made)
    began, used = time.perf_counter(), _cpu()
    await crowd.run(connections)
    busy = (_cpu() - used) / (time.perf_counter() - began)
    statuses = {str(status): count for status, count in crowd.statuses.items()}
    return Seen(crowd.measured.figures(), statuses, crowd.sent, busy)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Carry out the order on stdin."""
    print(json.dumps(asdict(uvloop.run(ask_all(Order(**json.load(sys.stdin)))))))


if __name__ == "__main__":
    main()
