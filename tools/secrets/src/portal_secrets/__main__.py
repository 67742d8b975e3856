"""Make what is missing among the secrets of a portal of containers: python -m portal_secrets FOLDER DATA."""

from __future__ import annotations

import sys
from pathlib import Path

from portal_secrets.containers import LostSecretsError, make_container_secrets

if __name__ == "__main__":
    try:
        make_container_secrets(Path(sys.argv[1]), Path(sys.argv[2]))
    except LostSecretsError as error:
        sys.exit(str(error))
