"""What do all pages for people have around them, and in which language does a person read first?

Every page says everything in Polish and in English; what the browser asks for decides which comes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.edge.headers import POLICY_WITH_SCRIPT


class Language(StrEnum):
    """What the portal speaks."""

    POLISH = "pl"
    ENGLISH = "en"

    @property
    def other(self) -> "Language":
        """The one of the two that this is not."""
        return Language.ENGLISH if self is Language.POLISH else Language.POLISH


_MEDIA_TYPE: Final = "text/html; charset=utf-8"
_ELSEWHERE: Final = {Language.POLISH: "Po polsku", Language.ENGLISH: "In English"}
_EMERGENCY: Final = {
    Language.POLISH: "W nagłym przypadku zadzwoń pod 112.",
    Language.ENGLISH: "In an emergency call 112.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One page in one language: plain text and HTML."""

    title: str
    html: str


class Page:
    """One page in both languages, written once and ready to be sent."""

    def __init__(self, said: Mapping[Language, Said], *, shared: str = "", script: str | None = None) -> None:
        """Take what it says; `shared` is HTML that follows both, `script` the path of its own script."""
        self._html = {first: _html(first, said, shared, script) for first in Language}
        self._allowed = {} if script is None else {"content-security-policy": POLICY_WITH_SCRIPT}

    def answer(self, asked: Headers) -> Response:
        """Return the page as the browser whose request had these headers reads it."""
        first = preferred_language(asked)
        return Response(self._html[first], 200, kept_a_while(first) | self._allowed, _MEDIA_TYPE)

    def not_found(self, asked: Headers) -> Response:
        """Return the page where nothing is; something may be there soon, so nobody keeps it."""
        headers = {"cache-control": "no-store", "vary": "Accept-Language"}
        return Response(self._html[preferred_language(asked)], 404, headers, _MEDIA_TYPE)


def kept_a_while(first: Language) -> dict[str, str]:
    """Return the headers of what stays the same for an hour and says everything in both languages."""
    return {
        "cache-control": "public, max-age=3600",
        "content-language": f"{first}, {first.other}",
        "vary": "Accept, Accept-Language",
    }


def preferred_language(headers: Headers) -> Language:
    """Return what `Accept-Language` prefers (RFC 9110, 12.5.4); English where it names neither."""
    spoken = [(quality, _spoken(tag)) for tag, quality in weighed(headers.get("accept-language", ""))]
    # Of equal ones the first that is listed counts: that is what max() returns.
    quality, language = max(
        ((q, one) for q, one in spoken if one is not None), key=lambda found: found[0], default=(0.0, None)
    )
    return language if language is not None and quality > 0 else Language.ENGLISH


def weighed(header: str) -> list[tuple[str, float]]:
    """Return what a header like `a;q=0.5, b` lists, in lower case, with its quality (RFC 9110, 12.4.2)."""
    found = []
    for part in header[:1000].lower().split(","):
        value, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            found.append((value, min(max(float(quality), 0.0), 1.0)))
        except ValueError:
            found.append((value, 0.0))
    return found


def _spoken(tag: str) -> Language | None:
    primary = tag.partition("-")[0]
    return Language(primary) if primary in set(Language) else None


def _html(first: Language, said: Mapping[Language, Said], shared: str, script: str | None) -> bytes:
    loaded = "" if script is None else f'<script src="{script}" type="module"></script>\n'
    articles = "\n".join(
        f'<article id="{language}" lang="{language}" data-title="{escape(said[language].title)}">\n'
        f"{said[language].html}\n</article>"
        for language in (first, first.other)
    )
    emergency = " ".join(
        f'<span lang="{language}">{_EMERGENCY[language]}</span>' for language in (first, first.other)
    )
    return f"""<!doctype html>
<html lang="{first}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(said[first].title, quote=False)} · Patient Portal</title>
<link rel="stylesheet" href="/site.css">
{loaded}</head>
<body>
<header>
<a class="home" href="/"><strong>Zdrovia</strong> Patient Portal</a>
<a href="#{first.other}" lang="{first.other}">{_ELSEWHERE[first.other]}</a>
</header>
<main>
{articles}
{shared}</main>
<footer>{emergency}</footer>
</body>
</html>
""".encode()
