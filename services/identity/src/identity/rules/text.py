"""Which characters may a person's text hold?

Any letters, marks and emoji of the world, and markup, which is text like any other. Not: control characters,
halves of characters, and the invisible ones that turn the direction of what follows (Unicode TR 36, 2.8).
"""

import unicodedata
from typing import Final

_REFUSED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SEEN: Final = frozenset("LNPS")
"""Letters, numbers, punctuation, symbols: what leaves ink."""


def unreadable(text: str) -> bool:
    """Tell whether the text holds a character that no person types into a field."""
    return any(unicodedata.category(c) in _REFUSED or c in _TURNING for c in text)


def blank(text: str) -> bool:
    """Tell whether nothing of the text would be seen."""
    return not any(unicodedata.category(c)[0] in _SEEN for c in text)
