"""How does a planted bug get into the processes of a whole portal, without a switch in the product?

Their PYTHONPATH leads to `site/sitecustomize.py`, which plants what PORTAL_MUTANT names before the service's
own modules run, and what makes a test harder for sound code, too (shorter times, answers that get lost).
Where nothing is asked for, nothing is added to their environment.
"""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from portal_eventstore.testing.planting import plant_named

_FOLDER: Final = "PORTAL_PLANTS"
_HARDSHIPS: Final = "PORTAL_HARDSHIPS"


def planted(folder: Path, hardships: Sequence[str] = ()) -> Mapping[str, str]:
    """Return the variables that plant PORTAL_MUTANT's bug, of a folder with mutants_*.py, into a process.

    `hardships` are functions, `module:name`, that are called there before.
    """
    if "PORTAL_MUTANT" not in os.environ and not hardships:
        return {}
    path = [str(Path(__file__).with_name("site")), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        _FOLDER: str(folder),
        _HARDSHIPS: " ".join(hardships),
    }


def plant() -> None:
    """Plant it in this process."""
    for hardship in os.environ[_HARDSHIPS].split():
        module, _, name = hardship.partition(":")
        getattr(import_module(module), name)()
    plant_named(Path(os.environ[_FOLDER]))
