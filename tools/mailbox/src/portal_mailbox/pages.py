"""How does a mail look to a person? As plain text whose links can be followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from portal_mailbox.letters import Letter

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ccc; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; }
"""

_LINK = re.compile(r"https?://[^\s<>\"]+")
_AFTER_A_LINK = ".,;:!?)]'"
"""What ends a sentence rather than an address."""


def list_page(letters: Sequence[Letter]) -> str:
    """Write the list of mails."""
    rows = "".join(
        f"<tr><td>{letter.received_at:%Y-%m-%d %H:%M:%S} UTC</td>"
        f"<td>{escape(', '.join(letter.to))}</td>"
        f'<td><a href="/read/{escape(letter.id)}">{escape(letter.subject) or "(no subject)"}</a></td></tr>'
        for letter in letters
    )
    head = "<tr><th>Received</th><th>To</th><th>Subject</th></tr>"
    shown = f"<table>{head}{rows}</table>" if rows else "<p>No mail yet.</p>"
    return page("Mailbox", f"<p>Mails of this portal end here; nothing is sent on.</p>{shown}")


def letter_page(letter: Letter, text: str) -> str:
    """Write one mail."""
    facts = (("From", letter.sender), ("To", ", ".join(letter.to)))
    lines = "".join(f"<p>{name}: {escape(value)}</p>" for name, value in facts)
    back = '<p><a href="/">All mails</a></p>'
    return page(letter.subject or "(no subject)", f"{lines}<pre>{linked(text)}</pre>{back}")


def linked(text: str) -> str:
    """Escape the text and make its web addresses links."""
    written, end = [], 0
    for found in _LINK.finditer(text):
        address = found[0].rstrip(_AFTER_A_LINK)
        written.append(escape(text[end : found.start()]))
        written.append(f'<a href="{escape(address)}" rel="noreferrer">{escape(address)}</a>')
        end = found.start() + len(address)
    return "".join(written) + escape(text[end:])


def page(title: str, content: str) -> str:
    """Write a whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/style.css"></head>'
        f"<body><h1>{escape(title)}</h1>{content}</body></html>"
    )
