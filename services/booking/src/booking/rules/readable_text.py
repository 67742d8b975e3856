"""Can people read this text, and can everything that carries it hold it?"""


def readable(text: str) -> bool:
    """Say whether the text is not blank, and has neither U+0000 (PostgreSQL) nor half a character (UTF-8)."""
    whole = not any("\ud800" <= character <= "\udfff" for character in text)
    return bool(text.strip()) and "\0" not in text and whole
