"""Does the portal keep a promise under faults, in the small or at full size, and what was found?

A proof is a set of tests: the same that the gates run, with the size that PORTAL_PROOF_SIZE says. What they
found is written to proofs/results/NAME.json.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portal_launcher.backend import backend
from portal_launcher.faults import UNKNOWN_PROOF, Fault
from portal_launcher.gates import call, planted_bugs, pytest
from portal_launcher.layout import ROOT
from portal_launcher.progress import Progress, show

RESULTS: Final = ROOT / "proofs" / "results"
LONGEST: Final = {"small": 3600.0, "full": 8 * 3600.0}
"""Seconds after which a proof that has not ended has failed."""


@dataclass(frozen=True)
class Proof:
    """Its tests; `servers` says whether they need some beside their own, where no bugs are planted."""

    tests: tuple[str, ...]
    servers: bool = False


PROOFS: Final[Mapping[str, Proof]] = {
    "faults": Proof(("tests/faults", "--ignore=tests/faults/test_booking_history.py")),
    "histories": Proof(("tests/faults/test_booking_history.py",)),
    "poison": Proof(("shared/eventstore/tests/test_parking_on_kafka.py",), servers=True),
    "rebuild": Proof(
        ("shared/eventstore/tests/test_rebuild.py", "shared/eventstore/tests/test_rebuild_faults.py"),
        servers=True,
    ),
}


def prove(name: str, arguments: list[str], *, full: bool, mutants: bool) -> int:
    """Run one proof, or plant its bugs; 0 when it held, or all were caught."""
    if name not in PROOFS:
        raise Fault(UNKNOWN_PROOF, f"There is no proof {name}; there are {', '.join(PROOFS)}.")
    return asyncio.run(run(name, arguments, size="full" if full else "small", mutants=mutants))


async def run(name: str, arguments: list[str], *, size: str, mutants: bool) -> int:
    """Run it, write what it found and print it."""
    proof, began = PROOFS[name], time.time()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        environment = {"PORTAL_PROOF_SIZE": size, "PORTAL_PROOF_RESULTS": str(found)}
        command = pytest("-q", *proof.tests, *arguments)
        if mutants:
            command = planted_bugs(*proof.tests, *arguments)
        async with servers(needed=proof.servers and not mutants) as there:
            try:
                async with asyncio.timeout(LONGEST[size]):
                    code = await call(command, {**there, **environment})
            except TimeoutError:
                show(f"{name} did not end within {LONGEST[size]:.0f} s")
                code = 1
        write(
            name,
            {
                "proof": name,
                "size": size,
                "began": dt.datetime.fromtimestamp(began, dt.UTC).isoformat(timespec="seconds"),
                "seconds": round(time.time() - began, 1),
                "held": code == 0,
                "mutants": mutants,
                "found": json.loads(found.read_text()) if found.exists() else {},
            },
        )
    return code


@contextlib.asynccontextmanager
async def servers(*, needed: bool) -> AsyncIterator[dict[str, str]]:
    """Start the servers that a proof needs, and say where they are."""
    if not needed:
        yield {}
        return
    async with backend(Progress()) as started:
        yield started


def write(name: str, result: Mapping[str, Any]) -> None:
    """Keep what was found, and show it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    show(file.read_text())
    show(f"written to {file.relative_to(ROOT)}")
