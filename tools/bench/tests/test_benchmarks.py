"""Do the benchmarks of the portal still run on what the services have become?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portal_launcher.layout import ROOT

NAMES = ("timeline", "search", "booking", "lag")
SMALL = ("--size", "100", "--rounds", "1", "--seconds", "0.5", "--steady-seconds", "1")


@pytest.mark.connected
def test_given_the_portal_as_it_is_when_measured_in_small_then_every_benchmark_says_its_figures(
    tmp_path: Path,
) -> None:
    # Servers of its own: nothing else may be measured with it, and no topic may hold another portal's events.
    done = subprocess.run(
        [sys.executable, "-m", "portal_launcher", "bench", *NAMES, *SMALL, "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    written = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
    assert set(written) == set(NAMES), done.stdout[-2000:] + done.stderr[-4000:]
    assert written["timeline"]["peers"]["timeline: items on a page"] == 20
    assert written["search"]["peers"]["search: items on a page"] > 0
    assert written["lag"]["peers"]["bookings"] == 50
    for name in ("timeline", "search", "booking"):
        assert written[name]["ratio"] > 0
