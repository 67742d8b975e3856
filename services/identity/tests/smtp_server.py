"""A mail server that answers what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """An SMTP server (RFC 5321) on a port of its own, which answers what it is told to."""

    answers: dict[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8")
    said: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self.answers.get("CONNECT", "220 ready\r\n").encode())
        try:
            while line := (await reader.readline()).decode():
                self.said.append(line.strip())
                verb = line.split()[0].split(":")[0].upper()
                if verb == "DATA" and verb not in self.answers:
                    writer.write(b"354 go on\r\n")
                    lines = []
                    while (text := (await reader.readline()).decode()) != ".\r\n":
                        lines.append(text)
                    self.mails.append("".join(lines))
                    writer.write(self.answers.get("END", "250 kept\r\n").encode())
                elif verb == "EHLO":
                    offered = ["hello", *self.extensions]
                    marks = ["-"] * (len(offered) - 1) + [" "]
                    lines = [f"250{mark}{offer}\r\n" for mark, offer in zip(marks, offered, strict=True)]
                    writer.write("".join(lines).encode())
                else:
                    writer.write(self.answers.get(verb, "250 fine\r\n").encode())
                if verb == "QUIT":
                    break
        finally:
            writer.close()


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[None]:
    """Let the server listen, on its former port if it had one."""
    accepting = await asyncio.start_server(server.talk, "127.0.0.1", server.port)
    server.port = accepting.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        accepting.close()
        await accepting.wait_closed()
