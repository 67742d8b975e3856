"""What does a client see of refusals and faults, and what must it never see?"""

from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from portal_chassis.app import create_app
from portal_chassis.capabilities import LevelTooLow
from portal_chassis.problems import FieldError, Invalid, pointer, problems
from portal_eventstore.decision import Conflict, IdempotencyKeyReused, KeyUnavailable

SECRET = "jan.kowalski@example.org"


GONE = {
    "refused": ConnectionRefusedError(SECRET),
    "late": TimeoutError(SECRET),
    "lost": asyncpg.ConnectionDoesNotExistError(SECRET),
    "closed": asyncpg.InterfaceError(SECRET),
    "ended while idle": asyncpg.InternalClientError(SECRET),
    "stopping": asyncpg.AdminShutdownError(SECRET),
    "full": asyncpg.DiskFullError(SECRET),
}


class SlotTaken(Conflict):
    """A refusal."""

    code = "slot-taken"
    title = "Another patient was faster"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=5)
    kind: str = "a"
    inner: Inner | None = None

    def model_post_init(self, _: object, /) -> None:
        if self.kind == "custom":
            raise PydanticCustomError("kind-unknown", "This kind is not known")


@pytest.fixture
def app() -> FastAPI:  # noqa: C901 - one small endpoint a case
    app = create_app("example")

    @app.get("/taken", responses=problems(SlotTaken))
    async def taken() -> None:
        raise SlotTaken("At this address or at another one")

    @app.get("/later")
    async def later() -> None:
        raise KeyUnavailable

    @app.get("/locked")
    async def locked() -> None:
        raise LevelTooLow

    @app.get("/invalid")
    async def invalid() -> None:
        raise Invalid([FieldError("/pesel", "pesel-invalid", "It has a mistake in it")])

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError(SECRET)

    @app.get("/gone/{how}")
    async def gone(how: str) -> None:
        raise GONE[how]

    @app.get("/http")
    async def http() -> None:
        raise HTTPException(409, SECRET)

    @app.post("/body")
    async def body(body: Body) -> str:
        return body.name

    @app.get("/query")
    async def query(limit: int) -> int:
        return limit

    @app.get("/broken-stream")
    async def broken_stream() -> StreamingResponse:
        def chunks() -> Iterator[bytes]:
            yield b"one"
            raise RuntimeError(SECRET)

        return StreamingResponse(chunks())

    return app


