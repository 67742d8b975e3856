"""Do the lines of docs/tour.md work when pasted?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from portal_faults.running import RunningPortal
from portal_launcher.layout import ROOT

from .people import Typed

pytestmark = pytest.mark.connected

TOUR = Path(ROOT / "docs" / "tour.md").read_text()
BLOCK = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TYPED = (
    "seven quiet herons at dusk",
    "Annaliese",
    "Wędrowska",
    "1987-03-09",
    "ZX8830417",
    "+48600700801",
    "The upper left molar hurts when it is cold",
)


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="the tour is curl's, and there is none on this machine"
)
def test_given_a_running_portal_when_the_tour_is_pasted_then_the_timeline_shows_the_appointment(
    portal: RunningPortal, typed: Typed
) -> None:
    for text in TYPED:
        assert text in TOUR
    typed.texts |= set(TYPED)
    blocks = BLOCK.findall(TOUR)
    assert {kind for kind, _ in blocks} == {"sh", "sh kcat"}
    script = "".join(lines for kind, lines in blocks if kind == "sh")
    assert "PORTAL=http://127.0.0.1:8080\n" in script
    script = script.replace("http://127.0.0.1:8080", portal.url)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=portal.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    answers = documents(done.stdout)
    assert "\n204\n" in done.stdout
    assert any(answer.get("type") == "/problems/not-signed-in" for answer in answers)
    for explained in ("Zaloguj", "Sign in"):
        assert explained in done.stdout
    at = next(n for n, answer in enumerate(answers) if "appointmentId" in answer)
    booked, timeline, appointments, moved, cancelled, emptied = answers[at : at + 6]
    assert [item["appointmentId"] for item in timeline["items"]] == [booked["appointmentId"]]
    assert [item["reason"] for item in appointments["items"]] == [
        "The upper left molar hurts when it is cold"
    ]
    assert moved["slotId"] != booked["slotId"]
    assert (moved["status"], cancelled["status"]) == ("booked", "cancelled")
    assert cancelled["slotId"] == moved["slotId"]
    assert emptied["items"] == []
    watched = [answer for answer in answers[at + 6 :] if answer.get("appointmentId")]
    assert [(item["startsAt"], item["state"]) for item in watched] == [
        (booked["startsAt"], "planned"),
        (moved["startsAt"], "planned"),
        (moved["startsAt"], "cancelled"),
    ]
    assert re.search(r"^booking-worker +\d+ +\d+ .*yes$", done.stdout, re.MULTILINE)


def test_given_the_tour_when_kcat_reads_then_it_reads_the_topic_of_this_portal_in_order() -> None:
    [lines] = [lines for kind, lines in BLOCK.findall(TOUR) if kind == "sh kcat"]
    assert "run.json" in lines
    assert "-t booking.events -o beginning -e" in lines
    assert "PATIENT=" in TOUR.partition(lines)[0]


def documents(text: str) -> list[dict[str, Any]]:
    """Read the JSON objects that stand among other output."""
    found = []
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        value, end = decoder.raw_decode(text, at)
        found.append(value)
        at = text.find("{", end)
    return found
