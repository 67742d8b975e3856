"""Is a password strong enough?

Twelve characters and zxcvbn's word for it, offline; no rules about kinds of characters (NIST SP 800-63B).
"""

import re
from collections.abc import Sequence
from itertools import permutations
from typing import Final

from zxcvbn import zxcvbn

from identity.rules.form import Fault
from identity.rules.text import unreadable

MIN_LENGTH: Final = 12
_MIN_SCORE: Final = 3
_SEPARATORS: Final = re.compile(r"[\s@._+-]+")
_ESTIMATED_CHARACTERS: Final = 72
"""zxcvbn's time grows with the square of the length, and it refuses more."""


def password_faults(password: str, own_words: Sequence[str], pointer: str = "/password") -> list[Fault]:
    """Return what is wrong; slow (tens of ms), so not for the event loop.

    `own_words`: what is known of the person, which is what a guesser tries first. `pointer`: the field.
    """
    if unreadable(password):
        # RFC 8265, 4.2: no keyboard gives them, and some programs end a text at them.
        return [Fault(pointer, "control-character", "A password holds no control characters")]
    if len(password) < MIN_LENGTH:
        return [Fault(pointer, "password-weak", f"A password has at least {MIN_LENGTH} characters")]
    estimate = zxcvbn(password[:_ESTIMATED_CHARACTERS], _guesses(own_words))
    if estimate["score"] < _MIN_SCORE:
        return [Fault(pointer, "password-weak", "This password is too easy to guess")]
    return []


def _guesses(own_words: Sequence[str]) -> list[str]:
    """Return the words, the name before an address' @, their parts, and the parts two by two."""
    parts = {part for word in own_words for part in _SEPARATORS.split(word) if len(part) > 1}
    pairs = {first + second for first, second in permutations(parts, 2)}
    return sorted({*own_words, *(word.partition("@")[0] for word in own_words), *parts, *pairs})
