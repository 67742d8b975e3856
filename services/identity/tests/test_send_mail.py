"""Is every mail that was ordered sent, as it should be, whatever the mail server does?"""

import re
from datetime import datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import SMTP, SMTPUTF8
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from identity.mail_orders import MailKind, MailOrder
from identity.send_mail.message import Letterhead
from identity.send_mail.order import orders_of
from identity.send_mail.smtp import MailDelayedError, MailRefusedError
from identity.send_mail.words import WORDS
from portal_eventstore.decision import StoreUnavailable

from .conftest import NOW, PUBLIC_URL, text_of, token_of

Identity = Any
"""The fixtures' service (conftest.py)."""

LETTERHEAD = Letterhead(Address("Zdrovia", addr_spec="no-reply@zdrovia.example"), f"{PUBLIC_URL}/")


@pytest.mark.parametrize("language", ["pl", "en"])
@pytest.mark.parametrize("kind", MailKind)
def test_given_any_mail_when_written_then_plain_text_with_its_link_in_both_languages(
    kind: MailKind, language: str
) -> None:
    token = None if kind is MailKind.PASSWORD_CHANGED else "t0ken"
    mail = LETTERHEAD.write(kind, to="jan@example.org", language=language, token=token, now=NOW)
    again = message_from_bytes(mail.as_bytes(policy=SMTP), policy=SMTP)
    assert again["From"] == "Zdrovia <no-reply@zdrovia.example>"
    assert again["To"] == "jan@example.org"
    assert again["Subject"] == WORDS[language][kind].subject
    assert again["Date"].datetime == NOW
    assert re.fullmatch(r"<\S+@zdrovia\.example>", again["Message-ID"])
    assert again["Auto-Submitted"] == "auto-generated"
    assert again["Content-Language"] == language
    assert again.get_content_type() == "text/plain"
    text = again.get_content()
    path = "password-reset" if kind is MailKind.RESET_PASSWORD else "email-confirmation"
    expected = f"{PUBLIC_URL}\n" if token is None else f"{PUBLIC_URL}/{path}#t0ken\n"
    assert expected in text.replace("\r\n", "\n")
    assert "{" not in text
    assert all(len(line) <= 78 for line in WORDS[language][kind].text.splitlines())
    assert ("Dzień dobry" in text) == (language == "pl")


def test_given_both_languages_when_asked_then_every_mail_has_words() -> None:
    assert {language: set(words) for language, words in WORDS.items()} == {
        "pl": set(MailKind),
        "en": set(MailKind),
    }


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("jan@gęślą.example", "jan@xn--gl-qla2f4p.example"),
        ("O'Brien+x@Mail.Example.org", "O'Brien+x@mail.example.org"),
        ("Zażółć@example.org", "Zażółć@example.org"),
    ],
)
def test_given_an_address_of_any_script_when_written_to_then_as_servers_take_it(
    typed: str, sent: str
) -> None:
    mail = LETTERHEAD.write(MailKind.PASSWORD_CHANGED, to=typed, language="pl", token=None, now=NOW)
    [address] = mail["To"].addresses
    assert address.addr_spec == sent
    assert f"To: {sent}".encode() in mail.as_bytes(policy=SMTPUTF8)


async def test_given_a_mail_when_sent_then_nothing_of_it_is_kept_in_clear(anywhere: Identity) -> None:
    await anywhere.open()
    await anywhere.post("/password-resets", {"email": anywhere.form["email"]})
    waiting = repr(getattr(anywhere.parts.mail_orders, "rows", ""))
    mails = await anywhere.mails()
    assert len(mails) == 2
    for mail in mails:
        for word in ("Jan", "Kowalski", "44051401359"):
            assert word not in text_of(mail)
        assert token_of(mail) not in repr(getattr(anywhere.parts.links, "rows", ""))
    assert "example.org" not in waiting.lower()


async def test_given_the_same_order_again_when_put_then_one_mail(anywhere: Identity) -> None:
    account_id = UUID((await anywhere.open()).json()["accountId"])
    await anywhere.mails()
    order = MailOrder(id=uuid4(), kind=MailKind.CONFIRM_EMAIL, account_id=account_id, ordered_at=NOW)
    for _ in range(2):
        await anywhere.parts.mail_orders.put(order)
    assert len(await anywhere.mails()) == 1


async def test_given_two_workers_when_they_read_the_same_events_then_one_mail(anywhere: Identity) -> None:
    await anywhere.open()
    orders = anywhere.parts.mail_orders
    events = await anywhere.parts.store.tail(0, 10)
    caused = [order for event in events for order in orders_of(event, NOW)]
    await orders.follow(caused, after=0, to=2)
    await orders.follow(caused, after=0, to=2)
    assert await orders.mark() == 2
    assert len(await anywhere.mails()) == 1


