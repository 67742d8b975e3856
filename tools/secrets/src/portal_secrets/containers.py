"""Which files do the containers of a portal read their keys and passwords from?

Those of a folder for each kind of container, which it mounts under /run/secrets. Nobody but its owner enters
the folder of these folders; within them all is readable, because a container's user is another one than
whoever made them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from portal_secrets.files import (
    PUBLIC_KEY,
    SIGNING_KEY,
    new_password,
    new_signing_keys,
    new_symmetric_key,
    write_private,
)

SERVICES: Final = ("identity", "booking", "gateway")

READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "password-postgres": ("postgres",),
    "password-identity": ("postgres", "identity", "demo"),
    "password-booking": ("postgres", "booking", "demo"),
    "password-gateway": ("postgres", "gateway"),
    "key-encryption-key": ("identity", "booking", "demo"),
    "uniqueness-key": ("identity", "demo"),
    "request-key-identity": ("identity", "demo"),
    "request-key-booking": ("booking",),
    SIGNING_KEY: ("gateway",),
    PUBLIC_KEY: ("identity", "booking", "demo"),
    "demo-passwords": ("demo",),
}
"""Each secret, and the folders of those who may know it."""

LASTING: Final = frozenset(
    {
        "password-postgres",
        "key-encryption-key",
        "uniqueness-key",
        "request-key-identity",
        "request-key-booking",
    }
)
"""What the data was made with. Of the others new ones do as well: `databases` tells PostgreSQL."""


class LostSecretsError(Exception):
    """The data of a portal is there, and what it cannot be read without is not."""


def make_container_secrets(folder: Path, data: Path | None = None) -> list[str]:
    """Make what is missing in `folder`, and return its names; what is there stays as it is.

    `data`: the folder of PostgreSQL's data. Raises LostSecretsError when it holds some, and a secret is
    missing that was made together with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: found for name, readers in READERS.items() if (found := _found(folder, name, readers))}
    missing = [name for name in READERS if name not in texts]
    lost = [name for name in missing if name in LASTING]
    if lost and data is not None and (data / "PG_VERSION").exists():
        raise LostSecretsError(
            f"The data of this portal is there, but {folder.name} lacks {', '.join(lost)}: bring the files"
            " back, or remove the data as well with docker compose down -v."
        )
    made = _new(missing)
    for name, text in (texts | made).items():
        for reader in READERS[name]:
            place = folder / reader / name
            if name in made or not place.exists():
                place.parent.mkdir(exist_ok=True)
                write_private(place, text)
    _open_to_containers(folder)
    return list(made)


def _found(folder: Path, name: str, readers: Iterable[str]) -> str | None:
    places = (folder / reader / name for reader in readers)
    return next((place.read_text() for place in places if place.exists()), None)


def _new(names: Iterable[str]) -> dict[str, str]:
    made = {name: new_password() if "password" in name else new_symmetric_key() for name in names}
    # One half without the other is of no use.
    return made | (new_signing_keys() if {SIGNING_KEY, PUBLIC_KEY} & made.keys() else {})


def _open_to_containers(folder: Path) -> None:
    # Whoever is root here, in a container, made them for the owner of the folder.
    owner = folder.stat()
    for place in (*folder.iterdir(), *folder.glob("*/*")):
        if os.geteuid() == 0:
            os.chown(place, owner.st_uid, owner.st_gid)
        place.chmod(0o755 if place.is_dir() else 0o444)
    folder.chmod(0o700)
