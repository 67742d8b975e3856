"""What does booking take from its environment?"""

import os
from pathlib import Path

from portal_chassis.settings import Settings as ServiceSettings


class Settings(ServiceSettings):
    """The key files beside what every service needs."""

    key_encryption_key_file: Path
    request_key_file: Path
    gateway_public_key_file: Path


def read_settings() -> Settings:
    """Read the environment; raises SettingsError."""
    return Settings.from_environment(os.environ)
