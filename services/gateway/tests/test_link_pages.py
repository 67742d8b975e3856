"""Can a person who opened a link from an e-mail do what it is for, in words they read and without a mouse?

What a browser does with them is not run here: these tests hold what the pages and their script rest on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest

PAGES = {
    "/password-reset": {"/api/password-resets/"},
    "/email-confirmation": {"/api/email-confirmations/"},
}
SAID = {"no-token", "working", "done", "link-expired", "too-many-attempts", "offline", "failed"}
OF_THE_PASSWORD = {"password-weak", "control-character"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    inside: list["Element"] = field(default_factory=list)

    def all(self, tag: str) -> Iterator["Element"]:
        for element in self.inside:
            if element.tag == tag:
                yield element
            yield from element.all(tag)


class Reader(HTMLParser):
    """Reads a page into elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.page = Element("page", {})
        self._open = [self.page]
        self.feed(text)
        assert len(self._open) == 1, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self._open[-1].inside.append(element)
        if tag not in {"meta", "link", "input"}:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag


async def read(portal: Any, path: str) -> Element:
    response = await portal.browser.get(path)
    assert response.status_code == 200
    return Reader(response.text).page


@pytest.mark.parametrize("path", PAGES)
async def test_given_a_link_page_then_its_own_script_alone_may_run_and_ask_the_portal_alone(
    portal: Any, path: str
) -> None:
    response = await portal.browser.get(path)
    policy = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    page = Reader(response.text).page
    assert [script.attributes for script in page.all("script")] == [
        {"src": "/link-page.js", "type": "module"}
    ]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", response.text)
    script = await portal.browser.get("/link-page.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "script-src" not in script.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/problems", "/problems/invalid", "/nothing"])
async def test_given_any_other_page_then_no_script_may_run(portal: Any, path: str) -> None:
    response = await portal.browser.get(path)
    assert "script-src" not in response.headers["content-security-policy"]
    assert "<script" not in response.text


@pytest.mark.parametrize("path", PAGES)
async def test_given_a_link_page_then_both_languages_ask_the_same_and_have_words_for_every_end(
    portal: Any, path: str
) -> None:
    page = await read(portal, path)
    articles = list(page.all("article"))
    assert {article.attributes["lang"] for article in articles} == {"pl", "en"}
    for article in articles:
        assert {form.attributes["data-asks"] for form in article.all("form")} == PAGES[path]
        said = {template.attributes["data-says"] for template in article.all("template")}
        assert said == SAID | (OF_THE_PASSWORD if path == "/password-reset" else set())
        assert list(article.all("noscript"))


@pytest.mark.parametrize("path", PAGES)
async def test_given_a_link_page_then_fields_have_labels_and_news_is_announced(
    portal: Any, path: str
) -> None:
    page = await read(portal, path)
    ids = [e.attributes["id"] for e in every(page) if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for article in page.all("article"):
        labelled = {label.attributes["for"] for label in article.all("label")}
        fields = list(article.all("input"))
        assert {f.attributes["id"] for f in fields} == labelled
        for name in [n for f in fields for n in (f.attributes.get("aria-describedby") or "").split()]:
            assert name in ids
        assert [b.attributes["type"] for b in article.all("button")] == ["submit"]
        [news] = [e for e in article.all("div") if e.attributes.get("role") == "status"]
        assert news.attributes["tabindex"] == "-1"


async def test_given_the_password_field_then_a_manager_may_fill_it_and_the_portals_rule_is_told(
    portal: Any,
) -> None:
    page = await read(portal, "/password-reset")
    for field_ in [f for f in page.all("input") if "name" in f.attributes]:
        assert field_.attributes["type"] == "password"
        assert field_.attributes["autocomplete"] == "new-password"
        assert field_.attributes["minlength"] == "12"


async def test_given_the_script_then_the_token_leaves_the_address_bar_and_stays_in_this_page(
    portal: Any,
) -> None:
    script = (await portal.browser.get("/link-page.js")).text
    assert 'history.replaceState(null, "", location.pathname)' in script
    assert script.count("location.hash") == 1
    assert script.count("token") == script.count("token =") + script.count("token !=") + script.count(
        "asks + token"
    ) + script.count("The token") + script.count('"no-token"'), "told to nobody but the API"
    for leak in ("innerHTML", "eval", "Storage", "cookie", "console", "sendBeacon", "http:", "https:"):
        assert leak not in script


def every(element: Element) -> Iterator[Element]:
    for one in element.inside:
        yield one
        yield from every(one)