async def ask(app: FastAPI, method: str, path: str, **kwargs: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        return await client.request(method, path, **kwargs)


def codes(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/invalid"
    return [(fault["pointer"], fault["code"]) for fault in response.json()["errors"]]


async def test_given_a_refusal_when_answered_then_it_is_a_problem_document(app: FastAPI) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    response = await ask(app, "GET", "/taken", headers={"traceparent": trace})
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "/problems/slot-taken",
        "title": "Another patient was faster",
        "status": 409,
        "detail": "At this address or at another one",
        "instance": "urn:uuid:4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
    }
    assert "retry-after" not in response.headers


async def test_given_what_a_level_locks_when_refused_then_the_ways_to_unlock_it_are_named(
    app: FastAPI,
) -> None:
    response = await ask(app, "GET", "/locked")
    assert response.status_code == 403
    assert response.json()["type"] == "/problems/level-too-low"
    assert response.json()["unlockWays"] == ["bank", "call-centre", "contact-form", "facility"]


async def test_given_unavailable_when_answered_then_it_says_when_to_come_back(app: FastAPI) -> None:
    response = await ask(app, "GET", "/later")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["type"] == "/problems/key-unavailable"


@pytest.mark.parametrize("how", sorted(GONE))
async def test_hazard_database_gone_is_503_and_not_a_fault_of_ours(app: FastAPI, how: str) -> None:
    response = await ask(app, "GET", f"/gone/{how}")
    assert response.status_code == 503
    assert response.json()["type"] == "/problems/store-unavailable"
    assert response.headers["retry-after"] == "1"
    assert SECRET not in response.text


async def test_given_rules_that_found_faults_when_answered_then_each_is_named(app: FastAPI) -> None:
    response = await ask(app, "GET", "/invalid")
    assert response.json()["errors"] == [
        {"pointer": "/pesel", "code": "pesel-invalid", "detail": "It has a mistake in it"}
    ]


async def test_hazard_fault_shows_a_trace_id_and_nothing_else(app: FastAPI) -> None:
    response = await ask(app, "GET", "/fault")
    assert response.status_code == 500
    assert set(response.json()) == {"type", "title", "status", "instance", "traceId"}
    assert len(response.json()["traceId"]) == 32
    assert SECRET not in response.text


async def test_hazard_fault_in_the_middle_of_an_answer_breaks_it_off(app: FastAPI) -> None:
    with pytest.raises(RuntimeError):
        await ask(app, "GET", "/broken-stream")


async def test_hazard_detail_of_a_library_exception_is_not_shown(app: FastAPI) -> None:
    response = await ask(app, "GET", "/http")
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/conflict"
    assert SECRET not in response.text


async def test_given_no_such_path_or_method_when_asked_then_problem_documents(app: FastAPI) -> None:
    assert (await ask(app, "GET", "/none")).json()["type"] == "/problems/not-found"
    response = await ask(app, "DELETE", "/taken")
    assert response.json()["type"] == "/problems/method-not-allowed"
    assert response.headers["allow"] == "GET"


async def test_given_a_faulty_body_when_answered_then_pointers_and_codes(app: FastAPI) -> None:
    response = await ask(app, "POST", "/body", json={"name": SECRET, "inner": {"count": SECRET}, "role": "x"})
    assert codes(response) == [
        ("/name", "string-too-long"),
        ("/inner/count", "int-parsing"),
        ("/role", "extra-forbidden"),
    ]
    assert SECRET not in response.text


async def test_given_a_missing_field_when_answered_then_it_is_pointed_at(app: FastAPI) -> None:
    assert codes(await ask(app, "POST", "/body", json={})) == [("/name", "missing")]


async def test_hazard_made_up_field_name_is_not_repeated(app: FastAPI) -> None:
    response = await ask(app, "POST", "/body", json={"name": "a", SECRET: 1})
    assert codes(response) == [("", "extra-forbidden")]
    assert SECRET not in response.text


async def test_given_a_custom_error_when_answered_then_its_own_code_and_words(app: FastAPI) -> None:
    response = await ask(app, "POST", "/body", json={"name": "a", "kind": "custom"})
    assert codes(response) == [("", "kind-unknown")]
    assert response.json()["errors"][0]["detail"] == "This kind is not known"


@pytest.mark.parametrize(
    "content", [b"{", b"", b"[]", b'"x"', b"\xff\xfe", b"\x00", b"nul", b'{"name": NaN}']
)
async def test_given_what_is_no_json_object_when_answered_then_422(app: FastAPI, content: bytes) -> None:
    response = await ask(app, "POST", "/body", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["\\u0000", "\\ud800", "\\u0000\\u0001"])
async def test_hazard_nul_and_half_characters_are_no_fault_of_ours(app: FastAPI, name: str) -> None:
    response = await ask(
        app,
        "POST",
        "/body",
        content=f'{{"name": "{name}"}}'.encode(),
        headers={"content-type": "application/json"},
    )
    assert response.status_code in {200, 422}


async def test_given_a_faulty_query_when_answered_then_the_parameter_is_named(app: FastAPI) -> None:
    response = await ask(app, "GET", "/query", params={"limit": SECRET})
    assert response.json()["errors"] == [
        {
            "pointer": "",
            "code": "int-parsing",
            "detail": "This value is not valid",
            "parameter": "limit",
        }
    ]


def test_given_names_with_slashes_when_pointed_at_then_they_are_escaped() -> None:
    assert pointer("a/b", "c~d", 0) == "/a~1b/c~0d/0"


def test_given_refusals_when_described_then_grouped_by_status_with_invalid_beside_422() -> None:
    described = problems(SlotTaken, IdempotencyKeyReused)
    assert set(described) == {409, 422}
    examples = described[422]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"idempotency-key-reused", "invalid"}


async def test_given_an_endpoint_when_documented_then_its_codes_are_listed(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/taken"]["get"]
    content = operation["responses"]["409"]["content"]
    assert set(content["application/problem+json"]["examples"]) == {"slot-taken"}
