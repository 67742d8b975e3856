"""Which bug is planted in this run?"""

import os

from .mutants_views import MUTANTS


def pytest_configure() -> None:
    """Plant the bug that `./portal test --mutants` names, so that a test must fail."""
    plant, _ = MUTANTS.get(os.environ.get("PORTAL_MUTANT", ""), (lambda: None, ""))
    plant()