async def test_given_an_order_that_one_worker_claims_when_another_asks_then_nothing(
    anywhere: Identity,
) -> None:
    account_id = UUID((await anywhere.open()).json()["accountId"])
    orders = anywhere.parts.mail_orders
    await orders.put(
        MailOrder(id=uuid4(), kind=MailKind.CONFIRM_EMAIL, account_id=account_id, ordered_at=NOW)
    )
    lease = timedelta(seconds=60)
    claimed = await orders.claim(NOW, lease)
    assert claimed.attempts == 1
    assert await orders.claim(NOW + timedelta(seconds=59), lease) is None
    # Its sender died: it comes back.
    assert (await orders.claim(NOW + lease, lease)).attempts == 2


async def test_hazard_mail_server_is_away_and_comes_back(anywhere: Identity) -> None:
    identity = anywhere
    await identity.open()
    identity.postbox.away = True
    mailer = identity.mailer
    tried: list[datetime] = []
    while len(tried) < 10:
        before = identity.postbox.opened
        await mailer.work(identity.clock.now)
        if identity.postbox.opened > before:
            tried.append(identity.clock.now)
            assert mailer.problem == "the mail server takes nothing (ConnectionRefusedError)"
        identity.clock.on(seconds=5)
    waits = [(later - earlier).total_seconds() for earlier, later in pairwise(tried)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    # No token was made for a server that would not take it.
    assert not getattr(identity.parts.links, "rows", {})
    identity.postbox.away = False
    identity.clock.on(minutes=10)
    await mailer.work(identity.clock.now)
    assert mailer.problem is None
    [mail] = identity.postbox.mails
    assert (await identity.post(f"/email-confirmations/{token_of(mail)}")).status_code == 200


async def test_given_a_day_without_a_server_when_it_comes_back_then_the_mail_is_given_up(
    anywhere: Identity,
) -> None:
    await anywhere.open()
    anywhere.postbox.away = True
    assert await anywhere.mails() == []
    anywhere.postbox.away = False
    anywhere.clock.on(hours=24, seconds=1)
    assert await anywhere.mails() == []
    assert await anywhere.parts.mail_orders.give_up(anywhere.clock.now) == []


async def test_hazard_a_restored_log_mails_nobody(anywhere: Identity) -> None:
    await anywhere.open()
    anywhere.clock.on(days=1)
    assert await anywhere.mails() == []
    assert await anywhere.parts.mail_orders.mark() == 2


async def test_given_one_mail_is_delayed_when_others_wait_then_only_it_is_late(anywhere: Identity) -> None:
    await anywhere.open()
    mailer = anywhere.mailer
    anywhere.postbox.refusing = MailDelayedError("SMTPDataError 451")
    assert await mailer.work(NOW)  # there is more to do at once
    anywhere.postbox.refusing = None
    await anywhere.open("o", email="anna@example.org", pesel="02070803628")
    assert [mail["To"] for mail in await anywhere.mails()] == ["anna@example.org"]
    assert mailer.problem is None
    anywhere.clock.on(seconds=5)
    assert [mail["To"] for mail in await anywhere.mails()] == ["Jan.Kowalski@example.org"]


async def test_given_a_mail_is_refused_for_good_when_tried_then_it_is_not_tried_again(
    anywhere: Identity,
) -> None:
    await anywhere.open()
    anywhere.postbox.refusing = MailRefusedError("SMTPRecipientsRefused 550")
    assert await anywhere.mails() == []
    anywhere.postbox.refusing = None
    anywhere.clock.on(hours=1)
    assert await anywhere.mails() == []


async def test_given_no_account_or_no_data_key_when_due_then_the_order_is_dropped(
    identity: Identity,
) -> None:
    opened = (await identity.open()).json()
    await identity.parts.data_keys.remove(UUID(opened["patientId"]))
    await identity.post("/password-resets", {"email": "nobody@example.org"})
    await identity.parts.mail_orders.put(
        MailOrder(id=uuid4(), kind=MailKind.CONFIRM_EMAIL, account_id=uuid4(), ordered_at=NOW)
    )
    assert await identity.mails() == []
    assert identity.parts.mail_orders.rows == {}


async def test_hazard_sender_dies_after_the_server_took_the_mail(anywhere: Identity) -> None:
    """The same order is sent again, with another link, and only the newer one works."""
    identity = anywhere
    await identity.open()
    mailer = identity.mailer

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(identity.parts.mail_orders, name)

        async def done(self, _: UUID) -> None:
            raise StoreUnavailable

    mailer.orders = Forgetful()
    with pytest.raises(StoreUnavailable):
        await mailer.work(identity.clock.now)
    identity.clock.on(seconds=60)
    first, second = await identity.mails()
    assert (await identity.post(f"/email-confirmations/{token_of(first)}")).status_code == 410
    assert (await identity.post(f"/email-confirmations/{token_of(second)}")).status_code == 200


async def test_given_many_events_when_ordered_then_round_by_round(identity: Identity) -> None:
    for n in range(3):
        assert (await identity.open(f"{n}", email=f"jan{n}@example.org", pesel=None, **PASSPORT)).is_success
    assert len(await identity.mails()) == 3
    assert await identity.parts.mail_orders.mark() == await identity.parts.store.head()


PASSPORT = {"birthDate": "1990-02-28", "sex": "female", "passport": "AB1234567"}
