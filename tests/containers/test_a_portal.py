"""Does a portal of containers serve people?"""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Containers

JOURNEYS = (
    "tests/e2e/test_journey.py",
    "tests/e2e/test_accounts.py",
    "tests/e2e/test_search_and_book.py",
    "tests/e2e/test_stream.py",
    "tests/e2e/test_tour.py",
)

pytestmark = pytest.mark.connected


def test_given_a_portal_of_containers_when_people_come_then_at_least_ten_journeys_end_well(
    containers: Containers, tmp_path: Path
) -> None:
    demo = tmp_path / "demo.json"
    containers.compose("cp", "demo:/demo/demo.json", str(demo))
    told = {
        "PORTAL_URL": containers.url,
        "PORTAL_MAILBOX_URL": containers.mailbox,
        "PORTAL_DEMO": str(demo),
    }
    done = containers.python("-m", "pytest", "-q", *JOURNEYS, **told)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
