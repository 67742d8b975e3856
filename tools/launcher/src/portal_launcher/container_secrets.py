"""Which files does a portal of containers read its keys and passwords from?

Its own, beside those of `./portal up`. Nobody else enters their folder; within it they are readable, because
a container's user is another one than whoever made them.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from portal_launcher.layout import ROOT
from portal_launcher.progress import show
from portal_launcher.secret_files import make_secrets, password, secret
from portal_launcher.services import SERVICES

FOLDER = ROOT / ".portal" / "containers"
DEMO = "demo-passwords"


def make_container_secrets(folder: Path = FOLDER) -> int:
    """Make what is missing; what is there stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    make_secrets(folder)
    for role in ("postgres", *(service.name for service in SERVICES)):
        password(folder, role)
    secret(folder / DEMO, lambda: secrets.token_urlsafe(32))
    for file in folder.iterdir():
        file.chmod(0o444)
    show(f"the secrets of a portal of containers are in {folder}; next: docker compose up -d --build --wait")
    return 0
