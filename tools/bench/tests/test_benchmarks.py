"""Do the benchmarks of the portal still run on what the services have become?"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portal_launcher.layout import ROOT

NAMES = ("timeline", "search", "booking", "lag")
OF_VIEWS = ("rebuild", "apply")
SMALL = ("--size", "100", "--rounds", "1", "--seconds", "0.5", "--steady-seconds", "1")


@pytest.mark.connected
def test_given_the_portal_as_it_is_when_measured_in_small_then_every_benchmark_says_its_figures(
    tmp_path: Path,
) -> None:
    written = _measured(tmp_path, *NAMES, *SMALL)
    assert written["timeline"]["peers"]["timeline: items on a page"] == 20
    assert written["search"]["peers"]["search: items on a page"] > 0
    assert written["lag"]["peers"]["bookings"] == 50
    for name in ("timeline", "search", "booking"):
        assert written[name]["ratio"] > 0


@pytest.mark.connected
def test_given_the_views_as_they_are_when_measured_in_small_then_the_rebuild_and_the_apply_say_theirs(
    tmp_path: Path,
) -> None:
    written = _measured(tmp_path, *OF_VIEWS, "--size", "3000", "--rounds", "1")
    for name in OF_VIEWS:
        assert written[name]["peers"]["events"] == 3_000
        assert written[name]["ratio"] > 0


def _measured(results: Path, *arguments: str) -> dict[str, Any]:
    """Return what the benchmarks write."""
    # Servers of its own: nothing else may be measured with it, and no topic may hold another portal's events.
    done = subprocess.run(
        [sys.executable, "-m", "portal_launcher", "bench", *arguments, "--results", str(results)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    written = {file.stem: json.loads(file.read_text()) for file in results.glob("*.json")}
    asked = [argument for argument in arguments if argument in (*NAMES, *OF_VIEWS)]
    assert set(written) == set(asked), done.stdout[-2000:] + done.stderr[-4000:]
    return written
