"""How does the demo network come into a portal of containers?

`python -m portal_demo FILE`: fills the portal if it is empty, and writes to FILE who can sign in. Where the
databases and the secrets are stands in the environment: DATABASE_URL_BOOKING, DATABASE_URL_IDENTITY (users
without passwords) and SECRETS.
"""

import asyncio
import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any

from portal_chassis.settings import SettingsError, with_password
from portal_demo.seed import is_empty, seed

SERVICES = ("booking", "identity")


async def fill(scale: str) -> dict[str, Any] | None:
    """Seed an empty portal and return who can sign in; leave any other as it is."""
    secrets = Path(os.environ["SECRETS"])
    database_urls = {
        name: with_password(os.environ[f"DATABASE_URL_{name.upper()}"], secrets / f"password-{name}")
        for name in SERVICES
    }
    if not await is_empty(database_urls):
        return None
    known = await seed(now=dt.datetime.now(dt.UTC), database_urls=database_urls, secrets=secrets, scale=scale)
    return {"url": os.environ["PUBLIC_URL"], **known}


def main(file: Path) -> None:
    """Fill the portal; only this process's user may read the file."""
    os.umask(0o077)
    try:
        people = asyncio.run(fill(os.environ.get("SCALE", "small")))
    except SettingsError as error:
        sys.exit(f"demo: {error}")
    if people is not None:
        file.write_text(json.dumps(people, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
