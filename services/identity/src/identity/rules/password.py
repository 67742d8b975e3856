"""Is a password strong enough?

Twelve characters and zxcvbn's word for it, offline; no rules about kinds of characters (NIST SP 800-63B).
"""

from collections.abc import Sequence
from typing import Final

from zxcvbn import zxcvbn

from identity.rules.form import Fault

MIN_LENGTH: Final = 12
_MIN_SCORE: Final = 3
_ESTIMATED_CHARACTERS: Final = 72
"""zxcvbn's time grows with the square of the length, and it refuses more."""


def password_faults(password: str, own_words: Sequence[str]) -> list[Fault]:
    """Return what is wrong; slow (tens of ms), so not for the event loop.

    `own_words`: what the same form says elsewhere, which is what a guesser tries first.
    """
    if len(password) < MIN_LENGTH:
        return [Fault("/password", "password-weak", f"A password has at least {MIN_LENGTH} characters")]
    estimate = zxcvbn(password[:_ESTIMATED_CHARACTERS], [word for word in own_words if word])
    if estimate["score"] < _MIN_SCORE:
        return [Fault("/password", "password-weak", "This password is too easy to guess")]
    return []
