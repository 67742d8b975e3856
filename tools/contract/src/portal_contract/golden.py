"""Where is the contract kept, and is it still what the apps say?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from portal_contract.document import document
from portal_contract.operations import public_operations
from portal_contract.pages import operations_page, problems_page

ROOT: Final = Path(__file__).resolve().parents[4]
GOLDEN: Final = ROOT / "services/gateway/src/gateway/landing/openapi.json"
"""Served as it stands by `GET /api/openapi.json`."""

PAGES: Final = ROOT / "docs/api"
COMMAND: Final = ".portal/venv/bin/python -m portal_contract --write"


def files() -> dict[Path, str]:
    """Make every generated file."""
    contract = document(public_operations())
    return {
        GOLDEN: json.dumps(contract, ensure_ascii=False, indent=1) + "\n",
        PAGES / "README.md": operations_page(contract),
        PAGES / "problems.md": problems_page(contract),
    }


def read_golden() -> dict[str, Any]:
    """Read the contract as it is kept."""
    contract: dict[str, Any] = json.loads(GOLDEN.read_text())
    return contract


def stale() -> list[Path]:
    """List the files that are not what the apps say."""
    return [path for path, text in files().items() if not path.exists() or path.read_text() != text]


def write() -> None:
    """Write every generated file."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
