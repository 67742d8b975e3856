"""Does a person, and a program, find out what a problem means, in Polish and in English?"""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.problem_pages.endpoint import Explanation, Field, Problem, Texts, problem_pages, read_texts

TEXTS = read_texts()


def article(page: str, language: str) -> str:
    found = re.search(rf'<article id="{language}" lang="{language}".*?</article>', page, re.DOTALL)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("code", TEXTS.problem)
async def test_given_a_code_when_opened_then_what_happened_and_what_to_do_in_both_languages(
    portal: Any, code: str
) -> None:
    response = await portal.browser.get(f"/problems/{code}", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in response.text
    assert "style=" not in response.text
    problem = TEXTS.problem[code]
    for language, texts in (("pl", problem.pl), ("en", problem.en)):
        shown = article(response.text, language)
        assert f"<h1>{texts.title}</h1>" in shown
        assert f"<p>{texts.what}</p>" in shown
        assert f"<p>{texts.now}</p>" in shown
        assert f"HTTP {problem.status}" in shown


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("pl", "pl"),
        ("pl-PL,pl;q=0.9,en-US;q=0.8,en;q=0.7", "pl"),
        ("en-GB,en;q=0.9,pl;q=0.8", "en"),
        ("de,pl;q=0.3,en;q=0.2", "pl"),
        ("en,pl", "en"),
        ("PL", "pl"),
        ("pl;q=0", "en"),
        ("pl;q=much,*", "en"),
        ("de", "en"),
        ("*", "en"),
        (None, "en"),
    ],
)
async def test_given_a_browser_when_it_prefers_a_language_then_that_comes_first(
    portal: Any, wanted: str | None, first: str
) -> None:
    headers = {} if wanted is None else {"Accept-Language": wanted}
    response = await portal.browser.get("/problems/slot-taken", headers=headers)
    other = {"pl": "en", "en": "pl"}[first]
    assert response.headers["content-language"] == f"{first}, {other}"
    assert f'<html lang="{first}">' in response.text
    assert re.findall(r'<article id="(..)"', response.text) == [first, other]
    title = {"pl": TEXTS.problem["slot-taken"].pl.title, "en": TEXTS.problem["slot-taken"].en.title}[first]
    assert f"<title>{title} · Patient Portal</title>" in response.text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/problem+json", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("text/html, application/json;q=0.9", "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json;q=0", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("image/png", "text/html; charset=utf-8"),
    ],
)
async def test_given_what_is_accepted_then_a_page_or_json(portal: Any, accept: str, kind: str) -> None:
    for path in ("/problems/slot-taken", "/problems"):
        response = await portal.browser.get(path, headers={"Accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, kind)
        assert response.headers["vary"] == "Accept, Accept-Language"
        assert response.headers["cache-control"] == "public, max-age=3600"


async def test_given_a_program_when_it_asks_then_the_same_in_json(portal: Any) -> None:
    headers = {"Accept": "application/problem+json"}
    problem = TEXTS.problem["slot-taken"]
    expected = {
        "code": "slot-taken",
        "type": "/problems/slot-taken",
        "status": 409,
        "title": {"pl": problem.pl.title, "en": problem.en.title},
        "what": {"pl": problem.pl.what, "en": problem.en.what},
        "now": {"pl": problem.pl.now, "en": problem.en.now},
    }
    assert (await portal.browser.get("/problems/slot-taken", headers=headers)).json() == expected
    listed = (await portal.browser.get("/problems", headers=headers)).json()
    assert [item["code"] for item in listed["items"]] == list(TEXTS.problem)
    assert expected in listed["items"]


async def test_given_the_codes_of_fields_when_invalid_is_opened_then_each_is_explained_at_its_own_anchor(
    portal: Any,
) -> None:
    page = (await portal.browser.get("/problems/invalid")).text
    for code, field in TEXTS.field.items():
        assert f'<dt id="{code}"><code>{code}</code></dt>\n<dd lang="pl">{field.pl}</dd>' in page
        assert f'<dd lang="en">{field.en}</dd>' in page
    told = (await portal.browser.get("/problems/invalid", headers={"Accept": "application/json"})).json()
    assert told["fields"] == [{"code": c, "pl": f.pl, "en": f.en} for c, f in TEXTS.field.items()]
    assert "<dl>" not in (await portal.browser.get("/problems/slot-taken")).text


async def test_given_all_problems_when_listed_then_each_is_a_link_in_both_languages(portal: Any) -> None:
    page = (await portal.browser.get("/problems")).text
    for code, problem in TEXTS.problem.items():
        assert f'<a href="/problems/{code}">{problem.pl.title}</a>' in article(page, "pl")
        assert f'<a href="/problems/{code}">{problem.en.title}</a>' in article(page, "en")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    "path", ["/problems/no-such-code", "/problems/", "/problems/slot-taken/x", "/problems/SLOT-TAKEN"]
)
async def test_given_an_unknown_code_then_the_page_that_says_so(portal: Any, path: str, accept: str) -> None:
    response = await portal.browser.get(path, headers={"Accept": accept, "Accept-Language": "pl"})
    assert response.status_code == 404
    assert response.headers["cache-control"] == "no-store"
    assert '<html lang="pl">' in response.text
    for words in ("Nie ma takiej strony", "There is no such page"):
        assert words in response.text


async def test_given_head_then_the_headers_of_get_and_a_write_is_405(portal: Any) -> None:
    for path in ("/problems", "/problems/invalid", "/", "/password-reset", "/email-confirmation"):
        got, head = await portal.browser.get(path), await portal.browser.head(path)
        assert head.status_code == 200
        for name in ("content-type", "content-length", "content-language", "cache-control", "vary"):
            assert head.headers[name] == got.headers[name]
        written = await portal.browser.post(path, headers=portal.csrf)
        assert (written.status_code, written.headers["allow"]) == (405, "GET, HEAD")


async def test_given_texts_with_markup_when_shown_then_they_are_text() -> None:
    said = Explanation(title="<b>1</b>", what="<b>2</b>", now="<b>3</b>")
    problem = Problem(status=422, pl=said, en=said)
    texts = Texts(problem={"invalid": problem}, field={"x": Field(pl="<b>4</b>", en="<b>5</b>")})
    app = FastAPI()
    app.include_router(problem_pages(texts))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as browser:
        for path in ("/problems", "/problems/invalid"):
            assert "<b" not in (await browser.get(path)).text.replace("<body>", "")


def test_given_the_texts_then_sentences_in_two_languages_that_differ() -> None:
    for problem in TEXTS.problem.values():
        assert 400 <= problem.status < 600
        for polish, english in zip(
            problem.pl.model_dump().values(), problem.en.model_dump().values(), strict=True
        ):
            assert polish != english
        for texts in (problem.pl, problem.en):
            assert not texts.title.endswith(".")
            assert texts.what.endswith(".")
            assert texts.now.endswith(".")
    for field in TEXTS.field.values():
        assert field.pl != field.en
        assert field.pl.endswith(".")
        assert field.en.endswith(".")
