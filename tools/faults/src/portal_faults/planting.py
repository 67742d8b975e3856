"""How does a planted bug get into the processes of a whole portal, without a switch in the product?

Their PYTHONPATH leads to `site/sitecustomize.py`, which plants what PORTAL_MUTANT names before the service's
own modules run. Where no bug is asked for, nothing is added to their environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portal_eventstore.testing.planting import plant_named

_FOLDER: Final = "PORTAL_PLANTS"


def planted(folder: Path) -> Mapping[str, str]:
    """Return the variables that plant PORTAL_MUTANT's bug, of a folder with mutants_*.py, into a process."""
    if "PORTAL_MUTANT" not in os.environ:
        return {}
    path = [str(Path(__file__).with_name("site")), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, path)), _FOLDER: str(folder)}


def plant() -> None:
    """Plant it in this process."""
    plant_named(Path(os.environ[_FOLDER]))
