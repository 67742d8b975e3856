"""Does every request get its own answer, whatever the connection has been through?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway import http_client
from gateway.http_client import Disconnected, HttpClient, Unreadable

Speak = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Service:
    """A server that answers its n-th request as a test says; `connections` it had, and heads it read."""

    speak: Speak
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await self.speak(len(self.heads), writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(speak: Speak) -> AsyncIterator[tuple[Service, HttpClient]]:
    service = Service(speak)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield service, client
        client.close()


def whole(body: bytes, *more: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def get(client: HttpClient, within: float = 5) -> bytes:
    return (await client.ask("GET", "/x", {}, within=within)).body


async def numbered(number: int, writer: asyncio.StreamWriter) -> None:
    writer.write(whole(str(number).encode()))


async def test_given_a_kept_connection_when_asked_again_then_it_is_used() -> None:
    async with serving(numbered) as (service, client):
        assert [await get(client) for _ in range(3)] == [b"1", b"2", b"3"]
        assert service.connections == 1


async def test_given_many_at_once_when_asked_then_each_has_a_connection_and_its_own_answer() -> None:
    async with serving(numbered) as (service, client):
        assert set(await asyncio.gather(*(get(client) for _ in range(5)))) == {b"1", b"2", b"3", b"4", b"5"}
        assert service.connections == 5


async def test_given_an_answer_in_pieces_or_chunks_then_it_is_whole() -> None:
    async def speak(number: int, writer: asyncio.StreamWriter) -> None:
        said = whole(b"hello", "X-Name: a", "x-name: b")
        if number == 2:
            said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        for byte in said:
            writer.write(bytes([byte]))
            await writer.drain()

    async with serving(speak) as (service, client):
        answer = await client.ask("GET", "/x", {}, within=5)
        assert (answer.status, answer.headers["x-name"], answer.body) == (200, "a", b"hello")
        assert await get(client) == b"hello"
        assert service.connections == 1


async def test_given_a_body_when_sent_then_its_length_is_told_and_nothing_of_a_read_is() -> None:
    async with serving(numbered) as (service, client):
        await client.ask("GET", "/x?a=b", {"accept": "text/plain"}, within=5)
        await client.ask("POST", "/x", {}, b"", within=5)
    assert service.heads[0].startswith(b"GET /x?a=b HTTP/1.1\r\nhost: 127.0.0.1:")
    assert service.heads[0].endswith(b"\r\naccept: text/plain\r\n\r\n")
    assert b"content-length: 0\r\n" in service.heads[1]


async def test_hazard_late_answer_is_not_the_next_requests() -> None:
    late = asyncio.Event()

    async def speak(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            await late.wait()
        writer.write(whole(str(number).encode()))

    async with serving(speak) as (service, client):
        with pytest.raises(TimeoutError):
            await get(client, within=0.05)
        late.set()
        assert await get(client) == b"2"
        assert service.connections == 2


async def test_hazard_more_than_was_asked_for_is_not_the_next_requests() -> None:
    async def speak(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(str(number).encode()) * (2 if number == 1 else 1))

    async with serving(speak) as (service, client):
        assert [await get(client), await get(client)] == [b"1", b"2"]
        assert service.connections == 2


async def test_given_a_service_that_ends_the_connection_when_asked_again_then_another_is_made() -> None:
    async def speak(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(str(number).encode(), "Connection: close"))
        writer.close()

    async with serving(speak) as (service, client):
        assert [await get(client), await get(client)] == [b"1", b"2"]
        assert service.connections == 2


async def test_given_connections_idle_for_too_long_when_asked_then_another_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(numbered) as (service, client):
        await asyncio.gather(get(client), get(client))
        monkeypatch.setattr(http_client, "_KEPT_SECONDS", 0.0)
        await get(client)
        assert service.connections == 3


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (b"", Disconnected),
        (b"garbage\r\n\r\n", Unreadable),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Unreadable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", Unreadable),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", Unreadable),
    ],
)
async def test_hazard_half_an_answer_is_none(said: bytes, raised: type[Exception]) -> None:
    async def speak(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with serving(speak) as (_, client):
        with pytest.raises(raised):
            await get(client)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/x HTTP/1.1\r\nx: y", {}),
        ("/x y", {}),
        ("x", {}),
        ("/x", {"accept": "a\r\nauthorization: Bearer b"}),
        ("/x", {"accept": "a\nb"}),
        ("/x", {"a\r\nb": "c"}),
    ],
)
async def test_hazard_line_of_the_clients_making_is_never_sent(target: str, headers: dict[str, str]) -> None:
    async with serving(numbered) as (service, client):
        with pytest.raises(ValueError, match="read as it is meant"):
            await client.ask("GET", target, headers, within=5)
        assert not service.heads
