"""Do Idempotency-Keys become opaque, and keep apart what must be kept apart?"""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from portal_chassis.app import create_app
from portal_chassis.idempotency import (
    CurrentRequestKeys,
    IdempotencyKey,
    OptionalIdempotencyKey,
    RequestKeys,
)
from portal_chassis.settings import SettingsError
from portal_eventstore.decision import about


@pytest.fixture
def keys(key_file: Path) -> RequestKeys:
    return RequestKeys(key_file)


def test_given_the_same_request_when_made_opaque_then_equal_and_a_valid_tag(keys: RequestKeys) -> None:
    one = keys.request(actor="a", route="POST /x", key="k", body={"b": 1, "a": [2]})
    other = keys.request(actor="a", route="POST /x", key="k", body={"a": [2], "b": 1})
    assert one == other
    assert one.tag.startswith("request:")
    about(one.tag)


@pytest.mark.parametrize(
    "change", [{"actor": "b"}, {"route": "POST /y"}, {"key": "l"}, {"actor": "aP", "route": "OST /x"}]
)
def test_given_another_actor_route_or_key_when_made_opaque_then_another_tag(
    keys: RequestKeys, change: dict[str, str]
) -> None:
    request = {"actor": "a", "route": "POST /x", "key": "k"}
    one = keys.request(**request, body=b"")
    other = keys.request(**{**request, **change}, body=b"")
    assert one.tag != other.tag
    assert one.body_hash == other.body_hash


def test_given_another_body_when_made_opaque_then_another_hash_and_the_same_tag(keys: RequestKeys) -> None:
    one = keys.request(actor="a", route="r", key="k", body=b"1")
    other = keys.request(actor="a", route="r", key="k", body=b"2")
    assert one.tag == other.tag
    assert one.body_hash != other.body_hash


def test_given_another_key_file_when_made_opaque_then_nothing_is_equal(
    keys: RequestKeys, tmp_path: Path
) -> None:
    path = tmp_path / "other"
    path.write_text("A" * 43)
    one = keys.request(actor="a", route="r", key="k", body=b"1")
    other = RequestKeys(path).request(actor="a", route="r", key="k", body=b"1")
    assert one.tag != other.tag
    assert one.body_hash != other.body_hash


def test_given_no_key_when_made_opaque_then_there_is_no_request(keys: RequestKeys) -> None:
    assert keys.request(actor="a", route="r", key=None, body=b"") is None


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "ł" * 43])
def test_given_a_broken_key_file_when_read_then_one_sentence_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(SettingsError, match="broken"):
        RequestKeys(path)


@pytest.fixture
def app(keys: RequestKeys) -> FastAPI:
    app = create_app("example")
    app.state.request_keys = keys

    @app.post("/things")
    async def things(key: IdempotencyKey, keys: CurrentRequestKeys) -> str:
        return keys.request(actor="a", route="r", key=key, body=b"").tag

    @app.post("/others")
    async def others(key: OptionalIdempotencyKey) -> str | None:
        return key

    return app


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (None, "idempotency-key-missing"),
        ("", "idempotency-key-missing"),
        ("k" * 129, "idempotency-key-too-long"),
        ("k" * 128, None),
        ("zażółć \x7f", None),
    ],
)
async def test_given_a_header_when_required_then_missing_and_too_long_are_422(
    app: FastAPI, key: str | None, problem: str | None
) -> None:
    headers = httpx.Headers({} if key is None else {b"Idempotency-Key": key.encode()})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        response = await client.post("/things", headers=headers)
    if problem is None:
        assert response.status_code == 200
    else:
        assert response.status_code == 422
        assert response.json()["type"] == f"/problems/{problem}"


@pytest.mark.parametrize(("key", "taken"), [(None, None), ("", None), ("k" * 128, "k" * 128)])
async def test_given_a_header_when_optional_then_without_it_there_is_none(
    app: FastAPI, key: str | None, taken: str | None
) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        assert (await client.post("/others", headers=headers)).json() == taken
        long = await client.post("/others", headers={"Idempotency-Key": "k" * 129})
    assert (long.status_code, long.json()["type"]) == (422, "/problems/idempotency-key-too-long")
