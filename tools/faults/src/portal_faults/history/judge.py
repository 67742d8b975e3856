"""Did a portal keep its promises in a recorded history: answers, store and views?"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from portal_faults.history.check import check
from portal_faults.history.fact import read_facts
from portal_faults.history.history import read_history
from portal_faults.history.timeline import Finding, Timeline
from portal_faults.history.views import check_views
from portal_faults.running import RunningPortal, eventually, require

_FOLLOW_SECONDS: Final = 90.0
_SHOWN: Final = 5


async def judge(portal: RunningPortal, file: Path) -> dict[str, Any]:
    """Return figures about the history; raise BrokenPromiseError with what contradicts it."""
    history = read_history(file)
    patients = {operation.patient for operation in history.operations}
    facts = [fact for fact in await read_facts(portal.database_urls["booking"]) if fact.patient in patients]
    began = time.monotonic()
    checked = await asyncio.to_thread(check, history, facts)
    seconds = time.monotonic() - began
    _require_none(checked.findings)
    await _views_follow(portal, checked.timeline)
    return {
        "operations": checked.operations,
        "facts": checked.facts,
        "outcomes": dict(Counter(operation.outcome.value for operation in history.operations)),
        "unknown that happened": checked.happened,
        "seconds to check": round(seconds, 1),
    }


async def _views_follow(portal: RunningPortal, timeline: Timeline) -> None:
    urls = portal.database_urls
    found: list[Finding] = []

    async def right() -> bool:
        found[:] = await check_views(urls["booking"], urls["gateway"], timeline)
        return not found

    with contextlib.suppress(AssertionError):
        await eventually(right, "the views follow", _FOLLOW_SECONDS)
    _require_none(found)


def _require_none(findings: Sequence[Finding]) -> None:
    counted = Counter(finding.rule for finding in findings)
    shown = "\n".join(f"{finding.rule}: {finding.what}" for finding in findings[:_SHOWN])
    require(not findings, f"{dict(counted)}\n{shown}")
