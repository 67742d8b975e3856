"""Did some test produce each refusal that the API's contract lists, and did the portal answer nothing else?

A case a refusal, from the contract itself: a new endpoint, or a new code of an old one, fails here until a
test has seen it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from openapi_schema_validator import OAS31Validator

from portal_contract.golden import read_golden
from portal_contract.operations import public_operations
from portal_contract.pages import operations, refusals
from portal_contract.produced import Produced, matching, produced, unlisted

if TYPE_CHECKING:
    from portal_contract.seen import Answer, Recorder

CONTRACT = read_golden()
LISTED = [(method, path, code) for method, path, one in operations(CONTRACT) for _, code in refusals(one)]


@pytest.fixture(scope="module")
def found(refusals_seen: Recorder) -> set[Produced]:
    return produced(refusals_seen.seen, public_operations())


@pytest.mark.parametrize(("method", "path", "code"), LISTED)
def test_given_the_whole_run_when_it_ends_then_this_refusal_was_produced(
    found: set[Produced], method: str, path: str, code: str
) -> None:
    assert (method, path, code) in found, f"no test of this run made {method} {path} refuse with {code}"


def test_given_the_whole_run_when_it_ends_then_no_refusal_was_seen_that_is_not_listed(
    refusals_seen: Recorder,
) -> None:
    assert unlisted(refusals_seen.seen, public_operations()) == set()


def test_given_the_whole_run_when_it_ends_then_whole_portals_answered_as_the_contract_says(
    refusals_seen: Recorder,
) -> None:
    answers = [answer for alike in refusals_seen.answers.values() for answer in alike]
    assert answers
    assert {fault for answer in answers for fault in faults(answer)} == set()


def faults(answer: Answer) -> list[str]:
    """Say in which places an answer is not what the contract says; its values may be personal."""
    candidates = [(one.own, one) for one in public_operations()]
    for one in matching(answer.method, answer.path, candidates):
        place = f"{one.method} {one.path} {answer.status}"
        described = CONTRACT["paths"][one.path][one.method.lower()]["responses"].get(str(answer.status))
        if described is None:
            return [f"{place} is not listed"]
        schema = {
            **described["content"]["application/json"]["schema"],
            "components": closed(CONTRACT["components"]),
        }
        found = OAS31Validator(schema).iter_errors(orjson.loads(answer.body))
        return [f"{place}: {error.json_path} is not {error.validator}" for error in found]
    return []


def closed(schema: Any) -> Any:
    """Let objects have no members but those described: what is not described is a fault as well."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "properties" in schema else {}
    return {**{key: closed(value) for key, value in schema.items()}, **more}
