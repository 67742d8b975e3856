"""What does a problem's code mean, and what can a person do now?

`type` of a problem document (RFC 9457) is the address of its page. The texts stand in texts.toml.
"""

import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.edge.page import Language, Page, Said, kept_a_while, weighed

_text: Final = partial(escape, quote=False)
_JSON: Final = ("application/json", "application/problem+json")
_HTML: Final = ("text/html", "application/xhtml+xml", "text/*", "*/*")
_WHAT: Final = {Language.POLISH: "Co się stało", Language.ENGLISH: "What happened"}
_NOW: Final = {Language.POLISH: "Co można teraz zrobić", Language.ENGLISH: "What you can do now"}
_FIELDS: Final = {Language.POLISH: "Kody pól", Language.ENGLISH: "The codes of fields"}
_ALL: Final = {Language.POLISH: "Wszystkie komunikaty", Language.ENGLISH: "All messages"}
_LISTED: Final = {
    Language.POLISH: "Komunikaty, które może pokazać portal. Każdy ma stronę z wyjaśnieniem i radą.",
    Language.ENGLISH: "The messages that the portal may show. Each has a page that explains it and advises.",
}


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Explanation(_Text):
    """One problem in one language."""

    title: str
    what: str
    now: str


class Problem(_Text):
    """One problem, for people. `status` is the HTTP status that it comes with."""

    status: int
    pl: Explanation
    en: Explanation


class Field(_Text):
    """What is wrong with a field that has this code."""

    pl: str
    en: str


class Texts(_Text):
    """All that texts.toml says, in its order."""

    problem: Mapping[str, Problem]
    field: Mapping[str, Field]


def read_texts() -> Texts:
    """Read texts.toml."""
    text = Path(__file__).with_name("texts.toml").read_text(encoding="utf-8")
    return Texts.model_validate(tomllib.loads(text))


def problem_pages(texts: Texts) -> APIRouter:
    """Return a router with one page for each problem, and one that lists them."""
    router = APIRouter(include_in_schema=False)
    documents = {code: _document(code, problem) for code, problem in texts.problem.items()}
    pages = {code: Page(_explained(code, problem)) for code, problem in texts.problem.items()}
    documents["invalid"]["fields"] = [
        {"code": code, **field.model_dump()} for code, field in texts.field.items()
    ]
    pages["invalid"] = Page(_explained("invalid", texts.problem["invalid"]), shared=_glossary(texts.field))
    everything = _shown(Page(_list(texts)), {"items": list(documents.values()), "next": None})
    router.add_api_route("/problems", everything, methods=["GET", "HEAD"])
    for code, page in pages.items():
        router.add_api_route(f"/problems/{code}", _shown(page, documents[code]), methods=["GET", "HEAD"])
    return router


def _shown(page: Page, document: Any) -> Callable[[Request], Awaitable[Response]]:
    text = orjson.dumps(document)

    async def show(request: Request) -> Response:
        """Explain, to people or to programs."""
        if _wants_json(request.headers):
            return Response(text, headers=kept_a_while(Language.POLISH), media_type="application/json")
        return page.answer(request.headers)

    return show


def _wants_json(asked: Headers) -> bool:
    """Tell whether `Accept` ranks JSON above HTML (RFC 9110, 12.5.1); without a word it is HTML."""
    accepted = weighed(asked.get("accept", "*/*"))
    return _quality(accepted, _JSON) > _quality(accepted, _HTML)


def _quality(accepted: Sequence[tuple[str, float]], kinds: Sequence[str]) -> float:
    return max((quality for kind, quality in accepted if kind in kinds), default=0.0)


def _document(code: str, problem: Problem) -> dict[str, Any]:
    return {
        "code": code,
        "type": f"/problems/{code}",
        "status": problem.status,
        "title": {"pl": problem.pl.title, "en": problem.en.title},
        "what": {"pl": problem.pl.what, "en": problem.en.what},
        "now": {"pl": problem.pl.now, "en": problem.en.now},
    }


def _explained(code: str, problem: Problem) -> dict[Language, Said]:
    said = {}
    for language, text in ((Language.POLISH, problem.pl), (Language.ENGLISH, problem.en)):
        html = f"""<h1>{_text(text.title)}</h1>
<h2>{_WHAT[language]}</h2>
<p>{_text(text.what)}</p>
<h2>{_NOW[language]}</h2>
<p>{_text(text.now)}</p>
<p class="small"><code>{code}</code> · HTTP {problem.status} · <a href="/problems">{_ALL[language]}</a></p>"""
        said[language] = Said(text.title, html)
    return said


def _list(texts: Texts) -> dict[Language, Said]:
    def listed(language: Language, titles: Mapping[str, str]) -> Said:
        items = "\n".join(
            f'<li><a href="/problems/{code}">{_text(title)}</a> <code>{code}</code></li>'
            for code, title in titles.items()
        )
        html = f"<h1>{_ALL[language]}</h1>\n<p>{_LISTED[language]}</p>\n<ul>\n{items}\n</ul>"
        return Said(_ALL[language], html)

    return {
        Language.POLISH: listed(Language.POLISH, {c: p.pl.title for c, p in texts.problem.items()}),
        Language.ENGLISH: listed(Language.ENGLISH, {c: p.en.title for c, p in texts.problem.items()}),
    }


def _glossary(fields: Mapping[str, Field]) -> str:
    """Return what each field's code means, in both languages beside each other, each with its own anchor."""
    heading = " · ".join(f'<span lang="{language}">{text}</span>' for language, text in _FIELDS.items())
    terms = "\n".join(
        f"""<dt id="{code}"><code>{code}</code></dt>
<dd lang="pl">{_text(field.pl)}</dd>
<dd lang="en">{_text(field.en)}</dd>"""
        for code, field in fields.items()
    )
    return f"<section>\n<h2>{heading}</h2>\n<dl>\n{terms}\n</dl>\n</section>\n"
