"""Which tests are no part of `./portal test`, because what they prove takes longer than a change may wait?"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from portal_launcher.layout import ROOT


@dataclass(frozen=True)
class Proof:
    """A promise and its tests.

    `tests` run here only; `also` are tests of the usual run, at the proof's size. `options` are pytest's,
    `variables` the tests'. `servers`: some are needed beside those that the tests bring; `engine`: a
    Docker engine is.
    """

    tests: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    servers: bool = False
    engine: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


PROOFS: Final[Mapping[str, Proof]] = types.MappingProxyType(
    {
        "faults": Proof(("tests/faults",), options=("--ignore=tests/faults/test_booking_history.py",)),
        "histories": Proof(("tests/faults/test_booking_history.py",)),
        "memory": Proof(("shared/eventstore/tests/test_hazards_memory.py",), servers=True),
        "poison": Proof(also=("shared/eventstore/tests/test_parking_on_kafka.py",), servers=True),
        "rebuild": Proof(
            ("tests/e2e/test_rebuild.py", "tests/e2e/test_restore.py"),
            also=(
                "shared/eventstore/tests/test_rebuild.py",
                "shared/eventstore/tests/test_rebuild_faults.py",
            ),
            servers=True,
        ),
        "bench": Proof(("tools/bench/tests",)),
        "containers": Proof(
            ("tests/containers",),
            also=("services", "shared", "tools", "tests/views"),
            options=("-mconnected",),
            engine=True,
            variables={"PORTAL_TEST_CONTAINERS": "yes", "PORTAL_TEST_BACKEND": "containers"},
        ),
    }
)

MOVED: Final = tuple(sorted(path for proof in PROOFS.values() for path in proof.tests))
"""What `./portal test` leaves out: folders and files."""

FOLDERS: Final = ("services", "shared", "tools", "tests")
"""Where tests lie."""


def usual_tests() -> list[PurePosixPath]:
    """List the files of tests that `./portal test` runs."""
    found = [
        PurePosixPath(file.relative_to(ROOT))
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("test_*.py")
    ]
    return sorted(file for file in found if not any(file.is_relative_to(moved) for moved in MOVED))
