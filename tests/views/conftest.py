"""Which bug is planted in this run?"""

from pathlib import Path

from portal_eventstore.testing.planting import plant_named


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant_named(Path(__file__).parent)
