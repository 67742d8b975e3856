"""What does identity take from its environment?"""

import os
from pathlib import Path
from typing import Self

from portal_chassis.settings import Settings


class IdentitySettings(Settings):
    """The keys that identity holds, each in a file of its own (README.md)."""

    key_encryption_key_file: Path
    request_key_file: Path
    uniqueness_key_file: Path
    gateway_public_key_file: Path

    @classmethod
    def read(cls) -> Self:
        """Read the process's environment; raises SettingsError."""
        return cls.from_environment(os.environ)
