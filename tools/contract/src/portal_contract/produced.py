"""To which operations of the public API do the refusals belong that the tests saw?

A test that plays the services shows only what the gateway itself refuses; a test of a service shows what that
service refuses, wherever the gateway asks it; a test of the whole portal shows both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from portal_chassis.problems import Invalid
from portal_chassis.requests import BodyTooLarge
from portal_contract.operations import PREFIX, Operation, PublicOperation, shape
from portal_contract.seen import Seen

Produced = tuple[str, str, str]
"""Method, path and code of the public API."""

EVERYWHERE: Final = frozenset({"bad-request", "not-found", "method-not-allowed", "internal-error"})
"""Not listed with operations: a body that is no text, no such address, and faults of ours."""

AT_THE_GATE: Final = frozenset({BodyTooLarge.code, Invalid.code})
"""Longer bodies, and paths whose ids are none, do not come past the gateway to a service."""


def produced(seen: Iterable[Seen], operations: Collection[PublicOperation]) -> set[Produced]:
    """Return what was refused, as the contract lists it."""
    found = set()
    for one in seen:
        for public, codes in refusing(one, operations):
            if one.code in codes:
                found.add((public.method, public.path, one.code))
    return found


def unlisted(seen: Iterable[Seen], operations: Collection[PublicOperation]) -> set[Produced]:
    """Return what was refused although the contract does not list it there."""
    gateways = {code for one in operations for code in one.own.refusals}
    found = set()
    for one in seen:
        if one.code in EVERYWHERE:
            continue
        for public, codes in refusing(one, operations):
            if one.path.startswith(PREFIX):
                # What a test let a service say is no word of the portal's.
                told = one.whole or one.code in gateways
                known = one.code in public.refusals
            else:
                told = one.code not in AT_THE_GATE
                known = one.code in codes
            if told and not known:
                found.add((public.method, public.path, one.code))
    return found


def refusing(
    seen: Seen, operations: Collection[PublicOperation]
) -> Iterator[tuple[PublicOperation, Collection[str]]]:
    """Give the public operations that a refusal belongs to, with the codes that it can be evidence of."""
    if seen.path.startswith(f"{PREFIX}/"):
        for one in matching(seen.method, seen.path, [(one.own, one) for one in operations]):
            yield one, set(one.refusals) if seen.whole else set(one.own.refusals)
        return
    for one in matching(
        seen.method, seen.path, [(one.asked, one) for one in operations if one.asked is not None]
    ):
        yield one, set(one.asked.refusals if one.asked else ())


def matching(
    method: str, path: str, candidates: Collection[tuple[Operation, PublicOperation]]
) -> list[PublicOperation]:
    """Return those whose path this is; a path without parameters goes before one with them."""
    fitting = [
        (described.path.count("{"), public)
        for described, public in candidates
        if described.method == method and fits(described.path, path)
    ]
    fewest = min((count for count, _ in fitting), default=0)
    return [public for count, public in fitting if count == fewest]


def fits(template: str, path: str) -> bool:
    """Tell whether a path is one of a template's."""
    pattern = re.escape(shape(template)).replace(r"\{\}", "[^/]+")
    return re.fullmatch(pattern, path) is not None
