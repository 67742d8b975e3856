"""Does the portal keep a promise under faults, in the small or at full size, and what was found?

A proof is a set of tests (portal_launcher.proofs) at the size that PORTAL_PROOF_SIZE says. What they found is
written to proofs/results/NAME.json.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from portal_launcher.backend import backend
from portal_launcher.faults import UNKNOWN_PROOF, Fault
from portal_launcher.gates import call, planted_bugs, pytest
from portal_launcher.layout import ROOT
from portal_launcher.progress import Progress, show
from portal_launcher.proofs import PROOFS

RESULTS: Final = ROOT / "proofs" / "results"
LONGEST: Final = {"small": 3600.0, "full": 8 * 3600.0}
"""Seconds after which a proof that has not ended has failed."""


def prove(names: Sequence[str], arguments: list[str], *, full: bool, mutants: bool) -> int:
    """Run proofs, or plant their bugs; 0 when all held, or all bugs were caught.

    Of several, those are left out, and named, that need a Docker engine where there is none.
    """
    from portal_launcher.throwaway_containers import engine_answers  # noqa: PLC0415  slow, and seldom needed

    for name in names:
        if name not in PROOFS:
            raise Fault(UNKNOWN_PROOF, f"There is no proof {name}; there are {', '.join(PROOFS)}.")
    possible = [name for name in names if len(names) == 1 or not PROOFS[name].engine or engine_answers()]
    size = "full" if full else "small"
    codes = {name: asyncio.run(run(name, arguments, size=size, mutants=mutants)) for name in possible}
    for name in names:
        ended = "left out: no Docker engine answers" if name not in codes else "DID NOT HOLD"
        show(f"{name:<12}{'held' if codes.get(name) == 0 else ended}")
    return 1 if any(codes.values()) else 0


async def run(name: str, arguments: list[str], *, size: str, mutants: bool) -> int:
    """Run it, write what it found and print it."""
    proof, began = PROOFS[name], time.time()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        environment = {**proof.variables, "PORTAL_PROOF_SIZE": size, "PORTAL_PROOF_RESULTS": str(found)}
        command = pytest("-q", *proof.tests, *proof.also, *proof.options, *arguments)
        if mutants:
            left_out = [option for option in proof.options if option.startswith("--ignore=")]
            command = planted_bugs(*proof.tests, *proof.also, *left_out, *arguments)
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
