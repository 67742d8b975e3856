"""What do the mails say, in both languages? Nothing clinical, and nothing of the person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from identity.mail_orders import MailKind


@dataclass(frozen=True, slots=True)
class Words:
    """A mail's subject and text; `{link}` stands where the link goes."""

    subject: str
    text: str


_PL: Final[Mapping[MailKind, Words]] = {
    MailKind.CONFIRM_EMAIL: Words(
        "Potwierdź swój adres e-mail",
        """Dzień dobry,

ten adres podano przy zakładaniu konta w Portalu Pacjenta. Aby go potwierdzić,
otwórz w ciągu 3 dni ten link:

{link}

Jeśli to nie Ty zakładasz konto, nic nie rób.
""",
    ),
    MailKind.RESET_PASSWORD: Words(
        "Ustaw nowe hasło",
        """Dzień dobry,

ktoś poprosił o nowe hasło do konta z tym adresem w Portalu Pacjenta. Aby je
ustawić, otwórz w ciągu 30 minut ten link:

{link}

Link działa tylko raz. Jeśli to nie Twoja prośba, nic nie rób: hasło pozostaje
bez zmian.
""",
    ),
    MailKind.PASSWORD_CHANGED: Words(
        "Twoje hasło zostało zmienione",
        """Dzień dobry,

hasło do Twojego konta w Portalu Pacjenta zostało przed chwilą zmienione, a
wcześniejsze sesje zakończone.

Jeśli to nie Ty, od razu ustaw nowe hasło, wybierając na stronie logowania
„Nie pamiętam hasła”:

{portal}
""",
    ),
    MailKind.APPROVE_FROM_OLD_EMAIL: Words(
        "Zmiana adresu e-mail: potwierdź z dotychczasowego adresu",
        """Dzień dobry,

na Twoim koncie w Portalu Pacjenta wpisano nowy adres e-mail. Zmiana nastąpi,
gdy w ciągu 3 dni zostaną otwarte dwa linki: ten oraz drugi, wysłany na nowy
adres.

{link}

Jeśli to nie Ty zmieniasz adres, nie otwieraj linku i zmień hasło.
""",
    ),
    MailKind.APPROVE_FROM_NEW_EMAIL: Words(
        "Zmiana adresu e-mail: potwierdź nowy adres",
        """Dzień dobry,

ten adres podano jako nowy adres konta w Portalu Pacjenta. Zmiana nastąpi, gdy
w ciągu 3 dni zostaną otwarte dwa linki: ten oraz drugi, wysłany na
dotychczasowy adres.

{link}

Jeśli to nie Ty zmieniasz adres, nic nie rób.
""",
    ),
}

_EN: Final[Mapping[MailKind, Words]] = {
    MailKind.CONFIRM_EMAIL: Words(
        "Confirm your e-mail address",
        """Hello,

this address was given when an account was created in the Patient Portal. To
confirm it, open this link within 3 days:

{link}

If it is not you who is creating an account, do nothing.
""",
    ),
    MailKind.RESET_PASSWORD: Words(
        "Set a new password",
        """Hello,

somebody asked for a new password for the account with this address in the
Patient Portal. To set one, open this link within 30 minutes:

{link}

The link works once. If you did not ask for it, do nothing: your password
stays as it is.
""",
    ),
    MailKind.PASSWORD_CHANGED: Words(
        "Your password was changed",
        """Hello,

the password of your account in the Patient Portal has just been changed, and
earlier sessions have ended.

If it was not you, set a new password at once: choose “Forgot your password?”
on the sign-in page:

{portal}
""",
    ),
    MailKind.APPROVE_FROM_OLD_EMAIL: Words(
        "Change of e-mail address: confirm from your present address",
        """Hello,

another e-mail address was entered in your account in the Patient Portal. It
takes effect when two links are opened within 3 days: this one, and another
that was sent to the new address.

{link}

If it is not you who is changing the address, do not open the link, and change
your password.
""",
    ),
    MailKind.APPROVE_FROM_NEW_EMAIL: Words(
        "Change of e-mail address: confirm the new address",
        """Hello,

this address was entered as the new address of an account in the Patient
Portal. It takes effect when two links are opened within 3 days: this one, and
another that was sent to the present address.

{link}

If it is not you who is changing the address, do nothing.
""",
    ),
}

WORDS: Final[Mapping[str, Mapping[MailKind, Words]]] = {"pl": _PL, "en": _EN}
"""Language -> kind -> words."""
