"""What fills an empty portal, apart from the launcher?

`python -m portal_launcher.seed_child RUN DEMO SCALE`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path

from portal_demo.seed import is_empty, seed
from portal_launcher.run_file import Run, read_run
from portal_secrets.files import write_private


async def seed_if_empty(run: Run, demo: Path, scale: str) -> None:
    """Ask portal_demo whether anything is there, and let it fill what is empty."""
    if not await is_empty(run.database_urls):
        return
    people = await seed(
        now=dt.datetime.now(dt.UTC), database_urls=run.database_urls, secrets=Path(run.secrets), scale=scale
    )
    write_private(demo, json.dumps({"url": run.url, **people}, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    recorded = read_run(Path(sys.argv[1]))
    if recorded is None:
        sys.exit("run.json is missing")
    asyncio.run(seed_if_empty(recorded, Path(sys.argv[2]), sys.argv[3]))
