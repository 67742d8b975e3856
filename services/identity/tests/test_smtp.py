"""Does a mail reach a real SMTP server, and what is made of its refusals?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.headerregistry import Address
from email.message import EmailMessage

import pytest

from identity.mail_orders import MailKind
from identity.send_mail.message import Letterhead
from identity.send_mail.smtp import (
    MailDelayedError,
    MailRefusedError,
    MailServer,
    ServerAwayError,
    Smtp,
)

from .conftest import NOW, PUBLIC_URL
from .smtp_server import Server, listening

LETTERHEAD = Letterhead(Address("Zdrovia", addr_spec="no-reply@zdrovia.example"), PUBLIC_URL)


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Smtp]:
    async with listening(server):
        post = Smtp(MailServer.from_url(f"smtp://127.0.0.1:{server.port}"))
        yield post
        await post.close()


def mail(to: str = "jan@example.org") -> EmailMessage:
    return LETTERHEAD.write(MailKind.PASSWORD_CHANGED, to=to, language="pl", token=None, now=NOW)


async def test_given_mails_when_delivered_then_over_one_connection_in_an_envelope_of_their_own() -> None:
    server = Server()
    async with running(server) as post:
        for to in ("jan@example.org", "anna@example.org"):
            await post.open()
            await post.deliver(mail(to))
    assert server.connections == 1
    assert [said for said in server.said if said.startswith("RCPT")] == [
        "RCPT TO:<jan@example.org>",
        "RCPT TO:<anna@example.org>",
    ]
    assert server.said[-1] == "QUIT"
    assert "To: jan@example.org" in server.mails[0]
    assert "Twoje =?utf-8?q?has=C5=82o_" in server.mails[0]


async def test_given_an_address_beyond_ascii_when_delivered_then_by_smtputf8_or_never() -> None:
    async with running(Server()) as post:
        await post.open()
        await post.deliver(mail("zażółć@example.org"))
    async with running(Server(extensions=())) as post:
        await post.open()
        with pytest.raises(MailRefusedError):
            await post.deliver(mail("zażółć@example.org"))


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"RCPT": "550 no such user zażółć\r\n"}, MailRefusedError),
        ({"RCPT": "451 later\r\n"}, MailDelayedError),
        ({"END": "554 not this one\r\n"}, MailRefusedError),
        ({"END": "452 full\r\n"}, MailDelayedError),
        ({"MAIL": "550 not from you\r\n"}, ServerAwayError),
        ({"MAIL": "421 going down\r\n"}, ServerAwayError),
    ],
)
async def test_given_a_refusal_when_delivered_then_for_good_or_for_now(
    answers: dict[str, str], error: type[Exception]
) -> None:
    async with running(Server(answers)) as post:
        await post.open()
        with pytest.raises(error) as refused:
            await post.deliver(mail())
    # What a server says may repeat the address.
    assert "user" not in str(refused.value)
    assert "jan" not in str(refused.value)


async def test_hazard_server_is_down_and_comes_back() -> None:
    server = Server()
    async with running(server) as post:
        pass
    for _ in range(2):
        with pytest.raises(ServerAwayError):
            await post.open()
    with pytest.raises(ServerAwayError):
        await post.deliver(mail())
    async with running(server) as post:
        await post.open()
        await post.deliver(mail())
    assert len(server.mails) == 1


async def test_given_a_server_that_does_not_greet_when_opened_then_away() -> None:
    async with running(Server({"CONNECT": "554 not you\r\n"})) as post:
        with pytest.raises(ServerAwayError):
            await post.open()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:2525", MailServer("127.0.0.1", 2525, False, True, None, None)),
        ("smtp://mail.example.org", MailServer("mail.example.org", 587, False, False, None, None)),
        ("smtp://mailbox:25?starttls=optional", MailServer("mailbox", 25, False, True, None, None)),
        ("smtp://mailbox:25?starttls=no", MailServer("mailbox", 25, False, False, None, None)),
        (
            "smtps://jan%40x:p%3Aw@mail.example.org",
            MailServer("mail.example.org", 465, True, False, "jan@x", "p:w"),
        ),
    ],
)
def test_given_a_url_when_read_then_the_server(url: str, server: MailServer) -> None:
    assert MailServer.from_url(url) == server


async def test_hazard_links_are_not_sent_in_clear_to_another_machine() -> None:
    server = Server()
    async with running(server) as post:
        await post.open()  # to a server on this machine, as it is
        remote = MailServer("127.0.0.1", server.port, tls=False, local=False, username=None, password=None)
        with pytest.raises(ServerAwayError):
            await Smtp(remote).open()
    assert server.mails == []
