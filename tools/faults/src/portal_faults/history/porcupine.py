"""Is the history linearizable by what clients saw alone, partition by partition (Porcupine)?

The store says only which of the unknown outcomes happened: those that did not are left out, others end when
a repeat was answered, or never. A partition is a stretch of a doctor's day whose slots get in each other's
way, or one patient: the rules of the one leave the other out, so an operation may be in several.
"""

import asyncio
import json
import math
import subprocess
import tempfile
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from portal_faults.go import go
from portal_faults.history.check import Caused, attribute, made_by
from portal_faults.history.fact import Fact
from portal_faults.history.history import History
from portal_faults.history.operation import Kind, Operation, Outcome, Slot
from portal_faults.history.timeline import Finding, Timeline

_PROGRAM: Final = Path(__file__).parents[3] / "porcupine"
_NEVER: Final = 2**62
"""Nanoseconds: after everything."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Porcupine says of a history."""

    partitions: int
    operations: int
    findings: list[Finding]


async def linearizable(
    history: History, facts: Sequence[Fact], timeline: Timeline, within: float
) -> Verdict | None:
    """Ask Porcupine about every partition, for at most so many seconds; None where it cannot be built."""
    lines = "\n".join(json.dumps(partition) for partition in partitions(history, facts, timeline))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "porcupine"
        if not await asyncio.to_thread(_build, program):
            return None
        process = await asyncio.create_subprocess_exec(program, f"{within:.0f}s", stdin=PIPE, stdout=PIPE)
        said, _ = await process.communicate(lines.encode())
    if process.returncode != 0:
        raise RuntimeError(f"porcupine ended with {process.returncode}")
    verdict = json.loads(said)
    findings = [Finding("a partition is not linearizable", name) for name in verdict["illegal"]]
    findings += [Finding("a partition could not be decided in time", name) for name in verdict["undecided"]]
    return Verdict(verdict["partitions"], verdict["operations"], findings)


def _build(program: Path) -> bool:
    """Build it; the checksums stand in go.sum. No Go and no network are no fault of the history."""
    builder = go()
    if builder is None:
        return False
    command = [*builder, "build", "-o", str(program), "."]
    return subprocess.run(command, cwd=_PROGRAM, check=False).returncode == 0  # noqa: S603  a fixed command


def partitions(history: History, facts: Sequence[Fact], timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Yield the history's parts as the program reads them."""
    known = list(_known(history, facts, attribute(history.operations, facts)[0]))
    stretches = _stretches(history.slots, timeline)
    placed = _placed(known)
    of_doctors, of_patients = defaultdict(list), defaultdict(list)
    for operation in known:
        line = _line(operation, history.epoch)
        of_patients[operation.patient].append(line)
        touched = [operation.slot] if operation.slot else []
        if operation.code == "appointment-cancelled":
            # Of the slot it says nothing.
            touched = placed[operation.appointment or ""]
        elif operation.kind in {Kind.MOVE, Kind.CANCEL} and operation.code is None:
            touched += placed[operation.appointment or ""]
        elif operation.kind is Kind.RELEASE:
            touched = placed[operation.hold or ""]
        for stretch in {stretches[slot] for slot in touched}:
            of_doctors[stretch].append(line)
    slots = [asdict(slot) for slot in history.slots.values()]
    for stretch, lines in of_doctors.items():
        own = [slot for slot in slots if stretches[slot["slot"]] == stretch]
        yield {"name": f"doctor's time from slot {stretch}", "slots": own, "operations": lines}
    for patient, lines in of_patients.items():
        yield {"name": f"patient {patient}", "of_patient": True, "slots": slots, "operations": lines}


def _known(history: History, facts: Sequence[Fact], caused: Caused) -> Iterator[Operation]:
    """Yield what happened, and refusals; a repeat of what had happened says nothing new."""
    answered: dict[int, float] = {}
    for operation in history.operations:
        made = made_by(operation, caused)
        if made is not None and operation.outcome is Outcome.OK:
            answered[made] = min(answered.get(made, math.inf), operation.returned_at)
    for operation in history.operations:
        made, own = made_by(operation, caused), caused.by_attempt.get(operation.id)
        if operation.kind is Kind.READ or made != own:
            continue
        if own is not None:
            fact = facts[own - 1]
            yield _as_happened(operation, fact, answered.get(own, math.inf))
        elif operation.outcome is not Outcome.UNKNOWN:
            yield operation


def _as_happened(operation: Operation, fact: Fact, answered: float) -> Operation:
    told = {name: getattr(operation, name) for name in operation.__slots__}
    result = fact.hold if fact.kind is Kind.HOLD else fact.appointment
    if operation.outcome is Outcome.OK:
        return Operation(**{**told, "expires_at": fact.expires_at})
    changed = {"result": result, "returned_at": answered, "outcome": Outcome.OK, "code": None}
    return Operation(**{**told, **changed, "expires_at": fact.expires_at})


def _placed(operations: Iterable[Operation]) -> Mapping[str, list[str]]:
    """Return where each appointment and hold has been."""
    placed: dict[str, list[str]] = defaultdict(list)
    for operation in operations:
        if operation.result is not None and operation.slot is not None:
            placed[operation.result].append(operation.slot)
    return placed


def _stretches(slots: Mapping[str, Slot], timeline: Timeline) -> dict[str, str]:
    """Return for each slot the first one of its stretch: a doctor's slots that overlap, one after another."""
    first: dict[str, str] = {}
    for slot in slots:
        waiting = [] if slot in first else [slot]
        while waiting:
            one = waiting.pop()
            if one not in first:
                first[one] = slot
                waiting += [
                    other for other in timeline.beside[one] if slots[other].doctor == slots[one].doctor
                ]
    return first


def _line(operation: Operation, epoch: float) -> dict[str, Any]:
    told = {
        name: value
        for name in (
            "kind",
            "patient",
            "slot",
            "appointment",
            "hold",
            "result",
            "code",
            "expires_at",
            "client",
        )
        if (value := getattr(operation, name)) is not None
    }
    ended = operation.returned_at < math.inf
    return {
        **told,
        "call": int(1e9 * operation.invoked_at),
        "return": int(1e9 * operation.returned_at) if ended else _NEVER,
        "asked": epoch + operation.invoked_at,
        "told": epoch + operation.returned_at if ended else 1e12,
    }
